/** How each step on the way of an event does, and what to do where it does not do well. */
import { whyMissing } from '../answers/answer-meta.ts'
import { closedTotals } from './closed-totals.ts'
import { type HealthFacts, known } from './health-facts.ts'

export const HOPS = ['sources', 'log', 'stream', 'lake', 'generation', 'verification', 'answers'] as const
export type HopName = (typeof HOPS)[number]
export const HOP_STATES = ['ok', 'note', 'attention'] as const
export type HopState = (typeof HOP_STATES)[number]

export interface Hop {
  readonly hop: HopName
  /** note: for information; attention: do what `advice` says */
  readonly state: HopState
  readonly message: string
  readonly advice: string | null
}

type Verdict = Omit<Hop, 'hop'>

/** a marker that is older means that no stream role runs: three times as long as one that has nothing to do, or is far behind, waits */
export const MARKER_FRESH_MS = 30_000
/** with closed segments after it, an older generation means that no schedule runs */
export const GENERATION_OLD_MS = 36 * 3_600_000
/** how far the clocks of machines may differ */
const CLOCKS_APART_MS_MAX = 60_000
const DOCTOR = 'run `watershed doctor`, which names the part and the repair'
const CLOCK = 'a clock was ahead then, or this one is behind: check the clocks of the machines'

export function hopsOf(facts: HealthFacts): Hop[] {
  return HOPS.map((hop) => ({ hop, ...VERDICTS[hop](facts) }))
}

export function worstOf(hops: readonly Hop[]): HopState {
  return HOP_STATES.findLast((state) => hops.some((hop) => hop.state === state)) ?? 'ok'
}

const VERDICTS: Readonly<Record<HopName, (facts: HealthFacts) => Verdict>> = {
  sources: sourcesVerdict,
  log: logVerdict,
  stream: streamVerdict,
  lake: lakeVerdict,
  generation: generationVerdict,
  verification: verificationVerdict,
  answers: answersVerdict,
}

const ok = (message: string): Verdict => ({ state: 'ok', message, advice: null })
const note = (message: string, advice: string | null = null): Verdict => ({ state: 'note', message, advice })
const attention = (message: string, advice: string): Verdict => ({ state: 'attention', message, advice })

function sourcesVerdict(facts: HealthFacts): Verdict {
  const { sources, demoEventsPerSecond = null } = facts
  const demo = demoEventsPerSecond === null ? null : `the demo sends ${demoEventsPerSecond} generated events/s`
  if (sources.length > 0) {
    const declared = declaredVerdict(facts)
    return demo === null ? declared : { ...declared, message: `${demo}; ${declared.message}` }
  }
  if (demo !== null) return ok(demo)
  return ok('no sources are declared: events are sent over HTTP, from Kafka or by a command')
}

function declaredVerdict({ dataset, sources }: HealthFacts): Verdict {
  const troubled = sources.find(({ state }) => state === 'failing' || state === 'refused')
  if (troubled !== undefined) {
    const { source, state, reason } = troubled
    const advice =
      state === 'failing'
        ? 'it is tried again by itself; check the other side, and the address and headers of the source'
        : 'correct the address, headers or credentials of the source, and restart'
    return attention(`source '${source}' is ${state}${reason === null ? '' : `: ${reason}`}`, advice)
  }
  const resting = sources.find(({ state }) => state === 'paused' || state === 'stopped')
  if (resting === undefined) return ok(`${sources.length} sources are read`)
  const advice =
    resting.state === 'paused'
      ? `run \`watershed sources resume ${dataset}/${resting.source}\``
      : 'run `watershed start`, or a process with the intake role'
  return note(`source '${resting.source}' is ${resting.state}`, advice)
}

function logVerdict({ snapshot, rates }: HealthFacts): Verdict {
  const partitions = known(snapshot)?.partitions
  if (partitions === undefined) return note('not known, because answers cannot be given')
  if (partitions.some(({ behind }) => behind === null))
    return attention('the log cannot be read', 'check the log (file or broker); answers are given without newer events')
  const events = partitions.reduce((total, { position, behind }) => total + position + behind!, 0)
  const { appendedPerSecond: rate } = rates
  const speed = rate === null ? '' : `, ${rate} events/s`
  return ok(`${events} events in ${partitions.length} partitions${speed}`)
}

function streamVerdict({ snapshot, markers, chains, nowMs }: HealthFacts): Verdict {
  if ('fault' in markers)
    return attention(`the speed store cannot be read: ${markers.fault}`, 'check the speed store; no data is lost')
  const newestMs = Math.max(0, ...[...markers.value.values()].map(({ atMs }) => atMs))
  const behind = uncounted(known(snapshot)?.partitions, markers.value)
  const lag = behind === null ? 'its lag is not known' : `${behind} events behind the log`
  if (newestMs > nowMs + CLOCKS_APART_MS_MAX)
    return attention(`it wrote last at a time that is in the future; ${lag}`, CLOCK)
  if (newestMs !== 0 && nowMs - newestMs <= MARKER_FRESH_MS) return ok(`running, ${lag}`)
  // Far behind the log, segments are closed instead of writing markers.
  const closedMs = newestClosedMs(known(chains) ?? [])
  if (behind !== 0 && Math.abs(nowMs - closedMs) <= MARKER_FRESH_MS) return ok(`catching up, ${lag}`)
  const message = newestMs === 0 ? `no stream role is running; ${lag}` : `${stillSince(nowMs - newestMs)}; ${lag}`
  return behind === 0
    ? note(message)
    : attention(message, 'run `watershed start` or `watershed stream`; if it is running, see its log')
}

