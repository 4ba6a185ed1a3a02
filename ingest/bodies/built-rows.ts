/**
 * Rows whose JSON is not in the body but made from it, such as those of CSV. A small body can describe large events (a long column name
 * counts once per row), so what is made is bounded as a body is.
 */
import type { FlatShape } from '#core/flat-scan.ts'
import { releaseMemory } from '#core/release-memory.ts'
import { OfferTooLargeError } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'
import { JsonOutput } from './json-output.ts'

const LINE_FEED = 10
const FIRST_ENDS = 4_096

export interface BuiltLimits {
  /** the JSON of all rows together: requestBytesMax */
  readonly bodyBytesMax: number
  /** requestRowsMax */
  readonly rowsMax: number
  /** of one row; a longer one is given up while it is written */
  readonly recordBytesMax: number
}

export class BuiltRows {
  /** takes the JSON of a row between `begin` and `end` */
  readonly output: JsonOutput
  readonly #limits: BuiltLimits
  readonly #shape: FlatShape | null
  /** includes what was made for rows that have faults */
  #made = 0
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #lines: number[] = []
  readonly #faults = new Map<number, string>()
  #valueEnds = new Int32Array(0)
  /** place of the row's first value among them */
  #firstValue = 0

  /** @param shape of all rows, if they are flat: then `valueEnded` is to be called behind each value */
  constructor(limits: BuiltLimits, shape: FlatShape | null = null) {
    this.#limits = limits
    this.#shape = shape
    this.output = new JsonOutput(limits.recordBytesMax)
  }

  get count(): number {
    return this.#starts.length
  }

  /** Begins a row, whose JSON is then written to the output. */
  begin(): void {
    this.output.begin()
    if (this.#shape === null) return
    const { length } = this.#shape.names
    this.#firstValue = this.count * length
    if (this.#firstValue + length <= this.#valueEnds.length) return
    const larger = new Int32Array(Math.max(FIRST_ENDS, 2 * this.#valueEnds.length, this.#firstValue + length))
    larger.set(this.#valueEnds)
    this.#valueEnds = larger
  }

  /** @param at of its name in the shape */
  valueEnded(at: number): void {
    this.#valueEnds[this.#firstValue + at] = this.output.at
  }

  /** @param line where the row begins in the body. @throws OfferTooLargeError */
  end(line?: number): void {
    this.#count(this.output.length + 1)
    this.#close(line)
  }

  /** A whole row. @param line where it begins in the body. @throws OfferTooLargeError */
  add(json: string | Buffer, line?: number): void {
    this.#count((typeof json === 'string' ? Buffer.byteLength(json) : json.length) + 1)
    this.output.begin()
    if (typeof json === 'string') this.output.json(json)
    else this.output.raw(json)
    this.#close(line)
  }

  /** A row that is not an event; what was written of it since it was begun is taken back. @throws OfferTooLargeError */
  fault(reason: string, line?: number): void {
    this.#count(this.output.length)
    this.output.undo()
    this.#faults.set(this.#starts.length, reason)
    this.#place(this.output.at, this.output.at, line)
  }

  rows(): Rows {
    const { bytes, at } = this.output
    return {
      bytes: bytes.subarray(0, at),
      release: () => releaseMemory(bytes),
      starts: this.#starts,
      ends: this.#ends,
      ...(this.#faults.size > 0 && { faults: this.#faults }),
      ...(this.#lines.length > 0 && { lines: this.#lines }),
      ...(this.#shape !== null && { flat: { ...this.#shape, ends: this.#valueEnds } }),
    }
  }

  #place(from: number, end: number, line: number | undefined): void {
    this.#starts.push(from)
    this.#ends.push(end)
    if (line !== undefined) this.#lines.push(line)
  }

  #close(line: number | undefined): void {
    const { output } = this
    this.#place(output.at - output.length, output.at, line)
    // The line end belongs to no row: nothing takes it back.
    output.begin()
    output.byte(LINE_FEED)
    output.begin()
  }

  #count(bytes: number): void {
    const { rowsMax, bodyBytesMax } = this.#limits
    this.#made += bytes
    if (this.count >= rowsMax)
      throw new OfferTooLargeError('the body', this.count + 1, 'events', 'requestRowsMax', rowsMax)
    if (this.#made > bodyBytesMax)
      throw new OfferTooLargeError(
        'the events of the body as JSON',
        this.#made,
        'bytes',
        'requestBytesMax',
        bodyBytesMax,
      )
  }
}
