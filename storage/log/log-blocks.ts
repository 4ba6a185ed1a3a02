/** Cuts what is appended into blocks of whole lines, and checks the lines on the way. */
import type { AppendBatch } from './event-log.ts'

const NEWLINE = 10

/** Where line number `skip` starts, counted from byte `from`. */
export function lineStart(bytes: Buffer, from: number, skip: number): number {
  let at = from
  for (let line = 0; line < skip; line++) at = bytes.indexOf(NEWLINE, at) + 1
  return at
}

/** @throws RangeError when a line is blank or too long, or when the lines are not `count` */
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
        `append to partition ${partition}: record ${total} has ${end - at - 1} bytes, the limit recordBytesMax is ${limits.recordBytesMax}`,
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
    throw new RangeError(`append to partition ${partition}: ${batch.count} records were announced, ${total} came`)
  }
  blocks.push({ partition, lines: lines.subarray(begin), count })
  return blocks
}

/** only characters that a JSON reader skips */
function isBlank(lines: Buffer, at: number, end: number): boolean {
  for (let index = at; index < end; index++) {
    const byte = lines[index]!
    if (byte !== 32 && byte !== 9 && byte !== 13 && byte !== 10) return false
  }
  return true
}
