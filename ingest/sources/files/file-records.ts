/** The records of one file from a place on, in batches, each with the place behind it. */
import type { FileHandle } from 'node:fs/promises'
import { framed } from '#core/framed-record.ts'
import { ChunkReader } from '../../chunk-reader.ts'
import { InflatingReader } from '../../formats/inflate.ts'
import { type Recognised, recognise } from '../../formats/recognise.ts'
import { type FormatOptions, RecognisingSplitter } from '../../formats/recognising-splitter.ts'
import { keptRecord, type NumberedRecord, type RecordSplitter } from '../../formats/records.ts'
import { LineSplitter } from '../../ndjson-lines.ts'
import { openInput } from '../../open-input.ts'
import type { SourceLimits } from '../event-source.ts'

export interface FileBatch {
  readonly records: readonly Buffer[]
  /** see FileMark.at */
  readonly at: number
  /** of the file, compressed as it is */
  readonly bytesRead: number
}

export interface RecordsOptions {
  readonly path: string
  readonly format: FormatOptions
  readonly limits: SourceLimits
}

const CHUNK_BYTES = 256 * 1024
const NEWLINE = 10
const COMPRESSED = [Buffer.from([0x1f, 0x8b]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])]

/** `lines`: NDJSON, whose places are bytes; `text`: CSV that can grow; `whole`: what has to be read from its beginning to its end. */
export type FileKind = 'lines' | 'text' | 'whole'

/** null: its first bytes do not tell yet, and more may follow */
export async function kindOf(
  file: FileHandle,
  { path, format }: RecordsOptions,
  mayGrow: boolean,
): Promise<FileKind | null> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, 0)
  const sample = buffer.subarray(0, bytesRead)
  if (COMPRESSED.some((mark) => sample.subarray(0, mark.length).equals(mark))) return 'whole'
  const found: Pick<Recognised, 'format'> | null =
    format.format === undefined ? recognise(sample, !mayGrow, path) : { format: format.format }
  if (found === null) return null
  if (found.format === 'ndjson') return 'lines'
  return found.format === 'csv' ? 'text' : 'whole'
}

/** A file that may grow: what was appended to it is read by the next call of `available`. */
export class GrowingRecords {
  readonly file: FileHandle
  readonly kind: 'lines' | 'text'
  readonly #limits: SourceLimits
  readonly #splitter: RecordSplitter
  #read: number
  /** see FileMark.at */
  #at: number

  /** @param file which it closes at the end */
  constructor(file: FileHandle, kind: 'lines' | 'text', from: number, { path, format, limits }: RecordsOptions) {
    this.file = file
    this.kind = kind
    this.#limits = limits
    this.#at = from
    this.#read = kind === 'lines' ? from : 0
    this.#splitter =
      kind === 'lines'
        ? new LineSplitter(limits.recordBytesMax)
        : new RecognisingSplitter(path, limits.recordBytesMax, { ...format, format: 'csv' })
  }

  /** how far it was read, in bytes */
  get bytesRead(): number {
    return this.#read
  }

  close(): Promise<void> {
    return this.file.close()
  }

