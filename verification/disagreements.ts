/**
 * Where the log, the speed store and the lake of a dataset do not agree, as after a restore of one of them from an older copy: what is
 * found, what to do, and what can be repaired without losing anything.
 *
 * Partials are deleted only where no owner can be at work on them: owners refuse a log that ends before what was counted. While they
 * are deleted a barrier stays in the store, and goes last. So a repair that dies half way is found again and made again, and no answer
 * is given in between. An owner that sees its log go back leaves a barrier, too.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import { type KnownParts, type LogVerdict, logAgreement } from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import type { Offset } from '#core/offsets.ts'
import { type GenerationManifest, generationFiles } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { barrierOver } from '#storage/speed-store/barrier.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'

/** The parts that are compared, opened. */
export interface ComparedParts {
  readonly dataset: Pick<CompiledDataset, 'name'>
  readonly partitions: number
  readonly log: Pick<EventLog, 'identity' | 'range'>
  readonly store: SpeedStore
  readonly lake: Lake
}

export interface Disagreement {
  readonly part: 'speed store' | 'generation'
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
export async function disagreements(open: ComparedParts): Promise<Disagreement[]> {
  const { lake, log, store } = open
  const markers = await store.markers()
  const chains = await lake.chains(open.partitions)
  const found: Disagreement[] = []
  const current = await lake.current().catch((error: Error) => error)
  if (current instanceof Error) found.push(await currentUnreadable(open, chains, current))
  const generation = current instanceof Error ? null : current
  for (const lake of chains) {
    const { partition } = lake
    const marker = markers.get(partition)
    if (marker === undefined) continue
    const logRange = await log.range(partition)
    const one = storeAgainst(open, { partition, logIdentity: log.identity, logRange, lake, generation }, marker)
    if (one !== null) found.push(one)
  }
  return found
}

/** Log, lake and generation of one partition. */
type Seen = Required<Omit<KnownParts, 'marker' | 'folded'>>

/** The speed store is held against the log and the lake one by one; whether its open segment can be folded again is theirs to say. */
function storeAgainst(open: ComparedParts, seen: Seen, marker: Marker): Disagreement | null {
  const { partition, logRange, lake } = seen
  const againstLog = logAgreement({ partition, logRange, marker })
  const store = againstLog.kind === 'agrees' ? logAgreement({ partition, lake, marker }) : againstLog
  if (store.kind === 'agrees') return null
  const { segmentStart, through } = marker
  const base = {
    part: 'speed store' as const,
    message: `partition ${partition}: ${verdictText(store)}`,
    numbers: { partition, lakeEnd: lake.end, segmentStart, through, logStart: logRange.start, logEnd: logRange.end },
  }
  const why = whyNotFoldedAgain(logAgreement(seen))
  if (why !== null) return { ...base, advice: `not repaired: ${why}`, repair: null }
  if (store.kind === 'log-cut')
    return { ...base, advice: COUNT_WHAT_IS_LEFT, repair: () => foldAgain(open.store, marker, lake.end) }
  const advice = `nothing to repair: a running stream role reads the log again from offset ${lake.end}; queries are refused until it has caught up`
  return { ...base, advice, repair: null }
}

/** Why the log cannot give the open segment again, and what to do; null when it can. */
function whyNotFoldedAgain(verdict: LogVerdict): string | null {
  switch (verdict.kind) {
    case 'log-replaced':
    case 'log-ends-before-lake':
      return `${verdictText(verdict)}. Restore the log that belongs to this lake, or start with an empty data folder`
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
