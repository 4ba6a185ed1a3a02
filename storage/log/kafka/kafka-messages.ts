/** Converts blocks of lines to the client library's messages, and its responses to ranges. */
import type { Message, RecordMetadata } from 'kafkajs'
import type { OffsetRange } from '#core/offsets.ts'
import type { AppendBatch } from '../event-log.ts'
import { blocksOf, NEWLINE } from '../log-blocks.ts'

export function messagesOf({ lines, count, partition, keys }: AppendBatch): Message[] {
  const messages = new Array<Message>(count)
  for (let index = 0, at = 0; index < count; index++) {
    const end = lines.indexOf(NEWLINE, at)
    messages[index] = { partition, key: keys?.[index] ?? null, value: lines.subarray(at, end) }
    at = end + 1
  }
  return messages
}

/** The response must contain our partition: otherwise the send is not acknowledged. */
export function baseOffset(answers: readonly RecordMetadata[], partition: number): number {
  const answer = answers.find((one) => one.partition === partition)
  const offset = Number(answer?.baseOffset ?? -1)
  if (answer === undefined || answer.errorCode !== 0 || !Number.isSafeInteger(offset) || offset < 0)
    throw new Error(`the broker's response does not contain the offsets of the records: ${JSON.stringify(answers)}`)
  return offset
}

export interface SendLimits {
  readonly recordBytesMax: number
  readonly sendBytesMax: number
  readonly sendRecordsMax: number
}

/** A batch in blocks that can be sent in one request each. @throws RangeError for records that cannot be sent */
export function blocksToSend(batch: AppendBatch, limits: SendLimits): AppendBatch[] {
  const { sendBytesMax, recordBytesMax, sendRecordsMax } = limits
  let line = 0
  return blocksOf(batch, { blockBytesMax: sendBytesMax, recordBytesMax }).flatMap((block) => {
    const keys = batch.keys?.slice(line, line + block.count)
    line += block.count
    return byRecords({ ...block, ...(keys ? { keys } : {}) }, sendRecordsMax)
  })
}

/** Smaller blocks of the same lines. */
function byRecords(block: AppendBatch, recordsMax: number): AppendBatch[] {
  if (block.count <= recordsMax) return [block]
  const blocks: AppendBatch[] = []
  for (let line = 0, at = 0; line < block.count; line += recordsMax) {
    const count = Math.min(recordsMax, block.count - line)
    let end = at
    for (let index = 0; index < count; index++) end = block.lines.indexOf(NEWLINE, end) + 1
    const keys = block.keys?.slice(line, line + count)
    blocks.push({ partition: block.partition, lines: block.lines.subarray(at, end), count, ...(keys ? { keys } : {}) })
    at = end
  }
  return blocks
}

/** Merges adjacent ranges of one batch. */
export function joined(ranges: readonly OffsetRange[]): OffsetRange[] {
  const whole: OffsetRange[] = []
  for (const range of ranges) {
    const before = whole.at(-1)
    if (before?.end === range.start) whole[whole.length - 1] = { ...before, end: range.end }
    else whole.push(range)
  }
  return whole
}