function stillSince(ms: number): string {
  return `the stream role wrote last ${Math.round(ms / 1_000)} s ago: it is not running, or the machine is too busy`
}

/** When the newest segment closed, epoch ms; 0: there is none. */
export function newestClosedMs(
  chains: readonly {
    readonly segments: readonly { readonly createdAtMs: number }[]
    readonly past?: { readonly closedAtMs: number }
  }[],
): number {
  return Math.max(0, ...chains.map(({ segments, past }) => segments.at(-1)?.createdAtMs ?? past?.closedAtMs ?? 0))
}

/** Events of the log that no stream role has folded. */
function uncounted(
  partitions: readonly { partition: number; position: number; closedEnd: number; behind: number | null }[] | undefined,
  markers: ReadonlyMap<number, { readonly segmentStart: number; readonly through: number }>,
): number | null {
  if (partitions === undefined) return null
  let lag = 0
  for (const { partition, position, closedEnd, behind } of partitions) {
    if (behind === null) return null
    const marker = markers.get(partition)
    const folded = marker === undefined ? closedEnd : Math.max(closedEnd, marker.through)
    lag += Math.max(0, position + behind - folded)
  }
  return lag
}

function lakeVerdict(facts: HealthFacts): Verdict {
  const { chains, snapshot } = facts
  if ('fault' in chains) return attention(chains.fault, DOCTOR)
  const { rows, deadLetters: letters, unconverted } = closedTotals(facts)
  const counted = `${rows} rows in closed segments`
  const lost = known(snapshot)?.gaps.reduce((total, { start, end }) => total + end - start, 0) ?? 0
  if (lost > 0)
    return attention(
      `${counted}; ${lost} events were lost before they were read`,
      'raise logRetentionMs, or find out why the stream role did not read them in time',
    )
  if (letters > 0)
    return note(`${counted}, and ${letters} dead letters`, 'see the reasons, then correct the sender or the definition')
  const columns = Object.keys(unconverted)
  if (columns.length > 0)
    return note(
      `${counted}; values of ${columns.join(', ')} could not be converted`,
      "correct the column's path, type or unit, or what is sent",
    )
  return ok(counted)
}

function generationVerdict(facts: HealthFacts): Verdict {
  const { generation, chains, nowMs } = facts
  if ('fault' in generation) return attention(generation.fault, DOCTOR)
  if (generation.value === null)
    return note(
      'none yet; answers come from the speed layer',
      'run `watershed batch run`, or keep the schedule running',
    )
  const { id, mode, finishedAtMs, boundary } = generation.value
  const ends = known(chains) ?? []
  const after = ends.reduce((sum, { partition, end }) => sum + Math.max(0, end - (boundary[partition] ?? 0)), 0)
  const ageMs = nowMs - finishedAtMs
  const message = `${id} (${mode}), ${ageText(ageMs)}; ${after} closed events follow it`
  if (ageMs < -CLOCKS_APART_MS_MAX) return attention(message, CLOCK)
  if (ageMs > GENERATION_OLD_MS && after > 0)
    return attention(message, 'the schedule is not running: start a batch role, or run `watershed batch run`')
  return ok(message)
}

function ageText(ageMs: number): string {
  if (ageMs < 0) return 'finished in the future'
  const minutes = Math.round(ageMs / 60_000)
  return `${minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`} old`
}

function verificationVerdict({ verification }: HealthFacts): Verdict {
  if ('fault' in verification) return attention(verification.fault, DOCTOR)
  if (verification.value === null) return note('never verified', 'run `watershed verify`')
  const { equal, generation, atMs } = verification.value
  const at = new Date(atMs).toISOString()
  if (equal) return ok(`every view was equal to the recount at ${at}, with generation ${generation ?? 'none'}`)
  return attention(
    `views differed from the recount at ${at}`,
    'run `watershed verify` for the rows, and `watershed batch run --full` to publish a recount',
  )
}

function answersVerdict({ snapshot }: HealthFacts): Verdict {
  if ('fault' in snapshot) return attention(snapshot.fault, DOCTOR)
  const { partitions } = snapshot.value
  const missing = whyMissing(partitions)
  if (missing !== null) return attention(`the newest events may be missing: ${missing}`, 'check the log')
  const behind = partitions.reduce((sum, place) => sum + (place.behind ?? 0), 0)
  return ok(behind === 0 ? 'every event of the log is counted' : `${behind} events of the log are not counted yet`)
}
