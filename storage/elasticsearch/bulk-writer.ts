/**
 * Many small writes in few requests, bounded by bytes, documents and requests in flight. An operation counts as done only when the
 * server said so: 429 and 5xx are tried again with jitter, a version conflict means that a newer value is there already (or was, and is deleted: the caller is told which), anything
 * else fails the whole call with the server's reason. Operations carry their own ids and versions, so a request whose answer was
 * lost is sent again as it was.
 *
 * The lines are made by the caller as text, whose bytes are put together where they are sent from, and of the answer only what is needed is asked for: that takes about
 * half of the processor time of having each document serialised and described.
 */
import { Backoff, type RetryLimits } from '#core/backoff.ts'
import { ELASTICSEARCH_RETRY_LIMITS, type ElasticsearchConnection } from './elasticsearch-connection.ts'
import { detailText, ElasticsearchError, type FaultDetail } from './elasticsearch-error.ts'

export interface BulkLimits {
  /** of one request; an operation that is larger goes alone */
  readonly bulkBytesMax: number
  readonly bulkOperationsMax: number
  readonly bulksInFlightMax: number
}

export const DEFAULT_BULK_LIMITS: BulkLimits = {
  bulkBytesMax: 4 * 1024 * 1024,
  bulkOperationsMax: 2_500,
  bulksInFlightMax: 4,
}

export interface BulkWrite {
  /** for messages */
  readonly doing: string
  /** the index that operations without `_index` go to */
  readonly index: string
  /**
   * The action's line and, unless it deletes, the document's, each ended by a newline. Taken one after the other as requests have room:
   * where they are made on the way, that happens while the server is at work.
   */
  readonly operations: Iterable<string>
  /** names an operation in messages, e.g. 'key ["us"] of view 12ab' */
  readonly describe: (index: number) => string
  /** told of each operation that the server refuses for good, with its reason; without it the first one fails the call */
  readonly onRefused?: (message: string, index: number) => void
  readonly limits?: Partial<BulkLimits>
  readonly retry?: Partial<RetryLimits>
}

export interface BulkTally {
  /** written or deleted */
  readonly done: number
  /** positions of the operations whose version was lower than the one that the server remembers for their id */
  readonly superseded: readonly number[]
  /** to be deleted, but not there */
  readonly absent: number
}

interface Tally {
  done: number
  readonly superseded: number[]
  absent: number
}

interface ItemAnswer {
  readonly status: number
  readonly error?: FaultDetail
}

interface BulkAnswer {
  readonly errors: boolean
  readonly items: readonly Readonly<Record<string, ItemAnswer>>[]
}

const FILTER = 'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason'

