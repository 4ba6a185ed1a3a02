/**
 * Takes Kafka's record batches apart, straight into lines of NDJSON. Every record of the range
 * comes out once: as a line, or as the line `null` with its original bytes and the reason beside it. Only control
 * records and those of aborted transactions do not: they are holes.
 */
import type { Offset } from '#core/offsets.ts'
import type { OriginalRecord } from './event-log.ts'
import { KafkaReader } from './kafka-bytes.ts'
import { CODEC_MASK, decompress } from './kafka-codecs.ts'
import type { Fetched } from './kafka-requests.ts'
import { isBlank, NEWLINE } from './log-blocks.ts'
import { type RecordDecoder, Unreadable } from './record-format.ts'

/** Lines of one record batch; `[start, end)` covers its holes. */
export interface DecodedBatch {
  readonly start: Offset
  readonly end: Offset
  readonly lines: Buffer
  /** of line i: its end in `lines`, its offset, its arrival in epoch ms */
  readonly ends: Uint32Array
  readonly offsets: Float64Array
  readonly arrivals: Float64Array
  readonly originals: ReadonlyMap<number, OriginalRecord>
}

export interface BatchHead {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  /** of the whole batch in the buffer */
  readonly bytes: number
  readonly codec: number
  readonly control: boolean
  readonly transactional: boolean
  readonly producerId: bigint
  /** null: each record has its own time */
  readonly appendedAtMs: number | null
  readonly firstTimeMs: number
  readonly records: number
}

const HEAD_BYTES = 61
const LENGTH_AT = 8
const MAGIC_AT = 16
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const NULL_LINE = Buffer.from('null')

/** The batch that begins at `at`; null when it is not there as a whole. @throws for formats from before Kafka 0.11 */
export function readHead(bytes: Buffer, at: number): BatchHead | null {
  if (bytes.length - at < HEAD_BYTES) return null
  const length = bytes.readInt32BE(at + LENGTH_AT)
  if (bytes.length - at < 12 + length) return null
  const magic = bytes.readInt8(at + MAGIC_AT)
  if (magic !== 2) {
    throw new Error(
      `the batch at offset ${bytes.readBigInt64BE(at)} has Kafka's message format ${magic}; only format 2 (Kafka 0.11 and newer) can be read`,
    )
  }
  const reader = new KafkaReader(bytes, at + 21)
  const [firstOffset, attributes] = [Number(bytes.readBigInt64BE(at)), reader.int16()]
  const lastOffset = firstOffset + reader.int32()
  const [firstTimeMs, timeMaxMs, producerId] = [Number(reader.int64()), Number(reader.int64()), reader.int64()]
  return {
    firstOffset,
    lastOffset,
    bytes: 12 + length,
    codec: attributes & CODEC_MASK,
    control: (attributes & CONTROL) !== 0,
    transactional: (attributes & TRANSACTIONAL) !== 0,
    producerId,
    appendedAtMs: (attributes & LOG_APPEND_TIME) !== 0 ? timeMaxMs : null,
    firstTimeMs,
    records: bytes.readInt32BE(at + HEAD_BYTES - 4),
  }
}

/** Which transactions of a fetched range were aborted; batches must be shown to it in order, each once. */
export class AbortedTransactions {
  readonly #coming: Fetched['aborted'][number][]
  readonly #open = new Set<bigint>()

  constructor(aborted: Fetched['aborted']) {
    this.#coming = [...aborted]
  }

