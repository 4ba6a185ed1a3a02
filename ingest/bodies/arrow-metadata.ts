/**
 * Verifies the metadata of an Arrow IPC stream (flatbuffers) before the library reads it: the library loops over as many entries as a
 * vector announces, and follows every table as often as it is referred to, so that a few changed bytes would occupy it without end.
 * Table layouts: Arrow's Message.fbs and Schema.fbs.
 */
import { BodyError } from './body-error.ts'

const DEPTH_MAX = 64
const CONTINUATION = -1
const [SCHEMA, DICTIONARY_BATCH, RECORD_BATCH] = [1, 2, 3]
const TYPE_UNION = 14

/** @throws BodyError */
export function verifyMetadata(body: Buffer): void {
  for (let at = 0; at + 4 <= body.length; ) {
    let bytes = body.readInt32LE(at)
    at += 4
    if (bytes === CONTINUATION) {
      if (at + 4 > body.length) throw incomplete()
      bytes = body.readInt32LE(at)
      at += 4
    }
    if (bytes === 0) return
    if (bytes < 0 || at + bytes > body.length) throw incomplete()
    const bodyBytes = new Metadata(body.subarray(at, at + bytes)).verifyMessage()
    at += bytes + bodyBytes
    if (!(at <= body.length)) throw incomplete()
  }
}

class Metadata {
  readonly #bytes: Buffer
  /** tables and entries that may still be visited: more than there are bytes for would mean that some are visited again */
  #budget: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#budget = bytes.length
  }

  /** @returns length of the message's body */
  verifyMessage(): number {
    const message = this.#table(this.#u32(0))
    const kind = this.#scalar(message, 1)
    const header = this.#tableAt(message, 2)
    this.#pairs(message, 4)
    if (header !== null && kind === SCHEMA) {
      for (const field of this.#tables(header, 1)) this.#field(field, 0)
      this.#pairs(header, 2)
      this.#vector(header, 3, 8)
    } else if (header !== null && kind === DICTIONARY_BATCH) {
      const data = this.#tableAt(header, 1)
      if (data !== null) this.#batch(data)
    } else if (header !== null && kind === RECORD_BATCH) this.#batch(header)
    else throw malformed('it has a message of an unknown kind')
    const bodyBytes = this.#slot(message, 3)
    return bodyBytes === 0 ? 0 : Number(this.#read(bodyBytes, 8).readBigUInt64LE())
  }

  #field(field: number, depth: number): void {
    if (depth > DEPTH_MAX) throw malformed(`a column is nested deeper than ${DEPTH_MAX} levels`)
    const type = this.#tableAt(field, 3)
    if (type !== null && this.#scalar(field, 2) === TYPE_UNION) this.#vector(type, 1, 4)
    const dictionary = this.#tableAt(field, 4)
    if (dictionary !== null) this.#tableAt(dictionary, 1)
    this.#pairs(field, 6)
    for (const child of this.#tables(field, 5)) this.#field(child, depth + 1)
  }

  #batch(batch: number): void {
    this.#vector(batch, 1, 16)
    this.#vector(batch, 2, 16)
    this.#tableAt(batch, 3)
    this.#vector(batch, 4, 8)
  }

  /** Custom metadata. */
  #pairs(table: number, slot: number): void {
    for (const _ of this.#tables(table, slot));
  }

  *#tables(table: number, slot: number): Generator<number> {
    const vector = this.#vector(table, slot, 4)
    if (vector === null) return
    for (let entry = 0; entry < vector.count; entry++) {
      const at = vector.start + 4 * entry
      yield this.#table(at + this.#u32(at))
    }
  }

  #vector(table: number, slot: number, entryBytes: number): { readonly start: number; readonly count: number } | null {
    const at = this.#slot(table, slot)
    if (at === 0) return null
    const start = at + this.#u32(at) + 4
    const count = this.#u32(start - 4)
    this.#spend(count)
    this.#read(start, count * entryBytes)
    return { start, count }
  }

  #tableAt(table: number, slot: number): number | null {
    const at = this.#slot(table, slot)
    return at === 0 ? null : this.#table(at + this.#u32(at))
  }

  #table(at: number): number {
    this.#spend(1)
    const slots = at - this.#read(at, 4).readInt32LE()
    this.#read(slots, Math.max(4, this.#u16(slots)))
    return at
  }

  /** Where a member of a table is; 0: it has none. */
  #slot(table: number, slot: number): number {
    const slots = table - this.#read(table, 4).readInt32LE()
    const at = 4 + 2 * slot
    if (at + 2 > this.#u16(slots)) return 0
    const offset = this.#u16(slots + at)
    return offset === 0 ? 0 : table + offset
  }

  #scalar(table: number, slot: number): number {
    const at = this.#slot(table, slot)
    return at === 0 ? 0 : this.#read(at, 1)[0]!
  }

  #spend(entries: number): void {
    this.#budget -= entries
    if (this.#budget < 0) throw malformed('its metadata refers to more than it contains')
  }

  #u16(at: number): number {
    return this.#read(at, 2).readUInt16LE()
  }

  #u32(at: number): number {
    return this.#read(at, 4).readUInt32LE()
  }

  #read(at: number, bytes: number): Buffer {
    if (at < 0 || at + bytes > this.#bytes.length) throw malformed('its metadata refers to bytes outside of it')
    return this.#bytes.subarray(at, at + bytes)
  }
}

function incomplete(): BodyError {
  return malformed('a message is not complete')
}

function malformed(why: string): BodyError {
  return new BodyError(`the body is not a valid Arrow IPC stream: ${why}`)
}
