/** Records of a file that are offered together. They are copied into memory that is used again for the next batch. */
import { framed } from '#core/framed-record.ts'
import { isBlank } from '#core/json-bytes.ts'
import type { NumberedRecord } from './formats/records.ts'
import type { Rows } from './rows.ts'
import { ValueEnds } from './value-ends.ts'

const LINE_FEED = 10
const FIRST_BYTES = 64 * 1024

/** A record that is not offered. */
export interface UnofferedRecord {
  readonly number: number
  /** null: it is longer than the limit */
  readonly fault: string | null
}

export class BatchedRecords {
  readonly #keepsFaulty: boolean
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  #count = 0
  #settled = 0
  #starts: number[] = []
  #ends: number[] = []
  #numbers: number[] = []
  #unoffered: UnofferedRecord[] = []
  #values: ValueEnds | null = null

  /** @param keepsFaulty whether what is not a record of its format is offered, too, with the reason */
  constructor(keepsFaulty: boolean) {
    this.#keepsFaulty = keepsFaulty
  }

  /** of all records */
  get count(): number {
    return this.#count
  }

  /** of the rows, with a line end each */
  get bytes(): number {
    return this.#at
  }

  /** how far the input is settled once the batch is: number of a line, element or row */
  get settled(): number {
    return this.#settled
  }

  get unoffered(): readonly UnofferedRecord[] {
    return this.#unoffered
  }

  /** Of a row that is offered. */
  numberOf(row: number): number {
    return this.#numbers[row]!
  }

  add({ number, through = number, bytes, fault, flat }: NumberedRecord): void {
    this.#count++
    this.#settled = through
    if (bytes === null || (fault !== undefined && !this.#keepsFaulty)) {
      this.#unoffered.push({ number, fault: bytes === null ? null : fault! })
      return
    }
    if (isBlank(bytes)) return
    const row = fault === undefined ? bytes : framed({ reason: fault, bytes })
    const index = this.#numbers.length
    this.#grow(row.length + 1)
    if (flat !== undefined) this.#values ??= new ValueEnds(flat.shape)
    this.#values?.begin(index)
    if (flat !== undefined) this.#values!.setAll(index, flat.ends, this.#at)
    this.#numbers.push(number)
    this.#starts.push(this.#at)
    this.#bytes.set(row, this.#at)
    this.#at += row.length
    this.#ends.push(this.#at)
    this.#bytes[this.#at++] = LINE_FEED
  }

  /** Valid until the batch is emptied. */
  rows(): Rows {
    return {
      bytes: this.#bytes.subarray(0, this.#at),
      starts: this.#starts,
      ends: this.#ends,
      ...(this.#values !== null && { flat: this.#values.rows }),
    }
  }

  /** Begins the next batch. */
  empty(): void {
    this.#at = 0
    this.#count = 0
    this.#starts = []
    this.#ends = []
    this.#numbers = []
    this.#unoffered = []
  }

  #grow(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#at + bytes))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
