/**
 * Fast path of csv.ts: makes the JSON of an ordinary record from its bytes in one pass, without texts of its fields. Invariant: what it makes is
 * what the slow path makes. It may decline any record: those with escaped or unexpected quotes, bytes that JSON escapes, or another
 * number of fields are left to the slow path.
 */
import { isUtf8 } from 'node:buffer'
import type { FlatShape } from '#core/flat-scan.ts'

const [QUOTE, BACKSLASH, SPACE, CLOSE_OBJECT] = [0x22, 0x5c, 0x20, 0x7d]
const NULL = Buffer.from('null')
const ASCII_END = 0x80
const NONE = -1

/** Fields that are not longer are copied byte by byte: a call costs more. */
const LOOP_BYTES_MAX = 64

/** Bytes that end a run of a field: quote, backslash, control characters, and others. */
function stopsOf(...others: readonly number[]): Uint8Array {
  const stops = new Uint8Array(256)
  for (const byte of [QUOTE, BACKSLASH, ...others, ...Array(SPACE).keys()]) stops[byte] = 1
  return stops
}

/** within quotes */
const QUOTED_STOPS = stopsOf()

export class QuickCsv {
  readonly shape: FlatShape
  /** where the values of the last event end, from its beginning on */
  readonly ends: Int32Array
  readonly #keys: readonly Buffer[]
  /** of an event whose fields are empty */
  readonly #bytesMin: number
  readonly #delimiter: number
  readonly #stops: Uint8Array
  #bytes = Buffer.alloc(0)

  /** null: the delimiter is not one byte. @param names of the columns */
  static of(names: readonly string[], delimiter: string): QuickCsv | null {
    const byte = delimiter.charCodeAt(0)
    return delimiter.length === 1 && byte < ASCII_END && byte !== QUOTE && byte !== BACKSLASH
      ? new QuickCsv(names, byte)
      : null
  }

  private constructor(names: readonly string[], delimiter: number) {
    this.#keys = names.map((name, at) => Buffer.from(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`))
    this.shape = { names, keyBytes: this.#keys.map(({ length }) => length) }
    this.ends = new Int32Array(names.length)
    this.#bytesMin = this.#keys.reduce((sum, { length }) => sum + length + NULL.length, 1)
    this.#delimiter = delimiter
    this.#stops = stopsOf(delimiter)
  }

  /** The event, valid until the next one is made; null: the record is declined. @param record without its line end, not blank */
  eventOf(record: Buffer): Buffer | null {
    const most = this.#bytesMin + record.length + 2
    if (this.#bytes.length < most) this.#bytes = Buffer.allocUnsafeSlow(2 * most)
    const end = this.#make(record)
    return end === NONE || !isUtf8(record) ? null : this.#bytes.subarray(0, end)
  }

  #make(record: Buffer): number {
    const [target, delimiter, { length }] = [this.#bytes, this.#delimiter, record]
    let [to, at] = [0, 0]
    for (let column = 0; column < this.#keys.length; column++) {
      // Behind the last delimiter there is a field, if only an empty one.
      if (at > length) return NONE
      const key = this.#keys[column]!
      for (let index = 0; index < key.length; index++) target[to++] = key[index]!
      const isQuoted = at < length && record[at] === QUOTE
      const from = isQuoted ? at + 1 : at
      const stops = isQuoted ? QUOTED_STOPS : this.#stops
      for (at = from; at < length && stops[record[at]!] === 0; at++);
      to = at === from ? putNull(target, to) : put(target, to, record, from, at)
      if (isQuoted && (at >= length || record[at++] !== QUOTE)) return NONE
      if (at < length && record[at] !== delimiter) return NONE
      at++
      this.ends[column] = to
    }
    if (at !== length + 1) return NONE
    target[to++] = CLOSE_OBJECT
    return to
  }
}

function putNull(target: Buffer, at: number): number {
  for (let index = 0; index < NULL.length; index++) target[at + index] = NULL[index]!
  return at + NULL.length
}

/** A field in quotes. @returns the place behind it */
function put(target: Buffer, at: number, record: Buffer, from: number, end: number): number {
  let to = at
  target[to++] = QUOTE
  if (end - from > LOOP_BYTES_MAX) to += record.copy(target, to, from, end)
  else for (let index = from; index < end; index++) target[to++] = record[index]!
  target[to++] = QUOTE
  return to
}
