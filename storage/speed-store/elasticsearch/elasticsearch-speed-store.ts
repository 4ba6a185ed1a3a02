/**
 * The speed store of a cluster: one Elasticsearch index per partition of the log (docs/decisions/0003-speed-store-on-elasticsearch.md).
 *
 *  1. A flush writes the partials (deterministic id, version = offset, a lower version never overwrites a higher one), waits until all
 *     are acknowledged, then moves the marker, then refreshes. The index refreshes at no other time of its own, and has one shard, so
 *     a search that finds a marker finds all that was written before it: rows are never older than their marker.
 *  2. Another owner's refresh can show a flush half way. A reader sees that by the rows' versions, reads again for a moment, and
 *     otherwise says so (`ahead`).
 *  3. Clean-up takes the markers first: a reader that finds no marker uses no row.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import { type BulkLimits, writeBulk } from '#storage/elasticsearch/bulk-writer.ts'
import {
  ElasticsearchConnection,
  type ElasticsearchConnectionOptions,
} from '#storage/elasticsearch/elasticsearch-connection.ts'
import { ElasticsearchError, isReason, reasonText } from '#storage/elasticsearch/elasticsearch-error.ts'
import type { Marker, OpenPartials, PaneRange, PartialRow, SpeedStore } from '../speed-store.ts'
import { markerOf, SpeedIndexNames } from './elasticsearch-speed-index.ts'
import { ElasticsearchSpeedMarker } from './elasticsearch-speed-marker.ts'
import { DEFAULT_SPEED_READ_LIMITS, pagesOf, readOpen, type SpeedReadLimits } from './elasticsearch-speed-reader.ts'
import { writePartials } from './elasticsearch-speed-writer.ts'

export interface ElasticsearchSpeedStoreOptions extends ElasticsearchConnectionOptions {
  /** begins every index's name; default watershed */
  readonly indexPrefix?: string
  readonly dataset: string
  /** EventLog.identity: partials of another log's offsets are never read */
  readonly log: string
  readonly replicas?: number
  readonly limits?: Partial<SpeedReadLimits & BulkLimits & { readonly settleTriesMax: number }>
  readonly step?: StepHook
  /** all tries of one request of `open` together; default: as of every other request */
  readonly openMsMax?: number
  /** told when partials of another log are found: they are left alone and not used */
  readonly onRebuilt?: (reason: string) => void
}

interface Place {
  readonly index: string
  readonly marker: ElasticsearchSpeedMarker
}

const SETTLE_TRIES_MAX = 8
const SETTLE_MS_FIRST = 10
const DELETE_ROWS_MAX = 5_000
const MARKERS_MAX = 100_000

export class ElasticsearchSpeedStore implements SpeedStore {
  readonly #connection: ElasticsearchConnection
  readonly #names: SpeedIndexNames
  readonly #options: ElasticsearchSpeedStoreOptions
  readonly #limits: SpeedReadLimits
  readonly #step: StepHook
  readonly #places = new Map<number, Promise<Place>>()

