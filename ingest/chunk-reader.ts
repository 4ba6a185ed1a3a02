/**
 * Reads a stream chunk by chunk, and can stop without losing anything: what Node has already taken from a pipe cannot be read
 * from it again, so `stop` returns it.
 */
import type { Readable } from 'node:stream'

/** `end`: nothing follows. `pause`: nothing came within the time, or the signal was aborted. */
export type Chunk = Buffer | 'end' | 'pause'

export interface Chunks {
  /** The next chunk, as soon as it is there; see ChunkReader. */
  next(waitMs: number, signal?: AbortSignal): Promise<Chunk>
  stop(): Buffer[]
}

export class ChunkReader implements Chunks {
  readonly #input: Readable
  #ended: 'no' | 'yes' | Error = 'no'
  #bytesRead = 0
  #arrival = Promise.withResolvers<void>()

  get bytesRead(): number {
    return this.#bytesRead
  }

  constructor(input: Readable) {
    this.#input = input
    input.on('readable', this.#arrived)
    input.on('end', () => this.#endedWith('yes'))
    input.on('error', (error) => this.#endedWith(error))
    input.on('close', () => this.#endedWith(new Error('the input was closed before its end')))
  }

  /**
   * The next chunk, as soon as it is there.
   * @param waitMs Infinity: without a limit. @throws the error that ended the stream
   */
  async next(waitMs: number, signal?: AbortSignal): Promise<Chunk> {
    const tooLate = Promise.withResolvers<'pause'>()
    const timer = Number.isFinite(waitMs) ? setTimeout(tooLate.resolve, waitMs, 'pause') : undefined
    const aborted = (): void => tooLate.resolve('pause')
    signal?.addEventListener('abort', aborted, { once: true })
    try {
      while (!signal?.aborted) {
        const arrival = this.#arrival.promise
        const chunk = this.#input.read() as Buffer | null
        if (chunk !== null) return this.#counted(chunk)
        if (this.#ended instanceof Error) throw this.#ended
        if (this.#ended === 'yes') return 'end'
        if ((await Promise.race([arrival, tooLate.promise])) === 'pause') return 'pause'
      }
      return 'pause'
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
    }
  }

  /** Closes the stream. Returns what had been read from it, and `next` had not returned yet. */
  stop(): Buffer[] {
    this.#endedWith('yes')
    this.#input.off('readable', this.#arrived)
    // Before what it holds is taken: taking it makes an open stream read on.
    this.#input.destroy()
    const rest: Buffer[] = []
    for (let chunk = this.#input.read(); chunk !== null; chunk = this.#input.read()) rest.push(this.#counted(chunk))
    return rest
  }

  #endedWith(end: 'yes' | Error): void {
    if (this.#ended === 'no') this.#ended = end
    this.#arrived()
  }

  #counted(chunk: Buffer): Buffer {
    this.#bytesRead += chunk.length
    return chunk
  }

  readonly #arrived = (): void => {
    const { resolve } = this.#arrival
    this.#arrival = Promise.withResolvers()
    resolve()
  }
}
