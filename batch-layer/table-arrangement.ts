/**
 * What the table of events knows of how closed segments are arranged: of each partition, a few digests of the compacted segments that it was
 * written with. The names up to the last one that is still the same tell from where on segments must be looked at again.
 */
import { createHash } from 'node:crypto'
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { Rearrangements } from '#storage/lake/lake.ts'
import { parseSegmentName, partitionName, type SegmentName } from '#storage/lake/manifest-names.ts'

/** digests are kept of all compacted segments, and of all but so many of the last ones: compaction replaces what is near the end */
const WITHOUT_LAST = [0, 1, 2, 4, 16]
const DIGEST_LENGTH = 16

export interface Arrangement {
  /** what a table stores of it */
  readonly text: string
  /** before these offsets, segments are what they were when the text was stored; null: nothing is known of them. Infinity: all are */
  sameBefore(stored: string | undefined): ((partition: number) => Offset) | null
}

export interface PartitionArrangement {
  /** of all compacted segments */
  readonly names: readonly string[]
  /** none lies in another one */
  readonly compacted: readonly SegmentName[]
  /** of the first 0, 1, 2 … of them */
  readonly digests: readonly string[]
}

/** By the beginning of the names of a partition's segments, what was computed of them last: only what compaction has changed is computed anew. */
export type KnownArrangements = Map<string, PartitionArrangement>

/**
 * How segments are arranged, and which columns of the definition their table has.
 *
 * @param known of the same lake; is brought up to date
 */
export function arrangementOf(
  { timeColumn, rowColumns }: Pick<CompiledDataset, 'timeColumn' | 'rowColumns'>,
  { others, compacted }: Rearrangements,
  known: KnownArrangements = new Map(),
): Arrangement {
  const columns = rowColumns.map(({ name, type }) => [name, type])
  const base = digestOf(JSON.stringify([others, timeColumn, columns]))
  const named = Map.groupBy(compacted, (name) => name.slice(0, partitionName(0).length))
  for (const partition of known.keys()) if (!named.has(partition)) known.delete(partition)
  const partitions = new Map<number, PartitionArrangement>()
  for (const [partition, names] of named) {
    const arranged = arrangedIn(names, known.get(partition))
    known.set(partition, arranged)
    partitions.set(arranged.compacted[0]!.partition, arranged)
  }
  const told = [...partitions].map(([partition, { digests }]) => [
    partition,
    ...WITHOUT_LAST.filter((last) => last < digests.length - 1).map((last) => digests.at(-1 - last)!),
  ])
  return {
    text: JSON.stringify([base, ...told]),
    sameBefore(stored) {
      const [storedBase, ...storedKnown] = parsed(stored)
      if (storedBase !== base) return null
      const before = new Map(storedKnown.map(([partition, ...digests]) => [partition, digests]))
      return (partition) => {
        const now = partitions.get(partition)
        const stood = before.get(partition) ?? []
        return now === undefined ? (stood.length === 0 ? Number.POSITIVE_INFINITY : 0) : sameIn(now, stood)
      }
    },
  }
}

/** The first digest is of all that there were then. */
function sameIn({ compacted, digests }: PartitionArrangement, stood: readonly string[]): Offset {
  for (const digest of [...stood, '']) {
    const same = digests.indexOf(digest)
    if (same < 0) continue
    const isWhole = digest === (stood[0] ?? '')
    return compacted[same]?.start ?? (isWhole ? Number.POSITIVE_INFINITY : 0)
  }
  return 0
}

function arrangedIn(names: readonly string[], known?: PartitionArrangement): PartitionArrangement {
  if (known?.names.length === names.length && names.every((name, at) => name === known.names[at])) return known
  const compacted = outermost(names.map((name) => parseSegmentName(name)!))
  const changed = compacted.findIndex(({ name }, at) => name !== known?.compacted[at]?.name)
  const digests = known?.digests.slice(0, (changed < 0 ? compacted.length : changed) + 1) ?? ['']
  for (const { name } of compacted.slice(digests.length - 1)) digests.push(digestOf(`${digests.at(-1)} ${name}`))
  return { names, compacted, digests }
}

/** In the order of their starts, without those that lie in a larger one. */
function outermost(all: readonly SegmentName[]): SegmentName[] {
  const ordered = all.toSorted((a, b) => a.start - b.start || b.end! - a.end!)
  const outer: SegmentName[] = []
  for (const one of ordered) if (one.end! > (outer.at(-1)?.end ?? 0)) outer.push(one)
  return outer
}

type Stored = [base: string, ...known: [partition: number, ...digests: string[]][]]

/** Earlier versions stored another text. */
function parsed(stored: string | undefined): Stored | [] {
  if (stored?.startsWith('[') !== true) return []
  try {
    return JSON.parse(stored) as Stored
  } catch {
    return []
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH)
}