  /** Checks the server and puts the index template in place. @throws ElasticsearchError, RangeError for an unusable prefix */
  static async open(options: ElasticsearchSpeedStoreOptions): Promise<ElasticsearchSpeedStore> {
    const store = new ElasticsearchSpeedStore(options)
    try {
      await store.#prepare()
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  private constructor(options: ElasticsearchSpeedStoreOptions) {
    const { indexPrefix: prefix = 'watershed', dataset, log } = options
    this.#options = options
    this.#names = new SpeedIndexNames({ prefix, dataset, log })
    this.#limits = { ...DEFAULT_SPEED_READ_LIMITS, ...options.limits }
    this.#step = options.step ?? noSteps
    this.#connection = new ElasticsearchConnection(options)
  }

  /** @throws ElasticsearchError; 'replaced' when the index lost what was flushed before: fold the open segment again from its start */
  async flush(partials: readonly PartialRow[], marker: Marker): Promise<void> {
    await this.#step('flush:before')
    const { partition, through } = marker
    const doing = `flushing partition ${partition} through offset ${through}`
    try {
      const { index, marker: stored } = await this.#place(partition, doing)
      const { retry, limits } = this.#options
      await writePartials({ connection: this.#connection, index, doing, retry, limits }, partials)
      await stored.move(marker, doing)
      await this.#refresh(index, doing)
    } catch (error) {
      if (!isReason(error, 'missing') && !isReason(error, 'replaced')) throw error
      this.#places.delete(partition)
      if (isReason(error, 'replaced')) throw error
      const message = `${(error as Error).message}; the index was deleted meanwhile. The open segment is folded again from the log`
      throw new ElasticsearchError('replaced', message, null, error)
    }
    await this.#step('flush:written')
  }

  async read(views: readonly string[], starts: Positions, panes?: PaneRange): Promise<OpenPartials> {
    if (starts.size === 0) return { markers: new Map(), rows: new Map(views.map((view) => [view, []])) }
    const triesMax = this.#options.limits?.settleTriesMax ?? SETTLE_TRIES_MAX
    for (let attempt = 1; ; attempt++) {
      const open = await readOpen(this.#connection, this.#names.everyPartition, views, starts, this.#limits, panes)
      if (open.ahead?.size === 0 || attempt >= triesMax) return open
      await this.#connection.pause(SETTLE_MS_FIRST * 2 ** (attempt - 1), 'reading partials')
    }
  }

  async markers(): Promise<ReadonlyMap<number, Marker>> {
    const newest = new Map<number, Marker>()
    const limits = { ...this.#limits, readRowsMax: MARKERS_MAX }
    for await (const hits of pagesOf(
      this.#connection,
      this.#names.everyPartition,
      { term: { kind: 'marker' } },
      limits,
    )) {
      for (const { _source } of hits) {
        const marker = markerOf(_source)
        const other = newest.get(marker.partition)
        if (other === undefined || marker.segmentStart > other.segmentStart) newest.set(marker.partition, marker)
      }
    }
    return newest
  }

  /** Markers first: without its marker a segment's rows are not read. */
  async deleteClosed(partition: number, before: Offset, limit: number): Promise<number> {
    const doing = `deleting closed segments of partition ${partition}`
    const index = await this.#present(partition, doing)
    if (index === null) return 0
    let deleted = 0
    for (const kind of ['marker', 'partial']) {
      const left = Math.min(limit, DELETE_ROWS_MAX) - deleted
      if (left > 0) deleted += await this.#deleteSome(index, kind, before, left, doing)
    }
    return deleted
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #prepare(): Promise<void> {
    const { openMsMax } = this.#options
    const limits = openMsMax === undefined ? {} : { retryMsMax: openMsMax, requestMsMax: openMsMax }
    await this.#connection.checkVersion(limits)
    const { template, everyLog, owner } = this.#names
    await this.#connection.request({
      doing: 'putting the index template in place',
      method: 'PUT',
      path: `/_index_template/${template}`,
      body: this.#names.templateBody(this.#options.replicas ?? 1),
      ...limits,
    })
    const { body } = await this.#connection.request<Record<string, { mappings?: { _meta?: { log?: string } } }>>({
      doing: 'looking for partials of other logs',
      method: 'GET',
      path: `/${everyLog}/_mapping`,
      query: { expand_wildcards: 'open,hidden', ignore_unavailable: true, filter_path: '*.mappings._meta' },
      ...limits,
    })
    for (const [index, { mappings }] of Object.entries(body)) {
      const log = mappings?._meta?.log
      if (log === undefined || log === owner.log) continue
      this.#options.onRebuilt?.(
        `speed store at ${this.#connection.node}: index ${index} contains partials of log ${log}, but this log is ${owner.log}: they are ignored, and the open segments are folded again from this log. Delete the index if that log is no longer used`,
      )
    }
  }

  #place(partition: number, doing: string): Promise<Place> {
    const known = this.#places.get(partition)
    if (known !== undefined) return known
    const found = this.#findOrCreate(partition, doing)
    this.#places.set(partition, found)
    found.catch(() => this.#places.delete(partition))
    return found
  }

  async #findOrCreate(partition: number, doing: string): Promise<Place> {
    const index = (await this.#present(partition, doing)) ?? (await this.#create(partition, doing))
    return { index, marker: new ElasticsearchSpeedMarker(this.#connection, index) }
  }

  /** The partition's index by its own name; null when there is none. */
  async #present(partition: number, doing: string): Promise<string | null> {
    const { status, body } = await this.#connection.request<Record<string, unknown>>({
      doing,
      method: 'GET',
      path: `/_alias/${this.#names.alias(partition)}`,
      accept: [404],
    })
    return status === 404 ? null : (Object.keys(body)[0] ?? null)
  }

  /** Of several that create it, one succeeds; the others find that one. */
  async #create(partition: number, doing: string): Promise<string> {
    const index = this.#names.fresh(partition)
    const { status, body } = await this.#connection.request({
      doing,
      method: 'PUT',
      path: `/${index}`,
      body: this.#names.createBody(partition),
      accept: [400, 500],
    })
    if (status < 300) return index
    const other = await this.#present(partition, doing)
    if (other !== null) return other
    const reason = status >= 500 ? 'unavailable' : 'refused'
    throw new ElasticsearchError(
      reason,
      `Elasticsearch at ${this.#connection.node}: ${doing}: index ${index} cannot be created: ${reasonText(body)}`,
      status,
    )
  }

  async #refresh(index: string, doing: string): Promise<void> {
    const { body } = await this.#connection.request<{ _shards?: { failed?: number } }>({
      doing,
      method: 'POST',
      path: `/${index}/_refresh`,
    })
    if ((body._shards?.failed ?? 0) === 0) return
    throw new ElasticsearchError(
      'unavailable',
      `Elasticsearch at ${this.#connection.node}: ${doing}: index ${index} could not be refreshed`,
    )
  }

  async #deleteSome(index: string, kind: string, before: Offset, limit: number, doing: string): Promise<number> {
    const { body } = await this.#connection.request<{ hits?: { hits?: readonly { readonly _id: string }[] } }>({
      doing,
      method: 'POST',
      path: `/${index}/_search`,
      query: { filter_path: 'hits.hits._id', allow_partial_search_results: false },
      body: {
        query: { bool: { filter: [{ term: { kind } }, { range: { start: { lt: before } } }] } },
        size: limit,
        sort: ['_doc'],
        _source: false,
        track_total_hits: false,
      },
    })
    const ids = (body.hits?.hits ?? []).map(({ _id }) => _id)
    if (ids.length === 0) return 0
    // Those that were gone already count, too: a bulk whose answer was lost is sent again, and finds none of them.
    await writeBulk(this.#connection, {
      doing,
      index,
      operations: ids.map((id) => `{"delete":{"_id":${JSON.stringify(id)}}}\n`),
      describe: (at) => `the deletion of ${ids[at]}`,
      retry: this.#options.retry,
    })
    await this.#refresh(index, doing)
    return ids.length
  }
}
