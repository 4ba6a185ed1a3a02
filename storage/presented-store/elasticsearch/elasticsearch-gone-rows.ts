/** Finds presented rows that are to be removed. */
import type { ElasticsearchConnection } from '#storage/elasticsearch/elasticsearch-connection.ts'
import type { GoneRows } from '../presented-store.ts'

/** of one answer of a search */
const IDS_MAX = 5_000
/** how long the server keeps what was found, from one answer to the next */
const KEPT_FOR = '2m'

interface Found {
  readonly _scroll_id: string
  readonly hits: { readonly hits: readonly { readonly _id: string }[] }
}

/** The ids of the rows that a search finds now, whatever is written meanwhile. */
export async function* idsOf(
  connection: Pick<ElasticsearchConnection, 'request'>,
  name: string,
  gone: GoneRows,
  doing: string,
): AsyncGenerator<readonly string[]> {
  const search = { query: goneQuery(gone), size: IDS_MAX, sort: ['_doc'], _source: false }
  let request = { path: `/${name}/_search`, query: { scroll: KEPT_FOR } as object, body: search as object }
  let scroll: string | null = null
  try {
    for (;;) {
      const { body } = await connection.request<Found>({
        doing,
        method: 'POST',
        ...request,
        query: { ...request.query },
      })
      scroll = body._scroll_id
      const { hits } = body.hits
      if (hits.length > 0) yield hits.map(({ _id }) => _id)
      if (hits.length < IDS_MAX) return
      request = { path: '/_search/scroll', query: {}, body: { scroll: KEPT_FOR, scroll_id: scroll } }
    }
  } finally {
    if (scroll !== null) await forget(connection, scroll, doing)
  }
}

/** What is not forgotten goes by itself. */
async function forget(
  connection: Pick<ElasticsearchConnection, 'request'>,
  scroll: string,
  doing: string,
): Promise<void> {
  const body = { scroll_id: scroll }
  await connection.request({ doing, method: 'DELETE', path: '/_search/scroll', body, accept: [404] }).catch(() => {})
}

/** A line of a bulk request. A row of a higher version stays; one of a lower version does not come after it. */
export function removalOperation(index: string, id: string, version: number): string {
  return `${JSON.stringify({ delete: { _index: index, _id: id, version, version_type: 'external_gte' } })}\n`
}

function goneQuery({ field, ranges }: GoneRows): object {
  const should = ranges.map(({ unless, ...range }) => ({
    bool: {
      filter: [rangeOf(field, range)],
      ...(unless && { must_not: [{ term: { [unless.field]: unless.is } }] }),
    },
  }))
  return { bool: { should, minimum_should_match: 1 } }
}

function rangeOf(field: string, { fromMs, beforeMs }: { readonly fromMs?: number; readonly beforeMs: number }): object {
  const iso = (ms: number): string => new Date(ms).toISOString()
  return { range: { [field]: { ...(fromMs !== undefined && { gte: iso(fromMs) }), lt: iso(beforeMs) } } }
}
