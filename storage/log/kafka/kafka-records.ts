/**
 * Decodes Kafka record batches directly into lines of NDJSON. Every record of the range
 * is returned once: as a line, or as the line `null` with its original bytes and the reason. Control
 * records and those of aborted transactions are not returned: they are holes.
 */
import { isBlank, onOneLine } from '#core/json-bytes.ts'
import type { Offset } from '#core/offsets.ts'
import type { OriginalRecord } from '../event-log.ts'
import { NEWLINE } from '../log-blocks.ts'
import { type RecordDecoder, Unreadable } from '../record-format.ts'
import { crc32c } from './crc32c.ts'
import { KafkaBatchError } from './kafka-batch-error.ts'
import { KafkaReader } from './kafka-bytes.ts'
import { CODEC_MASK, decompress } from './kafka-codecs.ts'
import type { Fetched } from './kafka-requests.ts'

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
  /** of the leader that appended it */
  readonly leaderEpoch: number
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
/** that the length field does not count */
const BEFORE_LENGTH_BYTES = 12
const EPOCH_AT = 12
const MAGIC_AT = 16
const CHECKSUM_AT = 17
/** the checksum covers everything from the attributes on */
const CHECKED_AT = 21
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
/** maximum time of a Date (ECMA-262, 21.4.1.1): timestamps of other clients can be any number */
const TIME_MS_MAX = 8.64e15
const NULL_LINE = Buffer.from('null')

/** The batch that begins at `at`; null if it is incomplete. @throws for formats older than Kafka 0.11 */
export function readHead(bytes: Buffer, at: number): BatchHead | null {
  if (bytes.length - at < HEAD_BYTES) return null
  const length = bytes.readInt32BE(at + LENGTH_AT)
  if (length < HEAD_BYTES - BEFORE_LENGTH_BYTES)
    throw new KafkaBatchError(Number(bytes.readBigInt64BE(at)), `it is damaged: its length field says ${length} bytes`)
  if (bytes.length - at < BEFORE_LENGTH_BYTES + length) return null
  const magic = bytes.readInt8(at + MAGIC_AT)
  if (magic !== 2) {
    throw new Error(
      `the batch at offset ${bytes.readBigInt64BE(at)} has Kafka's message format ${magic}; only format 2 (Kafka 0.11 and newer) can be read`,
    )
  }
  const reader = new KafkaReader(bytes, at + CHECKED_AT)
  const [firstOffset, attributes] = [Number(bytes.readBigInt64BE(at)), reader.int16()]
  const lastOffset = firstOffset + reader.int32()
  const [firstTimeMs, timeMaxMs, producerId] = [Number(reader.int64()), Number(reader.int64()), reader.int64()]
  return {
    firstOffset,
    lastOffset,
    leaderEpoch: bytes.readInt32BE(at + EPOCH_AT),
    bytes: BEFORE_LENGTH_BYTES + length,
    codec: attributes & CODEC_MASK,
    control: (attributes & CONTROL) !== 0,
    transactional: (attributes & TRANSACTIONAL) !== 0,
    producerId,
    appendedAtMs: (attributes & LOG_APPEND_TIME) !== 0 ? timeMaxMs : null,
    firstTimeMs,
    records: bytes.readInt32BE(at + HEAD_BYTES - 4),
  }
}

/** Tracks the aborted transactions of a fetched range; batches must be passed in order, each once. */
export class AbortedTransactions {
  readonly #coming: Fetched['aborted'][number][]
  readonly #open = new Set<bigint>()

  constructor(aborted: Fetched['aborted']) {
    this.#coming = [...aborted]
  }

