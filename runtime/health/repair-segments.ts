/**
 * Makes segments again whose manifests are damaged or missing. What a generation counts of them stays as it is: the same records become the
 * same events. A damaged manifest is kept beside the one that takes its place.
 */
import { logAgreement } from '#core/log-agreement.ts'
import type { Offset } from '#core/offsets.ts'
import { type RebuildParts, rebuildSegment } from '#speed-layer/rebuild-segment.ts'
import { isUnreadable, LakeError } from '#storage/lake/lake-error.ts'
import { damagedStarts, type LostPiece, lostPieces, type UnreadableSegment } from '#storage/lake/segment-damage.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { recordsAt } from '#storage/log/record-prints.ts'

export interface SegmentRepair {
  readonly outcome: 'repaired' | 'refused'
  readonly message: string
}

const RESTORE = "restore the lake's folder 'manifests' from a copy"

/** Empty where no manifest is damaged or missing. @throws what keeps the lake from being read */
export async function repairSegments(parts: RebuildParts): Promise<SegmentRepair[]> {
  const { lake } = parts
  const before = await piecesOf(parts)
  if (before.length === 0 && (await lake.unreadableSegments()).length === 0) return []
  const lock = await lake.tryLock('batch')
  if (lock === null) throw new Error('a batch run is in progress; try again when it has finished')
  try {
    const repairs: SegmentRepair[] = []
    for (const piece of await piecesOf(parts)) repairs.push(await repairPiece(parts, piece))
    if (repairs.some(({ outcome }) => outcome === 'refused')) return repairs
    // Others have taken the place of what is left: compacted segments, or those that they replaced.
    for (const { name } of await lake.unreadableSegments()) {
      await lake.setAsideSegment(name)
      repairs.push({ outcome: 'repaired', message: `'${name}' is not needed, and was set aside` })
    }
    return repairs
  } finally {
    await lock.release()
  }
}

/** What no readable manifest covers, of all partitions. */
async function piecesOf({ lake }: RebuildParts): Promise<LostPiece[]> {
  const damaged = await lake.unreadableSegments()
  const readable = await lake.readableSegments()
  const counted = await countedBy(lake)
  const known = [...readable, ...damaged].map(({ partition }) => partition + 1)
  const partitions = Math.max(0, counted.length, ...new Set(known))
  return Array.from({ length: partitions }, (_, partition) => {
    const own = readable.filter((segment) => segment.partition === partition)
    return lostPieces(partition, own, damagedStarts(damaged, partition), counted[partition] ?? 0)
  }).flat()
}

/** Up to where the generations count that can be read. */
async function countedBy(lake: RebuildParts['lake']): Promise<readonly Offset[]> {
  try {
    return (await lake.current())?.boundary ?? []
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return (await lake.generations()).at(-1)?.boundary ?? []
  }
}

async function repairPiece(parts: RebuildParts, piece: LostPiece): Promise<SegmentRepair> {
  const { partition, start, end } = piece
  const where = `partition ${partition}, offsets [${start}, ${end ?? '…'})`
  try {
    const held = await logHolds(parts, piece)
    const damaged = (await parts.lake.unreadableSegments()).filter((one) => one.partition === partition)
    if (end === null && held) return await letFoldAgain(parts, damaged, start)
    const rebuilt = await rebuildSegment(parts, piece, held)
    if (rebuilt !== null) return done(rebuilt.manifest, rebuilt.from)
    const why = `${where}: the log no longer holds the records, and the files of the lake do not hold all of them`
    return { outcome: 'refused', message: `${why}; ${RESTORE}` }
  } catch (error) {
    return { outcome: 'refused', message: `${where}: ${(error as Error).message}` }
  }
}

function done({ partition, start, end, rows, deadLetters }: SegmentManifest, from: 'log' | 'files'): SegmentRepair {
  const source = from === 'log' ? 'the log' : 'its files'
  const message = `partition ${partition}: the segment [${start}, ${end}) was made again from ${source}, with ${rows} events and ${deadLetters} dead letters`
  return { outcome: 'repaired', message }
}

/** It was the last segment of its partition, no generation counts it, and the log has all of it. */
async function letFoldAgain(
  { lake }: RebuildParts,
  damaged: readonly UnreadableSegment[],
  from: Offset,
): Promise<SegmentRepair> {
  const last = damaged.filter(({ start }) => start >= from)
  for (const { name } of last) await lake.setAsideSegment(name)
  const partition = last[0]?.partition
  const message = `partition ${partition}: no generation counts the segment from offset ${from}; the stream role reads the log again from there`
  return { outcome: 'repaired', message }
}

/** Whether the log is the one that was counted, and still has the records. */
async function logHolds({ lake, log }: RebuildParts, { partition, start, end }: LostPiece): Promise<boolean> {
  if (partition >= log.partitions || (await lake.refusals()).has(partition)) return false
  const logRange = await log.range(partition)
  if (logRange.start > start || logRange.end < (end ?? start)) return false
  const readable = (await lake.readableSegments()).filter((segment) => segment.partition === partition)
  if (readable.some((segment) => segment.log !== log.identity)) return false
  for (const segment of readable.toSorted((a, b) => b.start - a.start)) {
    if (segment.last === undefined || segment.last.offset < logRange.start) continue
    const records = await recordsAt(log, partition, [segment.last])
    const chain = { segments: [segment], end: segment.end }
    return logAgreement({ partition, logRange, lake: chain, records }).kind === 'agrees'
  }
  return true
}

/** Whether the error says that manifests of segments are damaged or missing. */
export function isSegmentDamage(error: unknown): error is LakeError {
  return error instanceof LakeError && (error.code === 'manifest-damaged' || error.code === 'chain-broken')
}
