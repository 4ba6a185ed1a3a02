/** A panel as data: what a definition names, or what is derived from a view. */

export type Shape =
  | 'lines'
  | 'stacked'
  | 'bars'
  | 'ranking'
  | 'donut'
  | 'table'
  | 'number'
  | 'map'
  | 'points'
  | 'candles'
  | 'heat'
  | 'histogram'
  | 'funnel'

export interface Panel {
  /** unique on the page; choices are kept in the address under it */
  readonly id: string
  readonly title: string
  readonly shape: Shape
  /** a view or a series */
  readonly view: string
  /** the first one is shown at first */
  readonly show: readonly string[]
  /** dimensions */
  readonly by: readonly string[]
  /** groups at most */
  readonly top?: number
  /** of 12 columns */
  readonly span?: number
}
