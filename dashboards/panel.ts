/** What a panel of a dashboard shows, as data: the saved objects for Kibana and the queries that the tests run are both made of it. */

export interface Metric {
  readonly kind: 'sum' | 'max' | 'count' | 'distinct'
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

/** How rows are grouped; outer groups first. */
export type Bucket =
  | TermsBucket
  | { readonly kind: 'time'; readonly field: string }
  | { readonly kind: 'values'; readonly field: string; readonly values: readonly string[] }

export interface ChartPanel {
  readonly shape: 'bars' | 'stacked' | 'ranking' | 'lines' | 'donut' | 'table' | 'number'
  readonly by: readonly Bucket[]
}

export interface MapPanel {
  readonly shape: 'map'
  /** field with the position */
  readonly place: string
}

export type Panel = (ChartPanel | MapPanel) & {
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
