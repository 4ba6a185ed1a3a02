/**
 * One consistent look at a dataset, read in the order that makes it exact: the current generation, the manifests, then
 * the partials of the segments that are open behind the last manifest. Segments behind the boundary are immutable; of the
 * open ones only those count whose start is the end of the last closed segment that was read, so nothing counts twice
 * while a segment closes, and a lost owner's writes are never seen.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import type { Offset, Positions } from '#core/offsets.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { gapsIn, type SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { Marker, OpenPartials, PaneRange, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { type BriefLookLimits, BriefLooks } from './brief-look.ts'
import { contentFault, hasOtherContent, lakeFault, openFault, refusalFault } from './layer-faults.ts'

export interface ServedDataset {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly store: SpeedStore
  readonly engine: DuckDbEngine
  readonly partitions: number
  /** where it is at hand, answers say how many events of the log they do not count yet, and count no other log's */
  readonly log?: Pick<EventLog, 'range'> & Partial<Pick<EventLog, 'identity' | 'partitionsFixed' | 'read' | 'ends'>>
}

export interface PartitionPosition {
  readonly partition: number
  /** the generation counts everything before this offset */
  readonly boundary: Offset
  /** closed segments reach to this offset */
  readonly closedEnd: Offset
  /** the answer counts everything before this offset, and nothing after it */
  readonly position: Offset
  /** when the position was known to be the newest folded one; null when no owner has said anything */
  readonly asOfMs: number | null
  /** a flush was being written while the speed store was read: some keys count events up to this offset, behind the position; else null */
  readonly ahead: Offset | null
  /** events in the log behind the position; null where the log is not at hand */
  readonly behind: number | null
  /** why events of the open segment may be missing, although there may be some; null: they are counted up to the position, or there are none */
  readonly missing: string | null
}

export interface Gap {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
}

export interface Snapshot {
  readonly generation: GenerationManifest | null
  readonly partitions: readonly PartitionPosition[]
  /** closed segments behind the boundary */
  readonly segments: readonly SegmentManifest[]
  /** of the open segments that count */
  readonly markers: ReadonlyMap<number, Marker>
  /** view hash → state rows as JSON texts */
  readonly open: ReadonlyMap<string, readonly string[]>
  readonly gaps: readonly Gap[]
}

/** The parts disagree and go on doing so: no exact answer can be given. */
export class SnapshotError extends Error {
  constructor(dataset: string, why: string) {
    super(`dataset '${dataset}': ${why}; see \`watershed doctor\``)
    this.name = 'SnapshotError'
  }
}

export const SNAPSHOT_TRIES_MAX = 8
/** How long an answer waits to be told where the log ends. */
const logLooks = new BriefLooks<number>({ waitMsMax: 1_000, restMs: 5_000 })
/** How long an answer waits for the speed store, where it can do without. */
export const STORE_LOOK_LIMITS: BriefLookLimits = { waitMsMax: 10_000, restMs: 5_000 }
const storeLooks = new BriefLooks<'open'>(STORE_LOOK_LIMITS)

export interface SnapshotOptions {
  /** views whose open partials to read; default: all */
  readonly views?: readonly CompiledView[]
  /** optional: if the speed store cannot be read, the snapshot ends where the closed segments end */
  readonly live?: 'required' | 'optional'
  /** panes whose open partials to read, of views that have panes; default: all */
  readonly panes?: PaneRange
}

