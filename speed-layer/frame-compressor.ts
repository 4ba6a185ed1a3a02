/**
 * Compresses pieces, each to a zstd frame of its own, one after the other with the same context: one for each piece is some megabytes that V8
 * sees come and go, for which it collects the whole heap of the process again and again.
 */
import { constants, createZstdCompress, type ZstdCompress, type ZstdOptions } from 'node:zlib'
import pLimit from 'p-limit'

/** The default level takes more CPU time. This one's own window is shorter: one that holds a frame takes a fifth less time, and a sixth fewer bytes. */
const PARAMS = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_windowLog]: 22,
  [constants.ZSTD_c_hashLog]: 15,
  [constants.ZSTD_c_checksumFlag]: 1,
}
/** a whole compressed frame in most cases: what zstd returns in many pieces takes more time */
const CHUNK_BYTES = 1024 * 1024
/** a piece that cannot be compressed gives as much; beyond it a frame's end would wait until its beginning is read */
const FRAME_BYTES_MAX = 64 * 1024 * 1024
/** how long the context's memory is kept for the next piece */
const IDLE_MS = 5_000

const OPTIONS: ZstdOptions & { readonly readableHighWaterMark: number } = {
  params: PARAMS,
  chunkSize: CHUNK_BYTES,
  // What is written at once is a frame.
  flush: constants.ZSTD_e_end,
  readableHighWaterMark: FRAME_BYTES_MAX,
}

export class FrameCompressor {
  readonly #oneByOne = pLimit(1)
  readonly #open: () => ZstdCompress
  #stream: ZstdCompress | null = null
  #idle: NodeJS.Timeout | null = null

  constructor(open = () => createZstdCompress(OPTIONS)) {
    this.#open = open
  }

  /** @param piece 1 byte to 64 MiB; not to be changed meanwhile. @returns a whole frame; @throws what zstd throws, e.g. where memory is short: the next piece is compressed all the same */
  compress(piece: Buffer): Promise<Buffer> {
    return this.#oneByOne(() => this.#frameOf(piece))
  }

  async #frameOf(piece: Buffer): Promise<Buffer> {
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#stream ??= this.#opened()
    const stream = this.#stream
    try {
      await written(stream, piece)
      const frame = stream.read() as Buffer | null
      if (frame === null) throw new Error(`zstd made nothing of ${piece.length} bytes`)
      this.#idle = setTimeout(() => this.#close(), IDLE_MS).unref()
      return frame
    } catch (error) {
      this.#close()
      throw error
    }
  }

  #opened(): ZstdCompress {
    const stream = this.#open()
    // `written` rejects on errors; without a listener of its own the stream would end the process.
    stream.on('error', () => {})
    return stream
  }

  #close(): void {
    this.#stream?.destroy()
    this.#stream = null
  }
}

/** Of what zstd itself refuses, memory above all, only the event tells: the write's callback is not called then. */
function written(stream: ZstdCompress, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.write(piece, (error) => {
      stream.off('error', reject)
      if (error) reject(error)
      else resolve()
    })
  })
}
