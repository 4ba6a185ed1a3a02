/** One reader of a live stream: what waits for it is bounded. */
import type { ServerResponse } from 'node:http'

export interface ReaderLimits {
  readonly readerBytesMax: number
  readonly readerStalledMsMax: number
}

const HEARTBEAT = Buffer.from(':\n\n')

export class LiveReader {
  readonly #response: ServerResponse
  readonly #limits: ReaderLimits
  #takenAtMs = performance.now()

  /** @param drained told when a reader that was full takes more */
  constructor(response: ServerResponse, limits: ReaderLimits, drained: () => void) {
    this.#response = response
    this.#limits = limits
    response.on('drain', () => {
      this.#takenAtMs = performance.now()
      drained()
    })
  }

  /** bytes that may wait for it */
  get bytesMax(): number {
    return this.#limits.readerBytesMax
  }

  /** Whether so much waits for it that it gets nothing more for now. */
  get isFull(): boolean {
    return this.#response.writableLength > this.#limits.readerBytesMax
  }

  send(bytes: Buffer): void {
    if (this.#response.writableLength === 0) this.#takenAtMs = performance.now()
    if (!this.#response.destroyed) this.#response.write(bytes)
  }

  /** Keeps the connection open; disconnects a reader that has taken nothing for too long. */
  beat(): void {
    if (!this.#response.writableNeedDrain) this.send(HEARTBEAT)
    else if (performance.now() - this.#takenAtMs > this.#limits.readerStalledMsMax) this.#response.destroy()
  }

  /** After what was sent. */
  end(): void {
    this.#response.end()
  }
}
