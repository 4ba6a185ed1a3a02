/**
 * Where the log, the speed store and the lake of a dataset do not agree, as after a restore of one of them from an older copy: what is
 * found, what to do, and what can be repaired without losing anything.
 *
 * Partials are deleted only where no owner can be at work on them, because owners refuse a log that ends before what was counted, or where
 * rows are damaged: a running owner finds its marker gone, and folds again. While they are deleted a barrier stays in the store, and goes last. So a repair that dies half way is found again and made again, and no answer
 * is given in between. An owner that sees its log go back leaves a barrier, too.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import {
  BARRIER_THROUGH,
  countedRecords,
  isLogLoss,
  isProvenByContent,
  type KnownParts,
  type LogVerdict,
  logAgreement,
} from '#core/log-agreement.ts'
import { LOG_LOSS_ADVICE, verdictText } from '#core/log-verdict-text.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { type GenerationManifest, generationFiles } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { LogRefusal } from '#storage/lake/log-refusal.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { recordsAt } from '#storage/log/record-prints.ts'
import { barrierOver } from '#storage/speed-store/barrier.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { type CountedArrivals, goOnAtLakeEnd, partingOf } from './go-on-at-lake-end.ts'

/** The parts that are compared, opened. */
export interface ComparedParts {
  readonly dataset: Pick<CompiledDataset, 'name'>
  readonly partitions: number
  readonly log: Pick<EventLog, 'identity' | 'range' | 'read' | 'moveRecords'>
  readonly store: SpeedStore
  readonly lake: Lake
  /** where the log and a closed segment part is found by these */
  readonly countedArrivals: CountedArrivals
}

export interface DisagreementOptions {
  /** going on with a log that lost records of closed segments is a repair, too */
  readonly acceptLogLoss?: boolean
}

export interface Disagreement {
  readonly part: 'log' | 'speed store' | 'generation'
  readonly message: string
  /** what to do; where `repair` is null, only a person can */
  readonly advice: string
  readonly numbers: Readonly<Record<string, number | string | null>>
  /** makes it well again; returns what it did. @throws when it was kept from it: nothing is worse than before */
  readonly repair: (() => Promise<string>) | null
}

const REPAIR_ADVICE = 'run `watershed doctor --repair`'
const COUNT_WHAT_IS_LEFT = `restore a newer copy of the log, or ${REPAIR_ADVICE} to count what it holds now, without the records that it lost`
const DELETE_ROWS_MAX = 5_000

/** Looks at markers first and at lake and log later: while all is well, those have what the markers count. */
export async function disagreements(open: ComparedParts, options: DisagreementOptions = {}): Promise<Disagreement[]> {
  const { lake, log, store } = open
  const markers = await store.markers()
  const current = await lake.current().catch((error: Error) => error)
  const counted = current instanceof Error ? undefined : current?.boundary
  const chains = await lake.chains(open.partitions, { counted })
  const refusals = await lake.refusals()
  const found: Disagreement[] = []
  if (current instanceof Error) found.push(await currentUnreadable(open, chains, current))
  const generation = current instanceof Error ? null : current
  for (const chain of chains.slice(0, open.partitions)) {
    const { partition } = chain
    const marker = markers.get(partition) ?? null
    const logRange = await log.range(partition)
    const records = await recordsAt(log, partition, countedRecords({ lake: chain, marker }))
    const seen = { partition, logIdentity: log.identity, logRange, lake: chain, generation, records }
    const refusal = refusals.get(partition) ?? null
    const isSuspect = refusal !== null || logAgreement({ partition, logRange, marker, records }).kind === 'log-diverged'
    const loss = await lossOf(open, seen, isSuspect)
    const one =
      loss === null ? storeAgainst(open, seen, marker, options) : logAgainstLake(open, seen, marker, loss, options)
    const wrong = one ?? (await damagedPartials(open, seen, marker))
    if (wrong !== null) found.push(refusal === null ? wrong : lifting(open, wrong, partition))
    else if (refusal !== null) found.push(refusedOnly(open, seen, refusal))
  }
  return found
}

/** Log, lake and generation of one partition. */
type Seen = Required<Pick<KnownParts, 'partition' | 'logIdentity' | 'generation' | 'records'>> & {
  readonly logRange: OffsetRange
  readonly lake: SegmentChain
}

/**
 * What closed segments count and the log does not hold; null where nothing is known to be lost. Where something else speaks against the log,
 * and the manifests do not say which record they counted last, the records' arrivals decide.
 */