  /** whether the batch's records are to be left out; `abortMarker`: it is a control batch that ends an aborted transaction */
  leavesOut(head: BatchHead, abortMarker: boolean): boolean {
    while (this.#coming.length > 0 && this.#coming[0]!.firstOffset <= head.lastOffset)
      this.#open.add(this.#coming.shift()!.producerId)
    if (head.control) {
      if (abortMarker) this.#open.delete(head.producerId)
      return true
    }
    return head.transactional && this.#open.has(head.producerId)
  }
}

/** Whether a control batch says 'abort' (its only record's key is version, type; type 0 aborts, 1 commits). */
export function isAbortMarker(records: Buffer): boolean {
  const reader = new KafkaReader(records)
  reader.varint()
  reader.int8()
  reader.varint()
  reader.varint()
  const key = reader.take(reader.varint())
  return key.length >= 4 && key.readInt16BE(2) === 0
}

interface RawRecord {
  readonly offset: Offset
  readonly atMs: number
  /** null: a tombstone */
  readonly value: Buffer | null
}

export interface RecordLimits {
  readonly recordBytesMax: number
}

/**
 * The batch's records from `from` on. `body` is the buffer's part behind the head.
 * @throws when the batch can not be taken apart, or the decoder lacks what it needs at the moment
 */
export async function decodeRecords(
  head: BatchHead,
  body: Buffer,
  aborted: AbortedTransactions,
  from: Offset,
  decoder: RecordDecoder,
  limits: RecordLimits,
): Promise<DecodedBatch> {
  const records = await decompress(head.codec, body)
  const leftOut = aborted.leavesOut(head, head.control && head.records > 0 && isAbortMarker(records))
  const raw = leftOut ? [] : rawRecords(head, records, from)
  await decoder.prepare(valuesOf(raw))
  return layOut(head, raw, from, decoder, limits)
}

/** Where a fetched buffer's batch has its records. */
export function bodyOf(bytes: Buffer, at: number, head: BatchHead): Buffer {
  return bytes.subarray(at + HEAD_BYTES, at + head.bytes)
}

function rawRecords(head: BatchHead, bytes: Buffer, from: Offset): RawRecord[] {
  const reader = new KafkaReader(bytes)
  const records: RawRecord[] = []
  for (let left = head.records; left > 0; left--) {
    const length = reader.varint()
    const end = reader.at + length
    reader.int8()
    const ownMs = head.firstTimeMs + reader.varint()
    const offset = head.firstOffset + reader.varint()
    const keyBytes = reader.varint()
    if (keyBytes > 0) reader.take(keyBytes)
    const valueBytes = reader.varint()
    const value = valueBytes < 0 ? null : reader.take(valueBytes)
    reader.at = end
    // A record without a time has −1: it never counts as late.
    if (offset >= from) records.push({ offset, atMs: Math.max(0, head.appendedAtMs ?? ownMs), value })
  }
  return records
}

function* valuesOf(records: readonly RawRecord[]): Iterable<Buffer> {
  for (const { value } of records) if (value !== null && value.length > 0) yield value
}

function layOut(
  head: BatchHead,
  raw: readonly RawRecord[],
  from: Offset,
  decoder: RecordDecoder,
  limits: RecordLimits,
): DecodedBatch {
  const lines = new Array<Buffer>(raw.length)
  const originals = new Map<number, OriginalRecord>()
  let bytes = 0
  for (const [index, { value }] of raw.entries()) {
    const line = lineOf(value, decoder, limits)
    lines[index] = line.line
    if (line.original !== undefined) originals.set(index, line.original)
    bytes += line.line.length + 1
  }
  const all = Buffer.allocUnsafe(bytes)
  const ends = new Uint32Array(raw.length)
  let at = 0
  for (const [index, line] of lines.entries()) {
    line.copy(all, at)
    at += line.length
    all[at++] = NEWLINE
    ends[index] = at
  }
  return {
    start: Math.max(from, head.firstOffset),
    end: head.lastOffset + 1,
    lines: all,
    ends,
    offsets: Float64Array.from(raw, ({ offset }) => offset),
    arrivals: Float64Array.from(raw, ({ atMs }) => atMs),
    originals,
  }
}

interface Line {
  readonly line: Buffer
  /** when the line is not the record's bytes */
  readonly original?: OriginalRecord
}

/** One record as one line, never blank and without a line break inside. */
function lineOf(value: Buffer | null, decoder: RecordDecoder, { recordBytesMax }: RecordLimits): Line {
  if (value === null) return unusable(Buffer.alloc(0), 'the record has no value (a tombstone)')
  if (value.length > recordBytesMax) {
    return unusable(value, `the record has ${value.length} bytes, the limit recordBytesMax is ${recordBytesMax}`)
  }
  if (isBlank(value, 0, value.length)) return unusable(value, 'the record is blank')
  const line = decoder.line(value)
  if (line instanceof Unreadable) return unusable(value, line.reason)
  if (line.includes(NEWLINE)) return reLined(value, line)
  return line === value ? { line } : { line, original: { bytes: value, reason: null } }
}

/** In JSON a line break can only stand between tokens, where a space means the same. */
function reLined(value: Buffer, line: Buffer): Line {
  const text = line.toString('utf8')
  try {
    JSON.parse(text)
  } catch (error) {
    return unusable(value, `no JSON: ${(error as Error).message}`)
  }
  return { line: Buffer.from(text.replaceAll(/[\r\n]/g, ' ')), original: { bytes: value, reason: null } }
}

function unusable(bytes: Buffer, reason: string): Line {
  return { line: NULL_LINE, original: { bytes: Buffer.from(bytes), reason } }
}
