/** One reader of a live stream: what waits for it is bounded. Several can share a response, each with what tells its events from others. */
import type { ServerResponse } from 'node:http'

export interface ReaderLimits {
  readonly readerBytesMax: number
  readonly readerStalledMsMax: number
}

/** A reader's part of a response that it shares. */
export interface StreamPart {
  /** written before each of its events */
  readonly prefix: Buffer
  /** called when nothing more is sent to it */
  readonly ended: () => void
}

const HEARTBEAT = Buffer.from(':\n\n')

export class LiveReader {
  readonly #response: ServerResponse
  readonly #limits: ReaderLimits
  readonly #part: StreamPart | null
  #takenAtMs = performance.now()

  /**
   * @param drained told when a reader that was full takes more
   * @param part null: the response is its own
   */
  constructor(response: ServerResponse, limits: ReaderLimits, drained: () => void, part: StreamPart | null = null) {
    this.#response = response
    this.#limits = limits
    this.#part = part
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
    if (this.#part === null) this.#write(bytes)
    else {
      // At once, so that no other reader's event comes between.
      this.#write(this.#part.prefix)
      this.#write(bytes)
    }
  }

  /** Keeps the connection open; disconnects a reader that has taken nothing for too long. */
  beat(): void {
    if (!this.#response.writableNeedDrain) this.#write(HEARTBEAT)
    else if (performance.now() - this.#takenAtMs > this.#limits.readerStalledMsMax) this.#response.destroy()
  }

  /** After what was sent. */
  end(): void {
    if (this.#part === null) this.#response.end()
    else this.#part.ended()
  }

  #write(bytes: Buffer): void {
    if (this.#response.writableLength === 0) this.#takenAtMs = performance.now()
    if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.write(bytes)
  }
}
