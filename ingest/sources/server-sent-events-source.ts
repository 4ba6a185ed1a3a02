/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): each event's data is a record, and reading goes on by Last-Event-ID. */
import { createParser, type EventSourceMessage, type EventSourceParser } from 'eventsource-parser'
import type { EventSource, LongRecord, ReadOptions, SourceBatch, SourceCursor } from './event-source.ts'
import { SourceFault } from './event-source.ts'
import { EventStreamText } from './event-stream-text.ts'
import { first, HttpClient, type HttpTarget, httpFault } from './http-client.ts'
import { RecentRecords } from './recent-records.ts'
import { inBatches } from './record-batches.ts'

export interface ServerSentEventsParts {
  readonly target: HttpTarget
  readonly silenceMsMax: number
  /** types of events to take; default: all */
  readonly events?: readonly string[]
}

/** retry: more than that is not waited for */
const RETRY_MS_MAX = 60_000

interface Cursor {
  readonly id: string
  readonly seen: string
}

export class ServerSentEventsSource implements EventSource {
  readonly #parts: ServerSentEventsParts
  #hasIds = false

  constructor(parts: ServerSentEventsParts) {
    this.#parts = parts
  }

  /** Known from the cursor, or when the first event has come: only events with ids can be resumed behind. */
  get resumption(): 'exact' | 'from-now' {
    return this.#hasIds ? 'exact' : 'from-now'
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncIterable<SourceBatch> {
    const { target, silenceMsMax, events } = this.#parts
    const { signal, limits, watch } = options
    const cursor = (from ?? { id: '', seen: '' }) as unknown as Cursor
    this.#hasIds ||= cursor.id !== ''
    const reading = new EventReading(cursor, events)
    const text = new EventStreamText(limits.recordBytesMax)
    const client = new HttpClient(target, silenceMsMax)
    try {
      const { body } = await client.get({ headers: headersOf(cursor), accepted: [204], signal }).then(assertEvents)
      watch.connected()
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const records = [...text.push(chunk)].flatMap((part) => reading.take(part))
        for (const own of inBatches(records, limits.batchRecordsMax)) yield this.#batch(own, reading)
      }
    } catch (error) {
      if (!signal.aborted) throw httpFault(error as Error, target.url.host)
    } finally {
      await client.close()
    }
    if (!signal.aborted) throw new SourceFault('the other side ended the stream', { retryAfterMs: reading.retryMs })
  }

  /** A cursor of its own for each batch: the id of its last event. */
  #batch(events: readonly TakenEvent[], reading: EventReading): SourceBatch {
    const { id } = events.at(-1)!
    this.#hasIds ||= id !== ''
    const records = events.filter((event) => reading.isNew(event)).map(({ record }) => record)
    return { records, ...(id === '' ? {} : { cursor: reading.cursor(id) }) }
  }
}

interface TakenEvent {
  readonly record: Buffer | LongRecord
  /** the newest id up to this event; '': none */
  readonly id: string
}

/** The events of one connection. */
class EventReading {
  readonly #parser: EventSourceParser
  readonly #recent: RecentRecords
  #taken: TakenEvent[] = []
  #id: string
  retryMs: number | null = null

  constructor({ id, seen }: Cursor, types: readonly string[] | undefined) {
    this.#id = id
    this.#recent = new RecentRecords(seen)
    this.#parser = createParser({
      // Also of a block without data, as some servers mark a place.
      onId: (id) => {
        this.#id = textOf(id)
      },
      onEvent: ({ event = 'message', data }: EventSourceMessage) => {
        if (types === undefined || types.includes(textOf(event)))
          this.#taken.push({ record: Buffer.from(data, 'latin1'), id: this.#id })
      },
      onRetry: (ms) => {
        this.retryMs = Math.min(ms, RETRY_MS_MAX)
      },
    })
  }

  cursor(id: string): SourceCursor {
    const seen = this.#recent.snapshot()
    return {
      id,
      get seen() {
        return seen()
      },
    }
  }

  take(part: Buffer | LongRecord): TakenEvent[] {
    // A character for each byte: whatever the format gives a meaning is ASCII, and data need not be decoded, nor encoded again.
    if (Buffer.isBuffer(part)) this.#parser.feed(part.toString('latin1'))
    else {
      this.#parser.reset({ consume: false })
      this.#taken.push({ record: part, id: this.#id })
    }
    const taken = this.#taken
    this.#taken = []
    return taken
  }

  /** An event with an id that comes again with the same data is the same event. */
  isNew({ record, id }: TakenEvent): boolean {
    if (id === '') return true
    return this.#recent.admit(id, Buffer.isBuffer(record) ? record : record.first)
  }
}

/** @param bytes a character for each byte */
function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** As a header has them: a character for each byte. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function headersOf({ id }: Cursor): Readonly<Record<string, string>> {
  return {
    accept: 'text/event-stream',
    'cache-control': 'no-store',
    ...(id === '' ? {} : { 'last-event-id': bytesOf(id) }),
  }
}

function assertEvents<Response extends { readonly status: number; readonly headers: Record<string, unknown> }>(
  response: Response,
): Response {
  if (response.status === 204)
    throw new SourceFault('the other side answered 204: it asks not to connect again', { isRefusal: true })
  const type = first(response.headers['content-type'] as string | undefined) ?? ''
  if (!type.startsWith('text/event-stream'))
    throw new SourceFault(`the response is '${type}', not a stream of events (text/event-stream)`, { isRefusal: true })
  return response
}