/** @throws SnapshotError when the parts disagree; what the speed store throws, unless the live part is optional */
export async function takeSnapshot(served: ServedDataset, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { views, live = 'required', panes } = options
  const { dataset, lake, store } = served
  const wanted = { hashes: (views ?? [...dataset.views.values()]).map((view) => view.hash), panes }
  let marked = 0
  for (let attempt = 0; ; attempt++) {
    const generation = await lake.current()
    // A log can have got partitions that this process does not know of yet: what was counted of them is part of the answer.
    const counted = generation?.boundary ?? []
    const partitions = Math.max(served.partitions, counted.length, marked)
    const chains = await lake.chains(partitions, { counted, after: counted })
    const wrong = lakeFault(served.log?.identity, generation, chains)
    if (wrong !== null) throw new SnapshotError(dataset.name, wrong)
    const ends = new Map(chains.map((chain) => [chain.partition, chain.end]))
    const refusals = await lake.refusals()
    const { open, newest, missing } =
      live === 'required' ? await readStore(store, wanted, ends) : await storeOrNone(store, wanted, ends)
    const lost = refusalFault(refusals) ?? (await contentFault(served.log, chains, newest))
    if (lost !== null) throw new SnapshotError(dataset.name, lost)
    marked = 1 + Math.max(-1, ...newest.keys())
    let why = `the speed store has ${marked} partitions, but the lake was read for ${chains.length}`
    if (marked <= chains.length) {
      const settled = await settle(served, wanted, { chains, open, counted }, newest)
      if (settled !== null) return behindLog(served, assemble(generation, settled.chains, settled.open, missing))
      why = 'the log lost records while they were read'
    }
    if (attempt + 1 >= SNAPSHOT_TRIES_MAX) throw new SnapshotError(dataset.name, why)
  }
}

/** Which partials of the open segments an answer needs. */
interface WantedRows {
  /** of the views */
  readonly hashes: readonly string[]
  readonly panes: PaneRange | undefined
}

interface ReadParts {
  readonly chains: readonly SegmentChain[]
  readonly open: OpenPartials
  /** the generation's boundary */
  readonly counted: readonly Offset[]
}

/**
 * Where a segment was opened behind the end of a chain, the one before it closed since the chain was read. What was read of it as an open
 * segment is whole all the same, because partials of closed segments stay for the grace of readers. If nothing was, that partition alone
 * is read again: with many partitions, one of them closes a segment during almost every read.
 * @returns null if the log lost records that were read as an open segment: what closed meanwhile may be others. All is read again then.
 * @throws SnapshotError if the lake goes on lacking the segment
 */
async function settle(
  { dataset, lake, store, log }: ServedDataset,
  wanted: WantedRows,
  read: ReadParts,
  markers: ReadonlyMap<number, Marker>,
): Promise<ReadParts | null> {
  let { chains, open } = read
  const { counted } = read
  let newest = markers
  let why = ''
  for (let attempt = 0; attempt < SNAPSHOT_TRIES_MAX; attempt++) {
    const fault = openFault(newest.values(), chains)
    if (fault === null) return { chains, open, counted }
    const fresh = await lake.chains(chains.length, { counted, after: counted })
    why = openFault(newest.values(), fresh) ?? ''
    if (why !== '') continue
    const closed = chains.filter(({ partition, end }) => fresh[partition]!.end > end)
    if (await hasOtherContent(log, closed, open.markers)) return null
    const moved = closed.filter(({ partition }) => !open.markers.has(partition))
    if (moved.length === 0) return { chains, open, counted }
    const again = new Map(moved.map(({ partition }) => [partition, fresh[partition]!.end]))
    chains = chains.map((chain) => (again.has(chain.partition) ? fresh[chain.partition]! : chain))
    open = both(open, await readOpen(store, wanted, again))
    newest = await store.markers()
  }
  throw new SnapshotError(dataset.name, why || 'segments close faster than their partials can be read')
}

/** Partials of different partitions. */
function both(a: OpenPartials, b: OpenPartials): OpenPartials {
  const rows = new Map([...a.rows].map(([view, texts]) => [view, [...texts, ...(b.rows.get(view) ?? [])]]))
  return {
    markers: new Map([...a.markers, ...b.markers]),
    rows,
    ahead: new Map([...(a.ahead ?? []), ...(b.ahead ?? [])]),
  }
}

