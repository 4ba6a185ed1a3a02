/** Reads a stream that may be compressed with gzip or zstd, which its first bytes tell. */
import { once } from 'node:events'
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type Chunk, ChunkReader, type Chunks } from '../chunk-reader.ts'

const GZIP = Buffer.from([0x1f, 0x8b])
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

export type Compression = 'gzip' | 'zstd'

/** The uncompressed chunks of a reader. What is not compressed passes as it is. */
export class InflatingReader implements Chunks {
  readonly #packed: ChunkReader
  /** what `next` reads; null until the first bytes have come */
  #plain: Chunks | null = null
  #head = Buffer.alloc(0)
  readonly #stopped = new AbortController()
  #compression: Compression | null = null

  constructor(packed: ChunkReader) {
    this.#packed = packed
  }

  /** before they were inflated */
  get bytesRead(): number {
    return this.#packed.bytesRead
  }

  /** null: none, or nothing was read yet */
  get compression(): Compression | null {
    return this.#compression
  }

  async next(waitMs: number, signal?: AbortSignal): Promise<Chunk> {
    while (this.#plain === null) {
      const chunk = await this.#packed.next(waitMs, signal)
      if (chunk === 'pause') return chunk
      if (chunk !== 'end') this.#head = Buffer.concat([this.#head, chunk])
      if (chunk !== 'end' && isPartOfMark(this.#head)) continue
      this.#begin()
      if (this.#plain === this.#packed && this.#head.length > 0) return this.#takeHead()
    }
    return this.#plain.next(waitMs, signal)
  }

  stop(): Buffer[] {
    this.#stopped.abort()
    const rest = this.#plain?.stop() ?? []
    const packed = this.#plain === this.#packed ? [] : this.#packed.stop()
    // Compressed bytes without their beginning are of no use to anyone.
    return this.#plain === null ? [this.#takeHead(), ...packed] : rest
  }

  #takeHead(): Buffer {
    const head = this.#head
    this.#head = Buffer.alloc(0)
    return head
  }

  #begin(): void {
    if (this.#head.subarray(0, 2).equals(GZIP)) this.#compression = 'gzip'
    else if (this.#head.subarray(0, 4).equals(ZSTD)) this.#compression = 'zstd'
    if (this.#compression === null) {
      this.#plain = this.#packed
      return
    }
    const inflated = this.#compression === 'gzip' ? createGunzip() : createZstdDecompress()
    this.#plain = new ChunkReader(inflated)
    void this.#fill(inflated).catch((error: Error) => inflated.destroy(error))
  }

  async #fill(inflated: Transform): Promise<void> {
    const { signal } = this.#stopped
    let chunk: Chunk = this.#takeHead()
    while (typeof chunk !== 'string') {
      if (!inflated.write(chunk)) await once(inflated, 'drain', { signal })
      chunk = await this.#packed.next(Number.POSITIVE_INFINITY, signal)
    }
    if (chunk === 'end') inflated.end()
  }
}

/** Whether more bytes are needed to tell. */
function isPartOfMark(head: Buffer): boolean {
  return [GZIP, ZSTD].some((mark) => head.length < mark.length && mark.subarray(0, head.length).equals(head))
}
