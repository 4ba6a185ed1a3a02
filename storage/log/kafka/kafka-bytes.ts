/** Encodes and decodes primitive types of the Kafka protocol (flexible versions: compact lengths, tagged fields). */

export class KafkaWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    return this.#push(1, (bytes) => bytes.writeInt8(value))
  }
  int32(value: number): this {
    return this.#push(4, (bytes) => bytes.writeInt32BE(value))
  }
  int64(value: number): this {
    return this.#push(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)))
  }
  uvarint(value: number): this {
    const bytes: number[] = []
    for (let rest = value; ; rest >>>= 7) {
      bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
      if (rest <= 0x7f) break
    }
    this.#parts.push(Buffer.from(bytes))
    return this
  }
  raw(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }
  compactText(value: string): this {
    const bytes = Buffer.from(value)
    return this.uvarint(bytes.length + 1).raw(bytes)
  }
  compactArray<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }
  /** no tagged fields */
  tags(): this {
    return this.uvarint(0)
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #push(size: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(size)
    write(bytes)
    this.#parts.push(bytes)
    return this
  }
}

/** Reads sequentially from `at`. @throws RangeError beyond the end */
export class KafkaReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  int8(): number {
    return this.bytes.readInt8(this.advance(1))
  }
  int16(): number {
    return this.bytes.readInt16BE(this.advance(2))
  }
  int32(): number {
    return this.bytes.readInt32BE(this.advance(4))
  }
  int64(): bigint {
    return this.bytes.readBigInt64BE(this.advance(8))
  }
  uvarint(): number {
    const only = this.bytes[this.at]
    if (only !== undefined && only < 0x80) {
      this.at++
      return only
    }
    let [value, scale] = [0, 1]
    for (;;) {
      const byte = this.bytes.readUInt8(this.advance(1))
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }
  /** zigzag; exact up to 2^53 */
  varint(): number {
    const value = this.uvarint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  /** null if the length encodes null */
  compactBytes(): Buffer | null {
    const length = this.uvarint() - 1
    return length < 0 ? null : this.take(length)
  }
  compactText(): string | null {
    return this.compactBytes()?.toString('utf8') ?? null
  }
  compactArray<Item>(read: () => Item): Item[] {
    const count = this.uvarint() - 1
    return Array.from({ length: Math.max(0, count) }, read)
  }
  take(length: number): Buffer {
    const from = this.advance(length)
    return this.bytes.subarray(from, from + length)
  }
  /** Skips `length` bytes; returns where they begin. */
  advance(length: number): number {
    const from = this.at
    if (length < 0 || from + length > this.bytes.length)
      throw new RangeError(
        `a Kafka response is truncated: expected ${from + length} bytes, received ${this.bytes.length}`,
      )
    this.at += length
    return from
  }
  /** Tagged fields, all of which are optional. @param found told of each */
  tags(found: (tag: number, value: Buffer) => void = () => {}): void {
    for (let left = this.uvarint(); left > 0; left--) {
      const tag = this.uvarint()
      found(tag, this.take(this.uvarint()))
    }
  }
}
