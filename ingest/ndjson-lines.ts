/** Splits NDJSON into lines without changing their bytes: a line ends at '\n', and a '\r' before it belongs to the line end. */
import { isBlank, isJsonSpace } from '#core/json-bytes.ts'
import type { NumberedRecord, RecordSplitter, RecordUnit } from './formats/records.ts'
import type { Rows } from './rows.ts'

const NEWLINE = 10
const CARRIAGE_RETURN = 13
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Strips the byte order mark that some editors put at the start of a file. */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes
}

/** The lines of a whole body that are not blank; stops behind `rowsMax + 1`, so that a caller can tell too many. */
export function linesOf(body: Buffer, rowsMax: number): Rows {
  const bytes = withoutByteOrderMark(body)
  const starts: number[] = []
  const ends: number[] = []
  for (let from = 0; starts.length <= rowsMax; ) {
    // Blank lines cost a step for each byte, and no more.
    let begin = from
    for (; isJsonSpace(bytes[begin]); begin++) if (bytes[begin] === NEWLINE) from = begin + 1
    if (begin >= bytes.length) break
    const at = bytes.indexOf(NEWLINE, begin)
    const end = at === -1 ? bytes.length : at
    starts.push(from)
    ends.push(bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end)
    from = end + 1
  }
  return { bytes, starts, ends }
}

/** Splits a stream of chunks into lines; blank ones count, and give no record. Holds at most `lineBytesMax` bytes of an unfinished line. */
export class LineSplitter implements RecordSplitter {
  readonly unit: RecordUnit
  readonly #lineBytesMax: number
  #held: Buffer[] = []
  #heldBytes = 0
  #tooLong = false
  #number = 0

  /** @param unit what a line stands for */
  constructor(lineBytesMax: number, unit: RecordUnit = 'line') {
    this.#lineBytesMax = lineBytesMax
    this.unit = unit
  }

  get ended(): number {
    return this.#number
  }

  /** Non-blank lines that end in this chunk. */
  *push(chunk: Buffer): Generator<NumberedRecord> {
    for (let from = 0; ; ) {
      const end = chunk.indexOf(NEWLINE, from)
      if (end === -1) return this.#hold(Buffer.from(chunk.subarray(from)))
      if (this.#number > 0 && this.#heldBytes === 0 && !this.#tooLong) {
        // The line is within the chunk, as nearly all are.
        const number = ++this.#number
        const stop = end > from && chunk[end - 1] === CARRIAGE_RETURN ? end - 1 : end
        if (stop - from > this.#lineBytesMax) yield { number, bytes: null }
        else if (!isBlank(chunk, from, stop)) yield { number, bytes: chunk.subarray(from, stop) }
      } else {
        this.#hold(chunk.subarray(from, end))
        yield* this.#finish()
      }
      from = end + 1
    }
  }

  /** The last line, if no line end follows it. */
  *end(): Generator<NumberedRecord> {
    if (this.#heldBytes > 0 || this.#tooLong) yield* this.#finish()
  }

  #hold(part: Buffer): void {
    // One byte more than the limit may be the '\r' of the line end.
    if (this.#tooLong || this.#heldBytes + part.length > this.#lineBytesMax + 1 + BYTE_ORDER_MARK.length) {
      this.#tooLong = true
      this.#held = []
      this.#heldBytes = 0
    } else if (part.length > 0) {
      this.#held.push(part)
      this.#heldBytes += part.length
    }
  }

  *#finish(): Generator<NumberedRecord> {
    const number = ++this.#number
    const tooLong = this.#tooLong
    const whole = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes)
    this.#held = []
    this.#heldBytes = 0
    this.#tooLong = false
    const line = withoutReturn(number === 1 ? withoutByteOrderMark(whole) : whole)
    if (tooLong || line.length > this.#lineBytesMax) yield { number, bytes: null }
    else if (!isBlank(line)) yield { number, bytes: line }
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.length > 0 && line[line.length - 1] === CARRIAGE_RETURN ? line.subarray(0, -1) : line
}