interface StoreRead {
  readonly open: OpenPartials
  readonly newest: ReadonlyMap<number, Marker>
  /** why nothing was read; else null */
  readonly missing: string | null
}

async function readStore(store: SpeedStore, wanted: WantedRows, ends: Positions): Promise<StoreRead> {
  const open = await readOpen(store, wanted, ends)
  return { open, newest: await store.markers(), missing: null }
}

/** What is counted up to the end of the closed segments does not depend on the speed store. */
async function storeOrNone(store: SpeedStore, wanted: WantedRows, ends: Positions): Promise<StoreRead> {
  try {
    return await storeLooks.of(store).read('open', () => readStore(store, wanted, ends))
  } catch (error) {
    const missing = `the speed store cannot be read: ${(error as Error).message}`
    return { open: { markers: new Map(), rows: new Map() }, newest: new Map(), missing }
  }
}

/**
 * Partials of the open segments, without those that were folded by another definition of one of the views: there the answer ends
 * where the closed segments end, until a stream role has folded the open one by this definition.
 */
async function readOpen(store: SpeedStore, { hashes, panes }: WantedRows, ends: Positions): Promise<OpenPartials> {
  const starts = new Map(ends)
  for (;;) {
    const open = await store.read(hashes, starts, panes)
    const other = [...open.markers.values()].filter(({ views }) => !hashes.every((hash) => views.includes(hash)))
    if (other.length === 0) return open
    for (const { partition } of other) starts.delete(partition)
  }
}

function assemble(
  generation: GenerationManifest | null,
  chains: readonly SegmentChain[],
  { markers, rows, ahead }: OpenPartials,
  missing: string | null,
): Snapshot {
  const segments = segmentsBehind(generation, chains)
  return {
    generation,
    segments,
    markers,
    open: rows,
    partitions: chains.map(({ partition, segments, end, past }) => ({
      partition,
      boundary: generation?.boundary[partition] ?? 0,
      closedEnd: end,
      position: markers.get(partition)?.through ?? end,
      // Between closing a segment and the first flush of the next one there is no marker, but the closing tells as much.
      asOfMs: markers.get(partition)?.atMs ?? segments.at(-1)?.createdAtMs ?? past?.closedAtMs ?? null,
      ahead: ahead?.get(partition) ?? null,
      behind: null,
      missing,
    })),
    gaps: gapsOf(generation, segments),
  }
}

/** Closed segments that the generation does not count. */
export function segmentsBehind(
  generation: GenerationManifest | null,
  chains: readonly SegmentChain[],
): readonly SegmentManifest[] {
  return chains.flatMap(({ partition, segments }) => {
    const boundary = generation?.boundary[partition] ?? 0
    return segments.filter((segment) => segment.start >= boundary)
  })
}

/** Offsets that were lost before they were read: before the boundary and behind it. */
export function gapsOf(generation: GenerationManifest | null, segments: readonly SegmentManifest[]): readonly Gap[] {
  return [...(generation?.gaps ?? []), ...segments.flatMap(gapsIn)]
}

/**
 * Looks at the log last: what was counted cannot be more than it holds then. A log that cannot be read, or does not answer soon,
 * does not keep answers from being given: they say that they do not know how far behind they are.
 */
async function behindLog({ log }: ServedDataset, snapshot: Snapshot): Promise<Snapshot> {
  if (log === undefined) return snapshot
  const look = logLooks.of(log)
  const partitions = snapshot.partitions.map(async (place): Promise<PartitionPosition> => {
    const atMs = Date.now()
    const range = await look.read(place.partition, () => log.range(place.partition)).catch(() => null)
    // A log that ends before what was counted went back, or is another one: how far behind it we are has no meaning.
    if (range === null || range.end < place.position) return place
    const behind = range.end - place.position
    return behind === 0 ? { ...place, behind, asOfMs: atMs, missing: null } : { ...place, behind }
  })
  return { ...snapshot, partitions: await Promise.all(partitions) }
}
