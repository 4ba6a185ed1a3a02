/**
 * A response that is asked for again and again (REST): page by page, then after a pause from where the newest poll began. Only what was not
 * there before is given: records that come again are recognised by their bytes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseJsonPath, valueAt } from '#core/json-path.ts'
import type { PollingDefinition } from '#core/source-definition.ts'
import { beginsArray, elementsOf } from '../json-elements.ts'
import type { EventSource, LongRecord, ReadOptions, SourceBatch, SourceCursor } from './event-source.ts'
import { SourceFault } from './event-source.ts'
import { first, HttpClient, type HttpResponse, type HttpTarget, httpFault, windowEndMs } from './http-client.ts'
import { RecentRecords } from './recent-records.ts'
import { inBatches } from './record-batches.ts'
import { valueIn } from './record-position.ts'
import { longRecord } from './stream-lines.ts'

export interface PollingParts extends Pick<PollingDefinition, 'records' | 'page' | 'resume'> {
  readonly target: HttpTarget
  readonly silenceMsMax: number
  readonly everyMs: number
}

/** one response */
export const RESPONSE_BYTES_MAX = 16 * 1024 * 1024
const RECORDS_MAX = 100_000
/** hashes of records that are kept to recognise them; a poll should give fewer */
const RECENT_POLLED_MAX = 5_000
/** statuses by which a page that was left some time ago may be refused: its token has expired */
const EXPIRED = [400, 404, 410, 422]
const NOT_MODIFIED = 304

interface Cursor {
  /** of the newest poll that is over: where the next one begins */
  readonly since: string | null
  /** of the poll that is under way: its next page; null: none is */
  readonly next: string | null
  /** what `since` becomes when it is over */
  readonly newest: string | null
  readonly etag: string | null
  readonly seen: string
}

const BEGINNING: Cursor = { since: null, next: null, newest: null, etag: null, seen: '' }

interface Page {
  readonly records: readonly (Buffer | LongRecord)[]
  /** without `seen` */
  readonly after: Omit<Cursor, 'seen'>
  /** until when nothing may be asked, in ms from now; null: no limit is known */
  readonly restMs: number | null
}

export class PollingSource implements EventSource {
  readonly resumption = 'exact'
  readonly #parts: PollingParts

  constructor(parts: PollingParts) {
    this.#parts = parts
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncIterable<SourceBatch> {
    const { target, silenceMsMax } = this.#parts
    const { signal, watch } = options
    const client = new HttpClient(target, silenceMsMax)
    let cursor = { ...BEGINNING, ...((from ?? {}) as Partial<Cursor>) }
    const recent = new RecentRecords(cursor.seen, RECENT_POLLED_MAX)
    try {
      while (!signal.aborted) {
        const page = await this.#ask(client, cursor, options)
        watch.connected()
        yield* given(page, cursor, recent, options.limits.batchRecordsMax)
        cursor = { ...page.after, seen: '' }
        await this.#rest(page, options)
      }
    } catch (error) {
      if (!signal.aborted) throw httpFault(error as Error, target.url.host)
    } finally {
      await client.close()
    }
  }

  /** After the last page until the next poll; between pages only if a limit is used up. */
  async #rest({ after, restMs }: Page, { signal, watch }: ReadOptions): Promise<void> {
    const ms = Math.max(after.next === null ? this.#parts.everyMs : 0, restMs ?? 0)
    if (ms === 0) return
    const until = new Date(Date.now() + ms).toISOString()
    watch.waiting(restMs === null ? `next poll at ${until}` : `the rate limit is used up until ${until}`)
    await sleep(ms, undefined, { signal }).catch(() => {})
  }

  async #ask(client: HttpClient, cursor: Cursor, { signal, limits }: ReadOptions): Promise<Page> {
    const { page, resume } = this.#parts
    const isFirst = cursor.next === null
    const conditional: Record<string, string> = isFirst && cursor.etag !== null ? { 'if-none-match': cursor.etag } : {}
    const response = await client.get({
      parameters: {
        ...(resume === undefined ? {} : { [resume.parameter]: cursor.since }),
        ...(page === undefined ? {} : { [page.parameter]: cursor.next }),
      },
      headers: { accept: 'application/json', ...conditional },
      accepted: [NOT_MODIFIED, ...(isFirst ? [] : EXPIRED)],
      signal,
    })
    const text = await textOf(response)
    const body = response.status === 200 ? parsed(text) : null
    const restMs = windowEndMs(response.headers)
    if (response.status === NOT_MODIFIED) return { records: [], after: cursor, restMs }
    // The poll begins anew; what was taken of it is recognised.
    if (response.status !== 200)
      return { records: [], after: { ...cursor, next: null, newest: null, etag: null }, restMs }
    return { records: this.#recordsIn(text, limits.recordBytesMax), after: this.#after(body, cursor, response), restMs }
  }

  #after(body: unknown, cursor: Cursor, { headers }: HttpResponse): Page['after'] {
    const { page, resume } = this.#parts
    const next = page === undefined ? null : textAt(body, page.from)
    const newest = cursor.newest ?? (resume === undefined ? null : textAt(body, resume.from))
    if (next !== null) return { ...cursor, next, newest }
    // The tag of a later page says nothing of the first one.
    const etag = cursor.next === null ? (first(headers.etag) ?? null) : null
    return { since: newest ?? cursor.since, next: null, newest: null, etag }
  }

  #recordsIn(text: Buffer, recordBytesMax: number): (Buffer | LongRecord)[] {
    const { records } = this.#parts
    const list = records === undefined ? text : valueIn(text, parseJsonPath(records)!.members)
    if (list === null) return []
    if (!beginsArray(list)) return records === undefined ? [list] : []
    const { starts, ends } = elementsOf(list, RECORDS_MAX)
    if (starts.length > RECORDS_MAX)
      throw new SourceFault(`a response has more than ${RECORDS_MAX} records; ask for smaller pages`)
    return starts.map((start, index) => {
      const record = list.subarray(start, ends[index])
      return record.length > recordBytesMax ? longRecord(record) : record
    })
  }
}

/** The new records of a page; the last batch goes on behind the page. */
function* given(page: Page, before: Cursor, recent: RecentRecords, recordsMax: number): Generator<SourceBatch> {
  const isNew = (record: Buffer | LongRecord): boolean =>
    recent.admit('', Buffer.isBuffer(record) ? record : record.first)
  for (const records of inBatches(page.records, recordsMax))
    yield { records: records.filter(isNew), cursor: withSeen(before, recent) }
  yield { records: [], cursor: withSeen(page.after, recent) }
}

function withSeen(cursor: Omit<Cursor, 'seen'>, recent: RecentRecords): SourceCursor {
  const seen = recent.snapshot()
  return {
    ...cursor,
    get seen() {
      return seen()
    },
  }
}

/** A text or number, as the text that a parameter has. */
function textAt(body: unknown, path: string): string | null {
  const value = valueAt(body, parseJsonPath(path)!)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

/** @throws SourceFault if it is too long */
async function textOf({ body }: HttpResponse): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > RESPONSE_BYTES_MAX)
      throw new SourceFault(`a response is longer than ${RESPONSE_BYTES_MAX} bytes; ask for smaller pages`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** @throws SourceFault if it is not JSON */
function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString())
  } catch (error) {
    throw new SourceFault(`the response is not valid JSON: ${(error as Error).message}`, { cause: error })
  }
}
