/** What Lens cannot draw, as visualizations in Vega-Lite, which Kibana runs: the search is in them, and takes its filters and time range. */
import { kuery } from './kibana-lens.ts'
import type { DrawnPanel, Panel } from './panel.ts'
import { panelQuery } from './panel-query.ts'

export type Drawn = Panel & DrawnPanel

const SCHEMA = 'https://vega.github.io/schema/vega-lite/v5.json'
const UP = '#12805c'
const DOWN = '#c0392b'
/** Kibana puts in an interval that fits the time range */
const INTERVAL = { '%autointerval%': true } as const
const UTC_HOURS = 'utchours'
const UTC_DAY = 'utcday'

/** `attributes` of the saved object. @param index whose rows are searched */
export function vegaAttributes(panel: Drawn, index: string): object {
  const params = { spec: JSON.stringify(specOf(panel, index), null, 2) }
  return {
    title: panel.title,
    description: '',
    version: 1,
    visState: JSON.stringify({ title: panel.title, type: 'vega', params, aggs: [] }),
    uiStateJSON: '{}',
    kibanaSavedObjectMeta: {
      searchSourceJSON: JSON.stringify({ query: { query: kuery(panel.where), language: 'kuery' }, filter: [] }),
    },
  }
}

function specOf(panel: Drawn, index: string): object {
  const rows = (property: string): object => ({
    data: {
      url: { '%context%': true, '%timefield%': 'time', index, body: panelQuery(panel, INTERVAL) },
      format: { property },
    },
  })
  const own = { $schema: SCHEMA, autosize: { type: 'fit', contains: 'padding' } }
  switch (panel.shape) {
    case 'heat':
      return { ...own, ...rows('aggregations.b0.buckets'), ...heat(panel) }
    case 'histogram':
      return { ...own, ...rows('hits.hits'), ...histogram(panel) }
    case 'candles':
      return { ...own, ...rows('aggregations.b0.buckets'), ...candles(panel) }
  }
}

/** The hours of a range of time, added up to those of a week. */
function heat({ show }: Drawn): object {
  const value = { aggregate: 'sum', field: 'm0.value', type: 'quantitative', title: show[0]!.label }
  return {
    mark: { type: 'rect', tooltip: true },
    encoding: {
      x: { timeUnit: UTC_HOURS, field: 'key', type: 'ordinal', title: 'Hour, UTC' },
      y: { timeUnit: UTC_DAY, field: 'key', type: 'ordinal', title: null },
      color: { ...value, scale: { scheme: 'blues' } },
    },
  }
}

/** The lists of all rows, added up place by place. */
function histogram({ show, bins = [] }: Drawn): object {
  const [{ field, label }] = show as [(typeof show)[0]]
  const names = bins.map((_, at) => `bin${at}`)
  return {
    transform: [
      ...names.map((name, at) => ({ calculate: `datum._source[${JSON.stringify(field)}][${at}]`, as: name })),
      { fold: names, as: ['name', 'count'] },
      { calculate: `${JSON.stringify(bins)}[toNumber(slice(datum.name, 3))]`, as: 'bin' },
    ],
    mark: { type: 'bar', tooltip: true },
    encoding: {
      x: { field: 'bin', type: 'nominal', sort: bins, title: label, axis: { labelAngle: 0 } },
      y: { aggregate: 'sum', field: 'count', type: 'quantitative', title: null },
    },
  }
}

/** Of the key with most rows; a filter of the dashboard chooses another. */
function candles({ show, by }: Drawn): object {
  const value = (label: string): string => {
    const at = show.findIndex((metric) => metric.label === label)
    const { kind, field } = show[at]!
    const found = `datum.bar.m${at}`
    return kind === 'first' || kind === 'last'
      ? `${found}.hits.hits[0]._source[${JSON.stringify(field)}]`
      : `${found}.value`
  }
  const prices = ['open', 'high', 'low', 'close']
  const price = (field: string): object => ({ field, type: 'quantitative', title: null, scale: { zero: false } })
  const shown = prices.map((field) => ({ field, type: 'quantitative' }))
  return {
    transform: [
      { flatten: ['b1.buckets'], as: ['bar'] },
      { filter: 'datum.bar.doc_count > 0' },
      ...prices.map((name) => ({ calculate: value(name), as: name })),
      { calculate: 'datum.bar.key', as: 'time' },
    ],
    encoding: {
      x: { field: 'time', type: 'temporal', title: null },
      color: { condition: { test: 'datum.open <= datum.close', value: UP }, value: DOWN },
      tooltip: [
        { field: 'key', title: (by[0] as { readonly label: string }).label },
        { field: 'time', type: 'temporal' },
        ...shown,
      ],
    },
    layer: [
      { mark: 'rule', encoding: { y: price('low'), y2: { field: 'high' } } },
      { mark: { type: 'bar', size: 6 }, encoding: { y: price('open'), y2: { field: 'close' } } },
      {
        transform: [{ aggregate: [{ op: 'min', field: 'key', as: 'shown' }] }],
        mark: { type: 'text', align: 'left', dx: 6, dy: 12, fontWeight: 'bold' },
        encoding: {
          text: { field: 'shown' },
          x: { value: 0 },
          y: { value: 0 },
          color: { value: 'gray' },
          tooltip: null,
        },
      },
    ],
  }
}
