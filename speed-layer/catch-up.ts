/**
 * Folding what no stream role has folded: commands that must count every event of the log do it themselves where no such role runs.
 * They are owners like any other (see partition-owner.ts): if a stream role folds the same events meanwhile, one of the two commits.
 */
import { mkdir } from 'node:fs/promises'
import type { Offset } from '#core/offsets.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'
import { PartitionOwner } from './partition-owner.ts'
import { RowsFold } from './rows-fold.ts'
import { DEFAULT_STREAM_LIMITS } from './stream-limits.ts'
import type { StreamRoleParts } from './stream-role.ts'

export type CatchUpParts = Omit<StreamRoleParts, 'assignment'>

/** Where events are counted: `flushed`, every query counts them; `closed`, every batch run does, too. */
export type Counted = 'flushed' | 'closed'

/** The part of a partition that is not counted yet: [position, end). */
export interface Backlog {
  readonly partition: number
  readonly position: Offset
  /** of the log, when it was asked */
  readonly end: Offset
}

/** The partitions that have a backlog. @throws what log, lake and speed store throw */
export async function backlogOf(
  { dataset, log, lake, store }: Pick<CatchUpParts, 'dataset' | 'log' | 'lake' | 'store'>,
  counted: Counted,
): Promise<readonly Backlog[]> {
  // Before the others: what arrives later belongs to no backlog.
  const ranges = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.range(partition)))
  // A damaged current generation is another's to report; without it, every manifest must be readable.
  const boundary = (await lake.current().catch(() => null))?.boundary
  const chains = await lake.chains(ranges.length, { counted: boundary, after: boundary })
  const markers = counted === 'flushed' ? await store.markers() : new Map<number, Marker>()
  const hashes = [...dataset.views.values()].map((view) => view.hash)
  return ranges
    .map(({ partition, end }) => ({
      partition,
      position: positionOf(chains[partition]!, markers.get(partition), hashes),
      end,
    }))
    .filter(({ position, end }) => position < end)
}

/** Partials that another definition folded are not counted. */
function positionOf({ end }: SegmentChain, marker: Marker | undefined, hashes: readonly string[]): Offset {
  const counts = marker?.segmentStart === end && hashes.every((hash) => marker.views.includes(hash))
  return counts ? marker.through : end
}

/**
 * Folds a backlog, one partition after the other.
 * @throws the signal's reason if it is aborted: segments that were closed until then stay closed; LogReplacedError, LogCutError, LakeCutError
 */
export async function foldBacklog(
  parts: CatchUpParts,
  backlog: readonly Backlog[],
  counted: Counted,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(parts.scratchFolder, { recursive: true })
  for (const { partition, end } of backlog) {
    const connection = await parts.engine.connect()
    const limits = { ...DEFAULT_STREAM_LIMITS, ...parts.limits }
    const fold = new RowsFold({ ...parts, partition, logIdentity: parts.log.identity, connection, limits })
    try {
      const owner = new PartitionOwner({ ...parts, dataset: parts.dataset.name, partition, fold, limits })
      await owner.open()
      await foldUpTo(owner, end, counted, signal)
      if (owner.position > owner.openStart) await owner.flush()
    } finally {
      await fold.close()
      connection.close()
    }
  }
}

async function foldUpTo(owner: PartitionOwner, end: Offset, counted: Counted, signal?: AbortSignal): Promise<void> {
  const reached = (): Offset => (counted === 'closed' ? owner.openStart : owner.position)
  while (reached() < end) {
    signal?.throwIfAborted()
    const more = await owner.fill()
    const begun = owner.openStart
    const nothingLeft = !more || owner.position >= end
    if (owner.closeDue || (counted === 'closed' && nothingLeft)) await owner.close()
    // The log can end in offsets without records.
    if (!more && owner.openStart === begun) return
  }
}
