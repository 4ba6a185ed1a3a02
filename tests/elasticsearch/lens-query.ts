/**
 * For tests: the search that a saved object stands for, read from the object alone, as Kibana does. It shares nothing with the code
 * that wrote the object.
 */

interface Column {
  readonly operationType: string
  readonly sourceField?: string
  readonly isBucketed: boolean
  readonly params?: {
    readonly size?: number
    readonly orderBy?: { readonly columnId: string }
    readonly orderDirection?: string
    readonly interval?: string
    readonly filters?: readonly { readonly label: string; readonly input: { readonly query: string } }[]
  }
}

interface LensAttributes {
  readonly state: {
    readonly query: { readonly query: string }
    readonly datasourceStates: {
      readonly formBased: {
        readonly layers: Readonly<
          Record<string, { readonly columns: Record<string, Column>; readonly columnOrder: string[] }>
        >
      }
    }
  }
}

interface MapLayer {
  readonly query?: { readonly query: string }
  readonly sourceDescriptor: {
    readonly type: string
    readonly geoField: string
    readonly metrics: readonly { readonly type: string; readonly field?: string }[]
  }
}

/** What stands for Kibana's choices by time range and zoom. */
export interface Chosen {
  readonly interval: string
  readonly precision: number
}

const AGGREGATIONS: Readonly<Record<string, string>> = {
  sum: 'sum',
  max: 'max',
  unique_count: 'cardinality',
  cardinality: 'cardinality',
}

export function lensQuery(attributes: object, chosen: Chosen): object {
  const { state } = attributes as LensAttributes
  const [layer, ...more] = Object.values(state.datasourceStates.formBased.layers)
  if (layer === undefined || more.length > 0) throw new Error('a chart has one layer')
  const columns = layer.columnOrder.map((id) => ({ id, column: layer.columns[id]! }))
  const metrics: Record<string, object> = {}
  for (const { id, column } of columns) {
    if (column.isBucketed) continue
    metrics[id] =
      column.operationType === 'count'
        ? counted()
        : { [AGGREGATIONS[column.operationType]!]: { field: column.sourceField } }
  }
  const buckets = columns.filter(({ column }) => column.isBucketed)
  let aggs: Record<string, object> = metrics
  for (const [index, { id, column }] of [...buckets.entries()].reverse()) {
    const inner = index === buckets.length - 1 ? metrics : Object.assign({}, aggs, metrics)
    aggs = { [id]: { ...bucket(column, layer.columns, chosen), aggs: inner } }
  }
  return { size: 0, query: kueryQuery(state.query.query), aggs }
}

export function mapQuery(attributes: object, chosen: Chosen): object {
  const { layerListJSON } = attributes as { layerListJSON: string }
  const layers = (JSON.parse(layerListJSON) as MapLayer[]).filter(
    ({ sourceDescriptor }) => sourceDescriptor.type === 'ES_GEO_GRID',
  )
  if (layers.length !== 1) throw new Error('a map has one layer of clusters')
  const { query, sourceDescriptor } = layers[0]!
  const metrics = sourceDescriptor.metrics.map(({ type, field }, index) => [
    `m${index}`,
    type === 'count' ? counted() : { [AGGREGATIONS[type]!]: { field } },
  ])
  const grid = {
    geotile_grid: { field: sourceDescriptor.geoField, precision: chosen.precision },
    aggs: Object.fromEntries(metrics),
  }
  return { size: 0, query: kueryQuery(query?.query ?? ''), aggs: { b0: grid } }
}

/** The search of a visualization by Vega, and the index that it searches. */
export function vegaQuery(attributes: object, { interval }: Chosen): { readonly index: string; readonly body: object } {
  const { visState } = attributes as { visState: string }
  const { params } = JSON.parse(visState) as { params: { spec: string } }
  const { data } = JSON.parse(params.spec) as { data: { url: { index: string; body: object } } }
  const body = JSON.stringify(data.url.body).replaceAll('{"%autointerval%":true}', JSON.stringify(interval))
  return { index: data.url.index, body: JSON.parse(body) as object }
}

function bucket(
  { operationType, sourceField, params }: Column,
  columns: Record<string, Column>,
  { interval }: Chosen,
): object {
  switch (operationType) {
    case 'terms': {
      const by = params!.orderBy!.columnId
      const order = { [columns[by]!.operationType === 'count' ? '_count' : by]: params!.orderDirection }
      return { terms: { field: sourceField, size: params!.size, order } }
    }
    case 'date_histogram':
      return {
        date_histogram: {
          field: sourceField,
          fixed_interval: params!.interval === 'auto' ? interval : params!.interval,
        },
      }
    case 'filters':
      return {
        filters: {
          filters: Object.fromEntries(params!.filters!.map(({ label, input }) => [label, kueryQuery(input.query)])),
        },
      }
    default:
      throw new Error(`no such group: ${operationType}`)
  }
}

function counted(): object {
  return { value_count: { field: '_index' } }
}

/** `field : "value"`, or nothing. */
function kueryQuery(text: string): object {
  if (text === '') return { match_all: {} }
  const [, field, value] = /^(\w+) : (".*")$/.exec(text)!
  return { term: { [field!]: JSON.parse(value!) as string } }
}
