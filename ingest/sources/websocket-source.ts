/** A WebSocket: each message is a record. It is resumable where a parameter of its address says from where. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RawData, WebSocket } from 'ws'
import type { ResumeDefinition } from '#core/source-definition.ts'
import type { EventSource, LongRecord, ReadOptions, SourceBatch, SourceCursor } from './event-source.ts'
import { SourceFault } from './event-source.ts'
import { type HttpTarget, statusFault, withParameters } from './http-client.ts'
import { inBatches } from './record-batches.ts'
import { ResumedRecords } from './resumed-records.ts'
import { longRecord } from './stream-lines.ts'

export interface WebSocketParts {
  readonly target: HttpTarget
  readonly silenceMsMax: number
  /** sent after connecting */
  readonly send?: readonly string[]
  readonly resume?: ResumeDefinition
}

/** A larger message ends the connection: the library gives nothing of it. Up to this one, its beginning is kept. */
const MESSAGE_LIMITS = 4
const HANDSHAKE_MS_MAX = 30_000
/** received and not read yet; beyond it the other side waits */
const WAITING_BYTES_MAX = 1024 * 1024
const GOODBYE_MS = 200

export class WebSocketSource implements EventSource {
  readonly resumption: 'exact' | 'from-now'
  readonly #parts: WebSocketParts

  constructor(parts: WebSocketParts) {
    this.#parts = parts
    this.resumption = parts.resume === undefined ? 'from-now' : 'exact'
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncIterable<SourceBatch> {
    const { resume } = this.#parts
    const resumed = resume === undefined ? null : new ResumedRecords(resume, from)
    const { recordBytesMax, batchRecordsMax } = options.limits
    const socket = new ReadSocket(this.#parts, resumed?.parameters ?? {}, options)
    try {
      await socket.opened
      options.watch.connected()
      for await (const messages of socket.messages()) {
        const records = messages.map((message) => (message.length > recordBytesMax ? longRecord(message) : message))
        for (const own of inBatches<Buffer | LongRecord>(records, batchRecordsMax))
          yield resumed?.batch(own) ?? { records: own }
      }
    } finally {
      await socket.close()
    }
  }
}

class ReadSocket {
  readonly opened: Promise<void>
  readonly #socket: WebSocket
  readonly #host: string
  readonly #signal: AbortSignal
  readonly #silenceMsMax: number
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #changed = Promise.withResolvers<void>()
  #fault: Error | null = null
  #ended = false
  #heardMs = performance.now()

  constructor(
    { target, silenceMsMax, send = [] }: WebSocketParts,
    parameters: Readonly<Record<string, string | null>>,
    { signal, limits }: ReadOptions,
  ) {
    const url = withParameters(target.url, parameters)
    this.#host = url.host
    this.#signal = signal
    this.#silenceMsMax = silenceMsMax
    const opened = Promise.withResolvers<void>()
    this.opened = opened.promise
    this.#socket = new WebSocket(url, {
      headers: { 'user-agent': 'watershed', ...target.headers },
      followRedirects: false,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: Math.min(HANDSHAKE_MS_MAX, silenceMsMax),
      maxPayload: limits.recordBytesMax * MESSAGE_LIMITS,
    })
    this.#socket.on('open', () => {
      for (const message of send) this.#socket.send(message)
      opened.resolve()
    })
    this.#socket.on('message', (data) => this.#receive(data))
    this.#socket.on('pong', () => this.#hear())
    this.#socket.on('ping', () => this.#hear())
    this.#socket.on('unexpected-response', (_, response) => {
      response.resume()
      this.#fail(statusFault(response.statusCode ?? 0, response.headers, 'it did not accept the WebSocket'))
      this.#socket.terminate()
    })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', (code) => {
      this.#ended = true
      this.#fail(new SourceFault(`${this.#host} closed the WebSocket (code ${code})`))
      opened.reject(this.#fault)
      this.#wake()
    })
    opened.promise.catch(() => {})
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** What came since the last time, until the socket is closed. @throws SourceFault if it was not closed on purpose */
  async *messages(): AsyncGenerator<Buffer[]> {
    const watch = setInterval(() => this.#watchSilence(), this.#silenceMsMax / 4)
    try {
      for (;;) {
        while (this.#waiting.length === 0 && !this.#ended) await this.#changed.promise
        if (this.#signal.aborted) return
        if (this.#waiting.length > 0) yield this.#take()
        else throw this.#fault
      }
    } finally {
      clearInterval(watch)
    }
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#abort)
    if (this.#ended) return
    this.#socket.close(1000)
    // The other side may not answer.
    await Promise.race([this.#changed.promise, sleep(GOODBYE_MS)])
    this.#socket.terminate()
  }

  readonly #abort = (): void => {
    this.#ended = true
    this.#socket.terminate()
    this.#wake()
  }

  #receive(data: RawData): void {
    this.#hear()
    const message = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
    this.#waiting.push(message)
    this.#waitingBytes += message.length
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#socket.pause()
    this.#wake()
  }

  #take(): Buffer[] {
    const taken = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    // While it stood still nothing could be heard.
    this.#hear()
    if (this.#socket.isPaused) this.#socket.resume()
    return taken
  }

  #hear(): void {
    this.#heardMs = performance.now()
  }

  /** A side that has nothing to say answers a ping. */
  #watchSilence(): void {
    const silentMs = performance.now() - this.#heardMs
    if (this.#socket.isPaused || this.#ended) return
    if (silentMs >= this.#silenceMsMax) {
      this.#fail(new SourceFault(`${this.#host} was silent for ${Math.round(silentMs)} ms, so it is connected anew`))
      this.#socket.terminate()
    } else if (silentMs >= this.#silenceMsMax / 2) this.#socket.ping()
  }

  #fail(error: Error): void {
    this.#fault ??=
      error instanceof SourceFault
        ? error
        : new SourceFault(`${this.#host}: ${this.#explained(error)}`, { cause: error })
  }

  #explained({ message }: Error): string {
    if (!/Max payload size exceeded/.test(message)) return message
    return `a message is longer than ${MESSAGE_LIMITS} times recordBytesMax, so the connection had to be closed; raise recordBytesMax`
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}