  /**
   * What is there, but not a last line that has not ended.
   * @param isSame whether the file that was read up to a place is the one of which the bytes there were read
   * @returns whether it was until the end
   */
  async *available(
    signal: AbortSignal,
    isSame: (bytes: Buffer, at: number) => Promise<boolean>,
  ): AsyncGenerator<FileBatch, boolean> {
    while (!signal.aborted) {
      const { buffer, bytesRead } = await this.file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, this.#read)
      const chunk = buffer.subarray(0, bytesRead)
      if (bytesRead === 0) break
      if (!(await isSame(chunk, this.#read))) return false
      for (const piece of piecesOf(chunk, this.#limits.batchRecordsMax)) {
        this.#read += piece.length
        if (this.kind === 'text') yield* this.#numbered(this.#splitter.push(piece))
        // Lines are parts of the piece, which stays as it is.
        else yield* this.#lines([...this.#splitter.push(piece)], piece)
      }
    }
    return true
  }

  /** The last line; nothing is appended to the file any more. */
  *rest(): Generator<FileBatch> {
    const rest = this.#splitter.end(false)
    if (this.kind === 'text') yield* this.#numbered(rest)
    else {
      const records = [...rest]
      this.#at = this.#read
      if (records.length > 0) yield { records: offered(records, this.#limits), at: this.#at, bytesRead: this.#read }
    }
  }

  *#lines(records: readonly NumberedRecord[], piece: Buffer): Generator<FileBatch> {
    const end = piece.lastIndexOf(NEWLINE)
    if (end === -1) return
    this.#at = this.#read - (piece.length - end - 1)
    yield { records: offered(records, this.#limits), at: this.#at, bytesRead: this.#read }
  }

  *#numbered(records: Iterable<NumberedRecord>): Generator<FileBatch> {
    for (const batch of batchesOf(records, this.#at, this.#limits)) {
      this.#at = batch.at
      yield { ...batch, bytesRead: this.#read }
    }
  }
}

/**
 * A file that is complete.
 * @param isSame whether the file at the path is the one that is meant, asked once it is open
 * @returns whether it was, and was read to its end
 * @throws what is wrong with it, behind the records before that
 */
export async function* wholeRecords(
  from: number,
  options: RecordsOptions,
  signal: AbortSignal,
  isSame: () => Promise<boolean>,
): AsyncGenerator<FileBatch, boolean> {
  const { path, format, limits } = options
  const input = await openInput(path)
  const reader = new InflatingReader(new ChunkReader(input.stream))
  const splitter: RecordSplitter = input.isTable
    ? new LineSplitter(limits.recordBytesMax, 'row')
    : new RecognisingSplitter(path, limits.recordBytesMax, format)
  let at = from
  const batches = function* (records: Iterable<NumberedRecord>): Generator<FileBatch> {
    for (const batch of batchesOf(records, at, limits)) {
      at = batch.at
      yield { ...batch, bytesRead: reader.bytesRead }
    }
  }
  try {
    for (let pieces = 0; ; pieces++) {
      const chunk = await reader.next(Number.POSITIVE_INFINITY, signal)
      if (chunk === 'pause' || (pieces === 0 && !(await isSame()))) return false
      if (chunk === 'end') break
      yield* batches(splitter.push(chunk))
    }
    yield* batches(splitter.end(false))
    return true
  } finally {
    reader.stop()
  }
}

/** Cuts behind line ends, so that no piece has more lines than the limit. */
function* piecesOf(chunk: Buffer, linesMax: number): Generator<Buffer> {
  for (let from = 0; from < chunk.length; ) {
    let end = from
    for (let lines = 0; lines < linesMax && end < chunk.length; lines++) {
      const newline = chunk.indexOf(NEWLINE, end)
      end = newline === -1 ? chunk.length : newline + 1
    }
    yield chunk.subarray(from, end)
    from = end
  }
}

function* batchesOf(
  records: Iterable<NumberedRecord>,
  after: number,
  limits: SourceLimits,
): Generator<Omit<FileBatch, 'bytesRead'>> {
  let batch: NumberedRecord[] = []
  for (const record of records) {
    if (record.number <= after) continue
    batch.push(keptRecord(record))
    if (batch.length < limits.batchRecordsMax) continue
    yield { records: offered(batch, limits), at: placeBehind(record) }
    batch = []
  }
  const last = batch.at(-1)
  if (last !== undefined) yield { records: offered(batch, limits), at: placeBehind(last) }
}

const placeBehind = ({ number, through }: NumberedRecord): number => through ?? number

/** What is not a record of its format becomes a dead letter with its bytes, as far as they were kept. */
function offered(records: readonly NumberedRecord[], { recordBytesMax }: SourceLimits): Buffer[] {
  const tooLong = `the record is longer than recordBytesMax = ${recordBytesMax} bytes; its bytes are only in the file`
  return records.map(({ bytes, fault }) => {
    if (bytes === null) return framed({ reason: tooLong, bytes: Buffer.alloc(0) })
    return fault === undefined ? bytes : framed({ reason: fault, bytes })
  })
}
