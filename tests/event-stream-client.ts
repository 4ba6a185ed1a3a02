/** For tests: a client of a live stream, which applies what it gets. */
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { type AnswerChange, applyChange } from '#core/answer-changes.ts'
import { until } from './until.ts'

export type LiveRow = Readonly<Record<string, unknown>>
export type LiveMeta = Readonly<Record<string, unknown>> & { readonly position: readonly number[] }

export interface ReceivedEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
  /** what the client has after it */
  readonly rows: readonly LiveRow[]
  readonly meta: LiveMeta | null
}

export class StreamClient {
  readonly events: ReceivedEvent[] = []
  readonly retries: number[] = []
  readonly response: Response
  readonly #gone: AbortController
  readonly #parseRow: (text: string) => unknown
  #rows: readonly LiveRow[] = []
  #meta: LiveMeta | null = null
  readonly #end = Promise.withResolvers<void>()
  isOver = false

  private constructor(response: Response, gone: AbortController, begin: Begin) {
    this.response = response
    this.#gone = gone
    this.#rows = begin.rows ?? []
    this.#parseRow = begin.parseRow ?? JSON.parse
    this.#meta = begin.meta ?? null
  }

  /** @param begin what the client has from before, whose id it sends */
  static async open(url: string, headers: Record<string, string> = {}, begin: Begin = {}): Promise<StreamClient> {
    const gone = new AbortController()
    const id = begin.lastId === undefined ? {} : { 'last-event-id': begin.lastId }
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream', ...id, ...headers },
      signal: gone.signal,
    })
    const client = new StreamClient(response, gone, begin)
    if (response.ok) void client.#read()
    else client.#over()
    return client
  }

  /** Resolves when nothing more comes. */
  get over(): Promise<void> {
    return this.#end.promise
  }

  get rows(): readonly LiveRow[] {
    return this.#rows
  }

  get meta(): LiveMeta | null {
    return this.#meta
  }

  get lastId(): string | undefined {
    return this.events.findLast(({ id }) => id !== undefined)?.id
  }

  /** Waits for an event that the test accepts. */
  next(what: string, accepts: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent> {
    const said = (): string => JSON.stringify(this.events.slice(-3))
    return until(what, () => this.events.find(accepts) ?? null, {
      withinMs: 20_000,
      everyMs: 5,
      said,
      futile: () => this.isOver,
    })
  }

  close(): void {
    this.#gone.abort()
  }

  #over(): void {
    this.isOver = true
    this.#end.resolve()
  }

  async #read(): Promise<void> {
    const parser = new EventSourceParserStream({ onRetry: (ms: number) => this.retries.push(ms) })
    try {
      const body = this.response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(parser)
      for await (const { event = 'message', id, data } of body) this.#take(event, id, data)
    } catch {
      // The connection broke, or the test closed it.
    } finally {
      this.#over()
    }
  }

  #take(event: string, id: string | undefined, text: string): void {
    const data: unknown = { ...(this.#parseRow(text) as object), meta: (JSON.parse(text) as { meta?: unknown }).meta }
    if (event === 'answer') {
      const answer = data as { readonly data: readonly LiveRow[]; readonly meta: LiveMeta }
      this.#rows = answer.data
      this.#meta = answer.meta
    } else if (event === 'change') {
      const { meta, ...change } = data as AnswerChange<LiveRow> & { readonly meta: LiveMeta }
      this.#rows = applyChange(this.#rows, change)
      this.#meta = { ...this.#meta, ...meta }
    }
    this.events.push({ event, id, data, rows: this.#rows, meta: this.#meta })
  }
}

interface Begin {
  /** of rows; default: JSON.parse */
  readonly parseRow?: (text: string) => unknown
  readonly lastId?: string
  readonly rows?: readonly LiveRow[]
  readonly meta?: LiveMeta | null
}