/** Resolves when every operation is done. @throws ElasticsearchError 'missing' for an absent index, 'refused' with the reason, 'unavailable' */
export async function writeBulk(connection: ElasticsearchConnection, write: BulkWrite): Promise<BulkTally> {
  const limits = { ...DEFAULT_BULK_LIMITS, ...write.limits }
  const tally: Tally = { done: 0, superseded: [], absent: 0 }
  const batches = cut(write.operations, limits)
  const sendAll = async (): Promise<void> => {
    for (let next = batches.next(); !next.done; next = batches.next())
      await sendBatch(connection, write, next.value, tally)
  }
  const workers = await Promise.allSettled(Array.from({ length: limits.bulksInFlightMax }, sendAll))
  const failed = workers.find((worker) => worker.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return tally
}

interface Batch {
  /** position of its first operation among all */
  readonly first: number
  readonly lines: Buffer
  /** of operation i: its end in `lines` */
  readonly ends: readonly number[]
}

/** Where a request's lines are put together: each text is gone as soon as its bytes are there. */
class BatchLines {
  readonly #ends: number[] = []
  #bytes: Buffer
  #at = 0

  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafe(room)
  }

  get count(): number {
    return this.#ends.length
  }
  get bytes(): number {
    return this.#at
  }

  add(text: string): void {
    // No UTF-16 unit takes more than three bytes.
    if (this.#at + text.length * 3 > this.#bytes.length) {
      const need = this.#at + Buffer.byteLength(text)
      if (need > this.#bytes.length) this.#grow(need)
    }
    this.#at += this.#bytes.write(text, this.#at, 'utf8')
    this.#ends.push(this.#at)
  }

  /** Takes the last operation back. */
  drop(): void {
    this.#ends.pop()
    this.#at = this.#ends.at(-1) ?? 0
  }

  /** @param first position of the first operation among all */
  batch(first: number): Batch {
    return { first, lines: this.#bytes.subarray(0, this.#at), ends: this.#ends }
  }

  #grow(need: number): void {
    const larger = Buffer.allocUnsafe(Math.max(need, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

const ROOM_BYTES = 512 * 1024

/** The operations of one request after the other. */
function* cut(operations: Iterable<string>, limits: BulkLimits): Generator<Batch, undefined> {
  let first = 0
  let lines = new BatchLines(ROOM_BYTES)
  const next = (): Batch => {
    const batch = lines.batch(first)
    first += lines.count
    lines = new BatchLines(Math.max(ROOM_BYTES, Math.min(Math.ceil(lines.bytes * 1.25), limits.bulkBytesMax)))
    return batch
  }
  for (const text of operations) {
    if (lines.count >= limits.bulkOperationsMax) yield next()
    lines.add(text)
    if (lines.bytes <= limits.bulkBytesMax || lines.count === 1) continue
    lines.drop()
    yield next()
    lines.add(text)
  }
  if (lines.count > 0) yield lines.batch(first)
}

async function sendBatch(
  connection: ElasticsearchConnection,
  write: BulkWrite,
  { first, lines, ends }: Batch,
  tally: Tally,
): Promise<void> {
  const retry = { ...ELASTICSEARCH_RETRY_LIMITS, ...write.retry }
  const tries = new Backoff(retry)
  let left: readonly number[] = [...ends.keys()]
  while (left.length > 0) {
    const { doing, index } = write
    const answer = await connection.request<BulkAnswer>({
      doing,
      method: 'POST',
      path: `/${encodeURIComponent(index)}/_bulk`,
      query: { filter_path: FILTER },
      lines:
        left.length === ends.length
          ? lines
          : Buffer.concat(left.map((at) => lines.subarray(ends[at - 1] ?? 0, ends[at]))),
      ...(write.retry?.retryMsMax === undefined ? {} : { retryMsMax: write.retry.retryMsMax }),
    })
    left = settle(connection, write, first, left, answer.body, tally)
    if (left.length === 0) return
    const waitMs = tries.nextMs()
    if (waitMs === null) {
      const message = `Elasticsearch at ${connection.node}: ${doing}: ${left.length} of ${ends.length} operations are still rejected as busy after ${retry.retryMsMax} ms`
      throw new ElasticsearchError('unavailable', message, 429)
    }
    await connection.pause(waitMs, doing)
  }
}

/** Counts what is done; gives back what must be sent again, as positions within the batch. */
function settle(
  connection: ElasticsearchConnection,
  write: BulkWrite,
  first: number,
  sent: readonly number[],
  answer: BulkAnswer,
  tally: Tally,
): number[] {
  if (answer.items?.length !== sent.length) {
    const message = `Elasticsearch at ${connection.node}: ${write.doing}: ${sent.length} operations were sent, but the response covers ${answer.items?.length ?? 0}`
    throw new ElasticsearchError('unavailable', message)
  }
  const again: number[] = []
  for (const [position, item] of answer.items.entries()) {
    const { status, error } = Object.values(item)[0]!
    const within = sent[position]!
    const at = first + within
    if (status < 300) tally.done++
    else if (status === 409) tally.superseded.push(at)
    else if (status === 404 && error === undefined) tally.absent++
    else if (status === 429 || status >= 500) again.push(within)
    else giveUp(refused(connection, write, at, status, error), write, at)
  }
  return again
}

function giveUp(error: ElasticsearchError, { onRefused }: BulkWrite, at: number): void {
  if (onRefused === undefined || error.reason === 'missing') throw error
  onRefused(error.message, at)
}

function refused(
  { node }: ElasticsearchConnection,
  { doing, index, describe }: BulkWrite,
  at: number,
  status: number,
  error: ItemAnswer['error'],
): ElasticsearchError {
  const reason = detailText(error ?? {})
  const kind = error?.type === 'index_not_found_exception' ? 'missing' : 'refused'
  if (kind === 'missing')
    return new ElasticsearchError(kind, `Elasticsearch at ${node}: ${doing}: index ${index} no longer exists`, status)
  const message = `Elasticsearch at ${node}: ${doing}: index ${index} refuses ${describe(at)} (${status}, ${reason})`
  return new ElasticsearchError(kind, message, status)
}
