/** The search that a panel stands for, over all time. */
import type { Bucket, Metric, Panel } from './panel.ts'

/** Stands for Kibana's automatic interval, which depends on the time range that is looked at. */
export const TEST_INTERVAL = '1m'
/** rows that a histogram is made of: as many as one search returns */
const ROWS_MAX = 10_000
/** Stands for Kibana's automatic precision, which depends on the zoom. */
export const TEST_PRECISION = 4

export interface SearchBody {
  readonly size: number
  readonly query: object
  readonly aggs?: object
}

/**
 * Groups are named b0, b1, … from the outside in, metrics m0, m1, …
 * @param interval of buckets of time that name none
 */
export function panelQuery(panel: Panel, interval: unknown = TEST_INTERVAL): SearchBody {
  const query = panel.where === undefined ? { match_all: {} } : { term: { [panel.where.field]: panel.where.value } }
  const [first] = panel.show
  if (first!.kind === 'bins') return { size: ROWS_MAX, query, ...{ sort: [{ time: 'desc' }], _source: [first!.field] } }
  const metrics = Object.fromEntries(panel.show.map((metric, index) => [`m${index}`, metricAgg(metric, panel)]))
  if (panel.shape === 'map') {
    const grid = { geotile_grid: { field: panel.place, precision: TEST_PRECISION }, aggs: metrics }
    return { size: 0, query, aggs: { b0: grid } }
  }
  const order = ['count', 'first'].includes(first!.kind) ? '_count' : 'm0'
  return { size: 0, query, aggs: grouped(panel.by, metrics, { order, interval }) }
}

interface Chosen {
  readonly order: string
  readonly interval: unknown
}

/** The metrics are needed in every depth: outer groups are ordered by them, too. */
function grouped(by: readonly Bucket[], metrics: Readonly<Record<string, object>>, chosen: Chosen, depth = 0): object {
  const [bucket, ...rest] = by
  if (bucket === undefined) return metrics
  const inner = rest.length === 0 ? metrics : { ...grouped(rest, metrics, chosen, depth + 1), ...metrics }
  return { [`b${depth}`]: { ...bucketAgg(bucket, chosen), aggs: inner } }
}

function metricAgg({ kind, field }: Metric, { view }: Panel): object {
  if (kind === 'count') return { value_count: { field: '_index' } }
  if (field === undefined) throw new RangeError(`a metric of view ${view} names no field`)
  if (kind === 'first' || kind === 'last')
    return { top_hits: { size: 1, sort: [{ time: kind === 'first' ? 'asc' : 'desc' }], _source: [field] } }
  return kind === 'distinct' ? { cardinality: { field } } : { [kind]: { field } }
}

function bucketAgg(bucket: Bucket, { order, interval }: Chosen): object {
  switch (bucket.kind) {
    case 'terms':
      return { terms: { field: bucket.field, size: bucket.size, order: { [order]: 'desc' } } }
    case 'time':
      return { date_histogram: { field: bucket.field, fixed_interval: bucket.interval ?? interval } }
    case 'values':
      return {
        filters: {
          filters: Object.fromEntries(bucket.values.map((value) => [value, { term: { [bucket.field]: value } }])),
        },
      }
  }
}