  /** whether the batch's records must be skipped; `abortMarker`: it is a control batch that ends an aborted transaction */
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

/** Positions of the records in a batch's bytes; one array per field, because a batch has thousands of records. */
interface RecordPlaces {
  readonly bytes: Buffer
  readonly count: number
  readonly begins: Uint32Array
  /** of the value; −1: a tombstone */
  readonly sizes: Int32Array
  readonly offsets: Float64Array
  /** epoch ms */
  readonly arrivals: Float64Array
}

export interface RecordLimits {
  readonly recordBytesMax: number
}

/**
 * The batch's records from `from` on. `body` is the buffer's part behind the head; its bytes may be overwritten, so nobody else may use them.
 * @throws when the batch cannot be taken apart, or the decoder lacks what it needs at the moment
 */
export async function decodeRecords(
  head: BatchHead,
  body: Buffer,
  aborted: AbortedTransactions,
  from: Offset,
  decoder: RecordDecoder,
  limits: RecordLimits,
): Promise<DecodedBatch> {
  const records = await unpacked(head, body)
  const leftOut = aborted.leavesOut(head, head.control && head.records > 0 && isAbortMarker(records))
  const places = placesOf(head, leftOut ? 0 : head.records, records, from)
  await decoder.prepare(valuesOf(places))
  return layOut(head, places, from, decoder, limits)
}

/** The records of the batch at `at`, unpacked. @throws KafkaBatchError */
export function recordsOf(bytes: Buffer, at: number, head: BatchHead): Promise<Buffer> {
  return unpacked(head, bodyOf(bytes, at, head))
}

function unpacked(head: BatchHead, body: Buffer): Promise<Buffer> {
  return decompress(head.codec, body).catch((error: Error) => {
    throw new KafkaBatchError(head.firstOffset, `it cannot be decompressed: ${error.message}`, error)
  })
}

/** Where a fetched buffer's batch has its records. @throws KafkaBatchError if the batch is not as its producer wrote it */
export function bodyOf(bytes: Buffer, at: number, head: BatchHead): Buffer {
  if (crc32c(bytes, at + CHECKED_AT, at + head.bytes) !== bytes.readUInt32BE(at + CHECKSUM_AT))
    throw new KafkaBatchError(
      head.firstOffset,
      'its checksum differs: it was damaged on the way, or on the disk of its broker. It is read again; if this goes on, have another replica lead the partition',
    )
  return bytes.subarray(at + HEAD_BYTES, at + head.bytes)
}

/** @throws RangeError when the records end early */
function placesOf(head: BatchHead, records: number, bytes: Buffer, from: Offset): RecordPlaces {
  const reader = new KafkaReader(bytes)
  if (records > bytes.length)
    throw new RangeError(
      `a Kafka record batch is truncated: expected ${records} records, received ${bytes.length} bytes`,
    )
  const most = Math.max(0, records)
  const [begins, sizes] = [new Uint32Array(most), new Int32Array(most)]
  const [offsets, arrivals] = [new Float64Array(most), new Float64Array(most)]
  let count = 0
  for (let left = records; left > 0; left--) {
    const length = reader.varint()
    const end = reader.at + length
    reader.int8()
    const ownMs = head.firstTimeMs + reader.varint()
    const offset = head.firstOffset + reader.varint()
    reader.advance(Math.max(0, reader.varint()))
    const size = reader.varint()
    const begin = reader.advance(Math.max(0, size))
    // This ensures that records do not overlap, so that a line can be moved without overwriting the next value.
    if (reader.at > end || end > bytes.length)
      throw new RangeError(`the Kafka record at offset ${offset} is longer than its length field says`)
    reader.at = end
    if (offset < from) continue
    begins[count] = begin
    sizes[count] = Math.max(-1, size)
    offsets[count] = offset
    // A record without a time has −1: it never counts as late.
    arrivals[count] = Math.min(Math.max(0, head.appendedAtMs ?? ownMs), TIME_MS_MAX)
    count++
  }
  return {
    bytes,
    count,
    begins,
    sizes,
    offsets: offsets.subarray(0, count),
    arrivals: arrivals.subarray(0, count),
  }
}

function valueAt({ bytes, begins, sizes }: RecordPlaces, index: number): Buffer | null {
  const [begin, size] = [begins[index]!, sizes[index]!]
  return size < 0 ? null : bytes.subarray(begin, begin + size)
}

function* valuesOf(places: RecordPlaces): Iterable<Buffer> {
  for (let index = 0; index < places.count; index++) {
    const value = valueAt(places, index)
    if (value !== null && value.length > 0) yield value
  }
}

function layOut(
  head: BatchHead,
  places: RecordPlaces,
  from: Offset,
  decoder: RecordDecoder,
  limits: RecordLimits,
): DecodedBatch {
  const { bytes, count, begins, sizes, offsets, arrivals } = places
  const isLine = decoder.plain ? linesIn(places, limits) : () => false
  /** lines that are not a value as it stands */
  const made = new Map<number, Buffer>()
  const originals = new Map<number, OriginalRecord>()
  const ends = new Uint32Array(count)
  let length = 0
  for (let index = 0; index < count; index++) {
    if (isLine(index)) {
      length += sizes[index]! + 1
    } else {
      const { line, original } = lineOf(valueAt(places, index), decoder, limits)
      made.set(index, line)
      if (original !== undefined) originals.set(index, original)
      length += line.length + 1
    }
    ends[index] = length
  }
  const lines = made.size === 0 && fills(length, head, bytes) ? bytes.subarray(0, length) : Buffer.allocUnsafe(length)
  for (let index = 0, at = 0; index < count; index++) {
    const line = made.size === 0 ? undefined : made.get(index)
    if (line === undefined) bytes.copy(lines, at, begins[index]!, begins[index]! + sizes[index]!)
    else line.copy(lines, at)
    at = ends[index]!
    lines[at - 1] = NEWLINE
  }
  return {
    start: Math.max(from, head.firstOffset),
    end: head.lastOffset + 1,
    lines,
    ends,
    offsets,
    arrivals,
    originals,
  }
}

/**
 * Whether the lines are most of the memory that their bytes hold: then they move to the front of it, over what is no longer needed, for a
 * record is longer than its line. Else they are copied, so that a few lines do not keep much memory until they are read.
 */
function fills(length: number, { codec }: BatchHead, bytes: Buffer): boolean {
  const held = codec === 0 ? bytes.length : bytes.buffer.byteLength
  return length * 2 >= held
}

/** Tells which values can be lines as they are. To be asked in order: the next line break, wherever it is, is looked for once. */
function linesIn({ bytes, begins, sizes }: RecordPlaces, { recordBytesMax }: RecordLimits): (index: number) => boolean {
  let lineBreak = -1
  return (index) => {
    const begin = begins[index]!
    const end = begin + sizes[index]!
    if (end <= begin || end - begin > recordBytesMax || isBlank(bytes, begin, end)) return false
    // It may be in keys and headers: then this value and others before it have none.
    if (lineBreak < begin) {
      const found = bytes.indexOf(NEWLINE, begin)
      lineBreak = found < 0 ? bytes.length : found
    }
    return lineBreak >= end
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
    return unusable(value, `the record has ${value.length} bytes, but the limit recordBytesMax is ${recordBytesMax}`)
  }
  if (isBlank(value)) return unusable(value, 'the record is blank')
  const line = decoder.line(value)
  if (line instanceof Unreadable) return unusable(value, line.reason)
  if (line.includes(NEWLINE)) return reLined(value, line)
  return line === value ? { line } : { line, original: { bytes: value, reason: null } }
}

/** A text of JSON whose line breaks stand between its tokens. */
function reLined(value: Buffer, line: Buffer): Line {
  const text = line.toString('utf8')
  try {
    JSON.parse(text)
  } catch (error) {
    return unusable(value, `the record is not valid JSON: ${(error as Error).message}`)
  }
  return { line: onOneLine(Buffer.from(text)), original: { bytes: value, reason: null } }
}

function unusable(bytes: Buffer, reason: string): Line {
  return { line: NULL_LINE, original: { bytes: Buffer.from(bytes), reason } }
}