async function lossOf(open: ComparedParts, seen: Seen, isSuspect: boolean): Promise<LogVerdict | null> {
  const verdict = logAgreement(seen)
  if (isLogLoss(verdict)) return verdict
  if (!isSuspect || isProvenByContent(seen) || whyNotFoldedAgain(verdict) !== null) return null
  const offset = await partingOf(open, seen.lake, seen.logRange)
  return offset < seen.lake.end ? { kind: 'log-diverged', offset, counted: 'closed' } : null
}

/** Closed segments count records that the log does not hold any more: only a person can decide to go on. */
function logAgainstLake(
  open: ComparedParts,
  { partition, logRange, lake }: Seen,
  marker: Marker | null,
  loss: LogVerdict,
  { acceptLogLoss }: DisagreementOptions,
): Disagreement {
  const repair = async (): Promise<string> => {
    await open.lake.refuse({ partition, why: verdictText(loss), atMs: Date.now() })
    const done = await goOnAtLakeEnd(open, lake, logRange)
    if (marker !== null) await foldAgain(open.store, marker, lake.end)
    await open.lake.liftRefusal(partition)
    return `partition ${partition}: ${done}. ${whatIsLost(lake.end, marker)}`
  }
  return {
    part: 'log',
    message: `partition ${partition}: ${verdictText(loss)}`,
    advice: `${acceptLogLoss ? '' : 'not repaired: '}${LOG_LOSS_ADVICE}. ${whatIsLost(lake.end, marker)}`,
    numbers: { partition, lakeEnd: lake.end, logStart: logRange.start, logEnd: logRange.end },
    repair: acceptLogLoss ? repair : null,
  }
}

function whatIsLost(lakeEnd: Offset, marker: Marker | null): string {
  const open = marker?.segmentStart === lakeEnd && marker.through > lakeEnd && marker.through !== BARRIER_THROUGH
  const lost = open
    ? `the records [${lakeEnd}, ${marker.through}) at least`
    : `records from offset ${lakeEnd} on, if there were any`
  return `Closed segments keep what they count; lost with the log are ${lost}, and the idempotency keys of lost records: a request that is repeated counts again`
}

/** Log, lake and speed store agree; the refusal is of before. */
function refusedOnly(open: ComparedParts, { partition, lake, logRange }: Seen, { why }: LogRefusal): Disagreement {
  return {
    part: 'log',
    message: `partition ${partition}: ${verdictText({ kind: 'log-refused', why })}`,
    advice: `log and lake agree now: ${REPAIR_ADVICE} to lift the refusal`,
    numbers: { partition, lakeEnd: lake.end, logStart: logRange.start, logEnd: logRange.end },
    repair: async () => {
      await open.lake.liftRefusal(partition)
      return `partition ${partition}: log and lake agree, the refusal is lifted`
    },
  }
}

function lifting({ lake }: ComparedParts, one: Disagreement, partition: number): Disagreement {
  const { repair } = one
  if (repair === null) return one
  return {
    ...one,
    repair: async () => {
      const done = await repair()
      await lake.liftRefusal(partition)
      return done
    },
  }
}

/** The speed store is held against the log and the lake one by one; whether its open segment can be folded again is theirs to say. */
function storeAgainst(
  open: ComparedParts,
  seen: Seen,
  marker: Marker | null,
  { acceptLogLoss }: DisagreementOptions,
): Disagreement | null {
  if (marker === null) return null
  const { partition, logRange, lake, records } = seen
  const againstLog = logAgreement({ partition, logRange, marker, records })
  const store = againstLog.kind === 'agrees' ? logAgreement({ partition, lake, marker }) : againstLog
  if (store.kind === 'agrees') return null
  const { segmentStart, through } = marker
  const base = {
    part: 'speed store' as const,
    message: `partition ${partition}: ${verdictText(store)}`,
    numbers: { partition, lakeEnd: lake.end, segmentStart, through, logStart: logRange.start, logEnd: logRange.end },
  }
  // What the log dropped is a gap whatever is done; the owner records it.
  const isGap = logAgreement({ ...seen, marker }).kind === 'gap'
  const why = isGap && acceptLogLoss ? null : whyNotFoldedAgain(logAgreement(seen))
  if (why !== null) return { ...base, advice: `not repaired: ${why}`, repair: null }
  if (isLogLoss(store))
    return { ...base, advice: COUNT_WHAT_IS_LEFT, repair: () => foldAgain(open.store, marker, lake.end) }
  const advice = `nothing to repair: a running stream role reads the log again from offset ${lake.end}; queries are refused until it has caught up`
  return { ...base, advice, repair: null }
}

