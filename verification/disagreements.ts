/**
 * Where the log, the speed store and the lake of a dataset do not fit together, as after a restore of one of them from an older copy:
 * what is seen, what to do, and what can be repaired without losing anything.
 *
 * Partials are deleted only where no owner can be at work on them: owners refuse a log that ends before what was counted. While they
 * are deleted a barrier stays in the store, and goes last. So a repair that dies half way is found again and made again, and no answer
 * is given in between. An owner that sees its log go back leaves a barrier, too.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { type GenerationManifest, generationFiles } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { BARRIER_THROUGH, barrierOver } from '#storage/speed-store/barrier.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'

/** The parts that are compared, opened. */
export interface ComparedParts {
  readonly dataset: Pick<CompiledDataset, 'name'>
  readonly partitions: number
  readonly log: EventLog
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
const COUNT_WHAT_IS_LEFT = `restore a newer copy of the log; or count what it holds now, without the records that it lost: ${REPAIR_ADVICE}`
const DELETE_ROWS_MAX = 5_000

/** Looks at markers first and at lake and log later: while all is well, those have what the markers count. */
export async function disagreements(open: ComparedParts): Promise<Disagreement[]> {
  const { lake, log, store } = open
  const markers = await store.markers()
  const chains = await lake.chains(open.partitions)
  const found: Disagreement[] = []
  const current = await lake.current().catch((error: Error) => error)
  if (current instanceof Error) found.push(await currentUnreadable(open, chains, current))
  for (const chain of chains) {
    const marker = markers.get(chain.partition)
    if (marker === undefined) continue
    const range = await log.range(chain.partition)
    const counted = current instanceof Error ? 0 : (current?.boundary[chain.partition] ?? 0)
    const one = storeAgainst(open, { marker, chain, range, counted })
    if (one !== null) found.push(one)
  }
  return found
}

interface Seen {
  readonly marker: Marker
  readonly chain: SegmentChain
  readonly range: OffsetRange
  /** by the generation */
  readonly counted: Offset
}

function storeAgainst(open: ComparedParts, { marker, chain, range, counted }: Seen): Disagreement | null {
  const { partition, segmentStart, through } = marker
  const numbers = { partition, lakeEnd: chain.end, segmentStart, through, logStart: range.start, logEnd: range.end }
  const why = whyNot(chain, range, counted)
  const part = 'speed store'
  if (through > range.end) {
    const repair = why === null ? () => foldAgain(open.store, marker, chain) : null
    return { part, message: wentBack(marker, range), advice: why ?? COUNT_WHAT_IS_LEFT, numbers, repair }
  }
  if (segmentStart > chain.end) {
    const message = `partition ${partition}: the speed store has an open segment from offset ${segmentStart}, but the lake ends at ${chain.end}: the lake went back`
    const advice = `nothing to repair: a running stream role reads the log from offset ${chain.end} on again, and queries are refused until it is through`
    return { part, message, advice: why ?? advice, numbers, repair: null }
  }
  return null
}

function wentBack({ partition, through }: Marker, { end }: OffsetRange): string {
  if (through === BARRIER_THROUGH)
    return `partition ${partition}: the log went back under a running stream role, or a repair began and did not end`
  return `partition ${partition}: the speed store has counted up to offset ${through}, but the log ends at ${end}: the log went back`
}

/** Why the open segment can not be folded again from the log; null when it can. */
function whyNot({ partition, end }: SegmentChain, range: OffsetRange, counted: Offset): string | null {
  if (end < counted)
    return `not repaired: the generation has counted up to offset ${counted}, and the lake's segments end at ${end}. Restore the lake's folder 'manifests' from a copy`
  if (end > range.end)
    return `not repaired: the lake reaches to offset ${end}, and the log of partition ${partition} only to ${range.end}. Restore the log, or start with an empty data folder`
  if (end < range.start)
    return `not repaired: the log begins at offset ${range.start}, so [${end}, ${range.start}) can not be read again. Restore the lake's folder 'manifests' from a copy`
  return null
}

/** Deletes the partition's partials, the barrier last. */
async function foldAgain(store: SpeedStore, marker: Marker, { end }: SegmentChain): Promise<string> {
  const { partition } = marker
  const barrier = barrierOver(marker, end)
  await store.flush([], barrier)
  const { segmentStart } = barrier
  const deleted =
    (await deleteAll(store, partition, segmentStart)) + (await deleteAll(store, partition, segmentStart + 1))
  return `partition ${partition}: deleted ${deleted - 1} partials and markers from the speed store; the stream role folds the log from offset ${end} on again`
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
        "not repaired: no kept generation is whole and fits the lake's segments. Restore the lake's folder from a copy",
      repair: null,
    }
  const repair = async (): Promise<string> => {
    const lock = await open.lake.tryLock()
    if (lock === null) throw new Error('a batch run is going on: try again when it is over')
    try {
      await open.lake.setCurrent(whole.id)
      return `${whole.id} is current: the newest generation that is whole and fits the lake`
    } finally {
      await lock.release()
    }
  }
  return { ...base, advice: `make ${whole.id} current, which gives the same answers: ${REPAIR_ADVICE}`, repair }
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

function fits({ boundary, log }: GenerationManifest, chains: readonly SegmentChain[], identity: string): boolean {
  if (log !== identity) return false
  return chains.every(({ partition, segments, end }) => {
    const counted = boundary[partition] ?? 0
    return counted <= end && !segments.some((segment) => segment.start < counted && segment.end > counted)
  })
}
