/** What a panel of a dashboard shows, as data: the saved objects for Kibana and the queries that the tests run are both made of it. */

export interface Metric {
  /** first, last: of the rows in their order of time; bins: the lists of a histogram, added up place by place */
  readonly kind: 'sum' | 'min' | 'max' | 'count' | 'distinct' | 'first' | 'last' | 'bins'
  /** absent for count */
  readonly field?: string
  readonly label: string
}

/** Groups of equal values, ordered by the panel's first metric, largest first. */
export interface TermsBucket {
  readonly kind: 'terms'
  readonly field: string
  readonly size: number
  readonly label: string
  /** of the field in the index; default: a keyword */
  readonly type?: 'number' | 'boolean'
}

export interface TimeBucket {
  readonly kind: 'time'
  readonly field: string
  /** as Elasticsearch writes it, e.g. 1h. Default: what fits the time range */
  readonly interval?: string
}

/** How rows are grouped; outer groups first. */
export type Bucket =
  | TermsBucket
  | TimeBucket
  | { readonly kind: 'values'; readonly field: string; readonly values: readonly string[] }

export interface ChartPanel {
  readonly shape: 'bars' | 'stacked' | 'ranking' | 'lines' | 'donut' | 'table' | 'number'
  readonly by: readonly Bucket[]
}

/** What Lens cannot draw, and Vega can. */
export interface DrawnPanel {
  readonly shape: 'heat' | 'candles' | 'histogram'
  readonly by: readonly Bucket[]
  /** of a histogram: its bins by name */
  readonly bins?: readonly string[]
}

export interface MapPanel {
  readonly shape: 'map'
  /** field with the position */
  readonly place: string
}

export type Panel = (ChartPanel | DrawnPanel | MapPanel) & {
  /** stable, unique over all dashboards */
  readonly id: string
  readonly title: string
  /** the view whose presented index it reads */
  readonly view: string
  /** only rows with this value */
  readonly where?: { readonly field: string; readonly value: string }
  readonly show: readonly Metric[]
  /** of 48 columns */
  readonly width: number
  readonly height: number
}

export interface Dashboard {
  readonly id: string
  readonly title: string
  readonly description: string
  /** Kibana's words for the time range that it opens with, e.g. now-24h */
  readonly from: string
  readonly panels: readonly Panel[]
}

/** A presented index, and the field that the time range filters. */
export interface PresentedData {
  readonly view: string
  readonly title: string
  readonly time: string
}
