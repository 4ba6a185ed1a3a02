/** Panels of a dataset's dashboard: what a definition says of them. See docs/reference/definitions.md. */

/** How a panel shows its numbers. */
export const PANEL_KINDS = [
  'number',
  'lines',
  'stacked',
  'bars',
  'ranking',
  'table',
  'map',
  'points',
  'heat',
  'histogram',
  'funnel',
  'candles',
  'events',
] as const
export type PanelKind = (typeof PANEL_KINDS)[number]

export interface PanelDefinition<
  View extends string = string,
  Measure extends string = string,
  Dimension extends string = string,
> {
  readonly kind: PanelKind
  /** the view or series whose answer is shown; only `events`, which shows raw events, has none */
  readonly view?: View
  /** default: made of what is shown */
  readonly title?: string
  /** the heading that the panel and those after it are under; panels of one section stand together. Default: the label of the view */
  readonly section?: string
  /** the first one is shown at first; default: those that the kind can show */
  readonly measures?: readonly Measure[]
  /** what rows are grouped by; of `events` the columns that are shown. Default: what fits the kind */
  readonly dimensions?: readonly Dimension[]
  /** a measure or dimension; with a leading `-` descending. Default: by the first measure, the largest first */
  readonly order?: Measure | Dimension | `-${Measure | Dimension}`
  /** groups, lines or rows at most */
  readonly limit?: number
  /** dimension → the values that are shown */
  readonly filter?: { readonly [Name in Dimension]?: readonly string[] }
  /** of the 12 columns of a page */
  readonly width?: number
}
