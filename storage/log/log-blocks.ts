/** Splits appended lines into blocks of whole lines, validates the lines, and extracts lines from blocks. */
import { isBlank } from '#core/json-bytes.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { AppendBatch, EventLog } from './event-log.ts'

export const NEWLINE = 10

/** @throws RangeError if a line is blank or too long, or if the number of lines is not `count` */
export function blocksOf(
  batch: AppendBatch,
  limits: { readonly blockBytesMax: number; readonly recordBytesMax: number },
): AppendBatch[] {
  const { lines, partition } = batch
  const blocks: AppendBatch[] = []
  let [begin, count, total] = [0, 0, 0]
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(NEWLINE, at) + 1
    if (end === 0) throw new RangeError(`append to partition ${partition}: the last record has no line end`)
    if (end - at - 1 > limits.recordBytesMax) {
      throw new RangeError(
        `append to partition ${partition}: record ${total} has ${end - at - 1} bytes, but the limit recordBytesMax is ${limits.recordBytesMax}`,
      )
    }
    if (isBlank(lines, at, end)) throw new RangeError(`append to partition ${partition}: record ${total} is blank`)
    if (count > 0 && end - begin > limits.blockBytesMax) {
      blocks.push({ partition, lines: lines.subarray(begin, at), count })
      begin = at
      count = 0
    }
    count++
    total++
    at = end
  }
  if (total !== batch.count || total === 0) {
    throw new RangeError(
      `append to partition ${partition}: ${batch.count} records were announced, but it contains ${total}`,
    )
  }
  blocks.push({ partition, lines: lines.subarray(begin), count })
  return blocks
}

/**
 * Lines of a block from line number `skip` on, within the limits but at least `atLeast`; null when none fits. Looks for line
 * ends only where a block is not taken as a whole.
 */
export function takeLines(
  bytes: Buffer,
  count: number,
  skip: number,
  limits: { readonly recordsMax: number; readonly bytesMax: number; readonly atLeast: number },
): { readonly lines: Buffer; readonly count: number } | null {
  const begin = lineStart(bytes, skip)
  const left = count - skip
  if (left <= limits.recordsMax && bytes.length - begin <= limits.bytesMax)
    return { lines: bytes.subarray(begin), count: left }
  const most = Math.min(left, Math.max(limits.recordsMax, limits.atLeast))
  let [taken, end] = [0, begin]
  while (taken < most) {
    const next = bytes.indexOf(NEWLINE, end) + 1
    if (next - begin > limits.bytesMax && taken >= limits.atLeast) break
    end = next
    taken++
  }
  return taken === 0 ? null : { lines: bytes.subarray(begin, end), count: taken }
}

function lineStart(bytes: Buffer, skip: number): number {
  let at = 0
  for (let line = 0; line < skip; line++) at = bytes.indexOf(NEWLINE, at) + 1
  return at
}

/** @throws RangeError */
export function assertPartition(log: Pick<EventLog, 'partitions'>, partition: number): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= log.partitions)
    throw new RangeError(`log: partition ${partition} does not exist (0 to ${log.partitions - 1})`)
}

export function bytesOf(batches: readonly AppendBatch[]): number {
  return batches.reduce((sum, batch) => sum + batch.lines.length, 0)
}

/** @throws RangeError if the records from `from` on cannot get the offsets from `to` on */
export function assertMovable({ partition, start, end }: OffsetRange, from: Offset, to: Offset): void {
  if (from >= start && from <= end && to >= from) return
  throw new RangeError(
    `log partition ${partition}: records from offset ${from} on cannot be moved to ${to}; it holds [${start}, ${end})`,
  )
}
