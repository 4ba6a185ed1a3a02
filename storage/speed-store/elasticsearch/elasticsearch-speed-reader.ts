/** Reads markers and partials of open segments as of one point in time, page by page, all or nothing. */
import type { Positions } from '#core/offsets.ts'
import type { ElasticsearchConnection } from '#storage/elasticsearch/elasticsearch-connection.ts'
import { ElasticsearchError } from '#storage/elasticsearch/elasticsearch-error.ts'
import { OPEN_ROWS_BYTES_MAX, tooManyRows } from '../read-limit.ts'
import { damagedRow } from '../row-checksum.ts'
import type { Marker, OpenPartials, PaneRange } from '../speed-store.ts'
import { isIntact, markerOf, type SpeedDocument, segmentOf } from './elasticsearch-speed-index.ts'

export interface SpeedReadLimits {
  readonly pageRowsMax: number
  /** of one read, over all views and partitions */
  readonly readRowsMax: number
  readonly openRowsBytesMax: number
  /** all tries of one request together: who asks is waiting, and is better told than kept */
  readonly readMsMax: number
}

export const DEFAULT_SPEED_READ_LIMITS: SpeedReadLimits = {
  pageRowsMax: 2_000,
  readRowsMax: 2_000_000,
  openRowsBytesMax: OPEN_ROWS_BYTES_MAX,
  readMsMax: 10_000,
}
const KEEP_ALIVE = '1m'

export interface SpeedHit {
  readonly _version: number
  readonly _source: SpeedDocument & { readonly view?: string }
  readonly sort: readonly unknown[]
}

interface SearchAnswer {
  readonly pit_id?: string
  readonly timed_out?: boolean
  readonly _shards?: { readonly failed?: number }
  readonly hits?: { readonly hits?: readonly SpeedHit[] }
}

/** Everything that `query` finds in the indices, as of one point in time. Indices that are not there count as empty. */
export async function* pagesOf(
  connection: ElasticsearchConnection,
  indices: string,
  query: object,
  limits: SpeedReadLimits,
): AsyncGenerator<readonly SpeedHit[]> {
  const doing = 'reading partials'
  const patience = { retryMsMax: limits.readMsMax, requestMsMax: limits.readMsMax }
  const opened = await connection.request<{ id: string }>({
    ...patience,
    doing,
    method: 'POST',
    path: `/${indices}/_pit`,
    query: { keep_alive: KEEP_ALIVE, ignore_unavailable: true, expand_wildcards: 'open,hidden' },
  })
  let id = opened.body.id
  let after: readonly unknown[] | undefined
  try {
    for (;;) {
      const { body } = await connection.request<SearchAnswer>({
        ...patience,
        doing,
        method: 'POST',
        path: '/_search',
        query: {
          allow_partial_search_results: false,
          filter_path: 'pit_id,timed_out,_shards.failed,hits.hits._version,hits.hits._source,hits.hits.sort',
        },
        body: {
          pit: { id, keep_alive: KEEP_ALIVE },
          query,
          size: limits.pageRowsMax,
          sort: ['_shard_doc'],
          version: true,
          track_total_hits: false,
          ...(after === undefined ? {} : { search_after: after }),
        },
      })
      if (body.timed_out === true || (body._shards?.failed ?? 0) > 0)
        throw new ElasticsearchError(
          'unavailable',
          `Elasticsearch at ${connection.node}: ${doing}: a shard of the index did not respond`,
        )
      id = body.pit_id ?? id
      const hits = body.hits?.hits ?? []
      for (const { _source } of hits) if (!isIntact(_source)) throw damaged(connection, _source)
      if (hits.length > 0) yield hits
      if (hits.length < limits.pageRowsMax) return
      after = hits.at(-1)!.sort
    }
  } finally {
    // It would end by itself: nobody waits for this, and what fails here must not hide what failed before.
    connection
      .request({ ...patience, doing, method: 'DELETE', path: '/_pit', body: { id }, accept: [404], retryMsMax: 0 })
      .catch(() => {})
  }
}

/**
 * Markers and rows of the segments at `starts`. `ahead` names the partitions of which a flush was half written when it was read:
 * some rows count events up to that offset, behind the marker.
 */
export async function readOpen(
  connection: ElasticsearchConnection,
  indices: string,
  views: readonly string[],
  starts: Positions,
  limits: SpeedReadLimits,
  panes: PaneRange = {},
): Promise<OpenPartials> {
  const partitions = new Map([...starts].map(([partition, start]) => [segmentOf(partition, start), partition]))
  const rowsWanted = { bool: { filter: [{ terms: { view: [...views] } }, ...paneFilter(panes)] } }
  const wanted = anyOf({ term: { kind: 'marker' } }, rowsWanted)
  const query = { bool: { filter: [{ terms: { segment: [...partitions.keys()] } }, wanted] } }
  const markers = new Map<number, Marker>()
  const found = new Map<string, SpeedHit[]>()
  let [rows, bytes] = [0, 0]
  for await (const hits of pagesOf(connection, indices, query, limits)) {
    rows += hits.length
    if (rows > limits.readRowsMax) throw tooMany(connection, limits)
    for (const hit of hits) {
      const { kind, segment, row } = hit._source
      bytes += row?.length ?? 0
      if (bytes > limits.openRowsBytesMax) {
        const message = tooManyRows(`Elasticsearch at ${connection.node}`, limits.openRowsBytesMax)
        throw new ElasticsearchError('too-large', message)
      }
      if (kind === 'marker') markers.set(partitions.get(segment)!, markerOf(hit._source))
      else (found.get(segment) ?? found.set(segment, []).get(segment)!).push(hit)
    }
  }
  return assemble(views, markers, found)
}

function paneFilter({ fromMs: gte, beforeMs: lt }: PaneRange): object[] {
  if (gte === undefined && lt === undefined) return []
  return [anyOf({ range: { pane: { gte, lt } } }, { bool: { must_not: [{ exists: { field: 'pane' } }] } })]
}

function anyOf(...should: readonly object[]): object {
  return { bool: { should, minimum_should_match: 1 } }
}

function damaged({ node }: ElasticsearchConnection, { segment }: SpeedDocument): ElasticsearchError {
  const partition = Number(String(segment).split(':')[0])
  return new ElasticsearchError('damaged', damagedRow(`Elasticsearch at ${node}: reading partials`, partition))
}

function assemble(
  views: readonly string[],
  markers: ReadonlyMap<number, Marker>,
  found: ReadonlyMap<string, readonly SpeedHit[]>,
): OpenPartials {
  const rows = new Map<string, string[]>(views.map((view) => [view, []]))
  const ahead = new Map<number, number>()
  for (const { partition, segmentStart, through } of markers.values()) {
    for (const { _version, _source } of found.get(segmentOf(partition, segmentStart)) ?? []) {
      rows.get(_source.view!)!.push(_source.row)
      if (_version > through) ahead.set(partition, Math.max(_version, ahead.get(partition) ?? 0))
    }
  }
  return { markers, rows, ahead }
}

function tooMany({ node }: ElasticsearchConnection, { readRowsMax }: SpeedReadLimits): ElasticsearchError {
  const message = `Elasticsearch at ${node}: reading partials: the open segments hold more than readRowsMax = ${readRowsMax} rows; close segments sooner (segmentRecordsMax)`
  return new ElasticsearchError('too-large', message)
}
