/**
 * Rows whose JSON is not in the body but made from it, such as those of CSV. A small body can describe large events (a long column name
 * counts once per row), so what is made is bounded as a body is.
 */
import type { FlatShape } from '#core/flat-scan.ts'
import { releaseMemory } from '#core/release-memory.ts'
import type { NumberedRecord } from '../formats/records.ts'
import { OfferTooLargeError } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'
import { ValueEnds } from '../value-ends.ts'
import { JsonOutput } from './json-output.ts'

const LINE_FEED = 10

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
  /** includes what was made for rows that have faults */
  #made = 0
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #lines: number[] = []
  readonly #faults = new Map<number, string>()
  /** null: no row is known to be flat */
  #values: ValueEnds | null

  /** @param shape of all rows, if they are flat: then `valueEnded` is to be called behind each value */
  constructor(limits: BuiltLimits, shape: FlatShape | null = null) {
    this.#limits = limits
    this.#values = shape && new ValueEnds(shape)
    this.output = new JsonOutput(limits.recordBytesMax)
  }

  get count(): number {
    return this.#starts.length
  }

  /** Begins a row, whose JSON is then written to the output. */
  begin(): void {
    this.output.begin()
    this.#values?.begin(this.count)
  }

  /** @param at of its name in the shape */
  valueEnded(at: number): void {
    this.#values?.set(this.count, at, this.output.at)
  }

  /** @param line where the row begins in the body. @throws OfferTooLargeError */
  end(line?: number): void {
    this.#count(this.output.length + 1)
    this.#close(line)
  }

  /** A whole row. @param line where it begins in the body. @param flat if it is; all such rows have one shape. @throws OfferTooLargeError */
  add(json: string | Buffer, line?: number, flat?: NumberedRecord['flat']): void {
    this.#count((typeof json === 'string' ? Buffer.byteLength(json) : json.length) + 1)
    if (flat !== undefined) this.#values ??= new ValueEnds(flat.shape)
    this.begin()
    if (flat !== undefined) this.#values!.setAll(this.count, flat.ends, this.output.at)
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
      ...(this.#values !== null && { flat: this.#values.rows }),
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