/** Rows of the open segment that differ from those that were written: the log gives them again, also to an owner that is at work. */
async function damagedPartials(
  open: ComparedParts,
  { partition, lake, ...seen }: Seen,
  marker: Marker | null,
): Promise<Disagreement | null> {
  if (marker === null || marker.segmentStart !== lake.end) return null
  try {
    await open.store.read(marker.views, new Map([[partition, lake.end]]))
    return null
  } catch (error) {
    const { reason, message } = error as Error & { readonly reason?: unknown }
    if (reason !== 'damaged') throw error
    const why = whyNotFoldedAgain(logAgreement({ partition, lake, ...seen }))
    const numbers = { partition, lakeEnd: lake.end, through: marker.through }
    const base = { part: 'speed store' as const, message: `partition ${partition}: ${message}`, numbers }
    if (why !== null) return { ...base, advice: `not repaired: ${why}`, repair: null }
    return { ...base, advice: REPAIR_ADVICE, repair: () => foldAgain(open.store, marker, lake.end) }
  }
}

/** Why the log cannot give the open segment again, and what to do; null when it can. */
function whyNotFoldedAgain(verdict: LogVerdict): string | null {
  switch (verdict.kind) {
    case 'log-replaced':
      return `${verdictText(verdict)}. Restore the log that belongs to this lake, or start with an empty data folder`
    case 'log-ends-before-lake':
    case 'log-diverged':
    case 'log-refused':
      return `${verdictText(verdict)}. ${LOG_LOSS_ADVICE}`
    case 'lake-cut':
    case 'lake-cut-unreadable':
    case 'gap':
    case 'gap-or-lake-cut':
      return `${verdictText(verdict)}. Restore the lake's folder 'manifests' from a copy`
    // Where the generation alone does not fit, the log still holds everything behind the lake's end.
    case 'agrees':
    case 'log-cut':
    case 'lake-behind':
    case 'boundary-inside-segment':
    case 'generation-of-other-log':
      return null
  }
}

/** Deletes the partition's partials, the barrier last. */
async function foldAgain(store: SpeedStore, marker: Marker, lakeEnd: Offset): Promise<string> {
  const { partition } = marker
  const barrier = barrierOver(marker, lakeEnd)
  await store.flush([], barrier)
  const { segmentStart } = barrier
  const deleted =
    (await deleteAll(store, partition, segmentStart)) + (await deleteAll(store, partition, segmentStart + 1))
  return `partition ${partition}: deleted ${deleted - 1} partials and markers from the speed store; the stream role replays the log from offset ${lakeEnd}`
}

async function deleteAll(store: SpeedStore, partition: number, before: Offset): Promise<number> {
  for (let deleted = 0; ; ) {
    const more = await store.deleteClosed(partition, before, DELETE_ROWS_MAX)
    if (more === 0) return deleted
    deleted += more
  }
}

/** CURRENT is torn, or names a generation that is not there: every kept one gives the same answers. */
async function currentUnreadable(
  open: ComparedParts,
  chains: readonly SegmentChain[],
  error: Error,
): Promise<Disagreement> {
  const kept = await open.lake.generationIds()
  const whole = await newestWhole(open, chains, kept)
  const base = { part: 'generation' as const, message: error.message, numbers: { kept: kept.length } }
  if (whole === null)
    return {
      ...base,
      advice:
        "not repaired: no kept generation is intact and matches the lake's segments. Restore the lake's folder from a copy",
      repair: null,
    }
  const repair = async (): Promise<string> => {
    const lock = await open.lake.tryLock('batch')
    if (lock === null) throw new Error('a batch run is in progress; try again when it has finished')
    try {
      await open.lake.setCurrent(whole.id)
      return `${whole.id} is current: the newest generation that is intact and matches the lake`
    } finally {
      await lock.release()
    }
  }
  return { ...base, advice: `${REPAIR_ADVICE} to make ${whole.id} current; answers stay the same`, repair }
}

/** One that is damaged hides none of the others. */
async function newestWhole(
  { lake, log }: ComparedParts,
  chains: readonly SegmentChain[],
  ids: readonly string[],
): Promise<GenerationManifest | null> {
  for (const id of ids.toReversed()) {
    try {
      const generation = await lake.generation(id)
      if (generation === null || !fits(generation, chains, log.identity)) continue
      await lake.check(generationFiles(generation))
      return generation
    } catch (error) {
      if (!(error instanceof LakeError)) throw error
    }
  }
  return null
}

function fits(generation: GenerationManifest, chains: readonly SegmentChain[], identity: string): boolean {
  if (generation.log !== identity) return false
  return chains.every((lake) => logAgreement({ partition: lake.partition, lake, generation }).kind === 'agrees')
}
