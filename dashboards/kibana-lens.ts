/** Charts as Kibana's own: each is a Lens visualization that people can open and change. */
import type { Bucket, ChartPanel, Metric, Panel } from './panel.ts'

const LAYER = 'layer'
const RECORDS = '___records___'

export type Chart = Panel & ChartPanel

/** `attributes` of the saved object. */
export function lensAttributes(panel: Chart): object {
  const buckets = panel.by.map((_, index) => `b${index}`)
  const metrics = panel.show.map((_, index) => `m${index}`)
  const columns = Object.fromEntries([
    ...panel.by.map((bucket, index) => [buckets[index], bucketColumn(bucket)]),
    ...panel.show.map((metric, index) => [metrics[index], metricColumn(metric)]),
  ])
  const layer = {
    columns,
    columnOrder: [...buckets, ...metrics],
    incompleteColumns: {},
    ignoreGlobalFilters: false,
    sampling: 1,
  }
  return {
    title: panel.title,
    description: '',
    visualizationType: visualizationOf(panel),
    state: {
      visualization: visualization(panel, buckets, metrics),
      query: { language: 'kuery', query: kuery(panel.where) },
      filters: [],
      datasourceStates: { formBased: { layers: { [LAYER]: layer } } },
      internalReferences: [],
      adHocDataViews: {},
    },
  }
}

/** Name of the reference to the data view. */
export const LENS_REFERENCE = `indexpattern-datasource-layer-${LAYER}`

/** Kibana's query language; empty for everything. */
export function kuery(where: Panel['where']): string {
  return where === undefined ? '' : `${where.field} : ${JSON.stringify(where.value)}`
}

function bucketColumn(bucket: Bucket): object {
  switch (bucket.kind) {
    case 'terms':
      return {
        label: bucket.label,
        customLabel: true,
        dataType: bucket.type ?? 'string',
        operationType: 'terms',
        scale: 'ordinal',
        sourceField: bucket.field,
        isBucketed: true,
        params: {
          size: bucket.size,
          orderBy: { type: 'column', columnId: 'm0' },
          orderDirection: 'desc',
          otherBucket: false,
          missingBucket: false,
          parentFormat: { id: 'terms' },
          include: [],
          exclude: [],
          includeIsRegex: false,
          excludeIsRegex: false,
        },
      }
    case 'time':
      return {
        label: bucket.field,
        dataType: 'date',
        operationType: 'date_histogram',
        scale: 'interval',
        sourceField: bucket.field,
        isBucketed: true,
        params: { interval: 'auto', includeEmptyRows: true, dropPartials: false },
      }
    case 'values': {
      const filters = bucket.values.map((value) => ({
        label: value,
        input: { language: 'kuery', query: kuery({ field: bucket.field, value }) },
      }))
      return {
        label: bucket.field,
        dataType: 'string',
        operationType: 'filters',
        scale: 'ordinal',
        isBucketed: true,
        params: { filters },
      }
    }
  }
}

const OPERATIONS: Partial<Record<Metric['kind'], string>> = {
  sum: 'sum',
  min: 'min',
  max: 'max',
  count: 'count',
  distinct: 'unique_count',
}

/** @throws RangeError for what Lens cannot show */
function metricColumn({ kind, field, label }: Metric): object {
  if (OPERATIONS[kind] === undefined) throw new RangeError(`Lens has no '${kind}'`)
  return {
    label,
    customLabel: true,
    dataType: 'number',
    operationType: OPERATIONS[kind],
    scale: 'ratio',
    sourceField: field ?? RECORDS,
    isBucketed: false,
    params: { emptyAsNull: true },
  }
}

function visualizationOf({ shape }: Chart): string {
  if (shape === 'table') return 'lnsDatatable'
  if (shape === 'number') return 'lnsMetric'
  return shape === 'donut' ? 'lnsPie' : 'lnsXY'
}

function visualization(panel: Chart, buckets: readonly string[], metrics: readonly string[]): object {
  const own = { layerId: LAYER, layerType: 'data' }
  switch (panel.shape) {
    case 'table':
      return { ...own, columns: [...buckets, ...metrics].map((columnId) => ({ columnId, isTransposed: false })) }
    case 'number':
      return { ...own, metricAccessor: metrics[0] }
    case 'donut': {
      const display = { numberDisplay: 'percent', categoryDisplay: 'default', legendDisplay: 'default' }
      return { shape: 'donut', layers: [{ ...own, primaryGroups: buckets, metrics, ...display }] }
    }
    default:
      return xy(panel, buckets, metrics)
  }
}

const SERIES = { bars: 'bar', stacked: 'bar_stacked', ranking: 'bar_horizontal', lines: 'line' } as const

/** The innermost group is the axis; one outside of it splits the series. */
function xy(panel: Chart, buckets: readonly string[], metrics: readonly string[]): object {
  const seriesType = SERIES[panel.shape as keyof typeof SERIES]
  const split = buckets.length > 1 ? { splitAccessor: buckets[0] } : {}
  const layer = {
    layerId: LAYER,
    layerType: 'data',
    seriesType,
    accessors: metrics,
    xAccessor: buckets.at(-1),
    ...split,
  }
  return {
    legend: { isVisible: true, position: 'right' },
    valueLabels: 'hide',
    fittingFunction: 'None',
    preferredSeriesType: seriesType,
    layers: [layer],
  }
}
