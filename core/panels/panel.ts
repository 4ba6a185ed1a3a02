/** A panel with everything that its definition leaves out. The live page and the dashboards for Kibana are made of these. */
import type { PanelKind } from '../panel-definition.ts'

export interface Panel {
  /** unique within the dataset; the same as long as view, kind and title are */
  readonly id: string
  readonly section: string
  readonly title: string
  readonly kind: PanelKind
  /** view or series; null: raw events */
  readonly view: string | null
  readonly measures: readonly string[]
  readonly dimensions: readonly string[]
  /** as a query takes it, e.g. `-responses` */
  readonly order: string | null
  readonly limit: number | null
  readonly filter: Readonly<Record<string, readonly string[]>>
  /** of 12 columns */
  readonly width: number
}

/** All panels of a dataset. */
export interface Dashboard {
  /** whether they are derived from the views, because the definition names none */
  readonly derived: boolean
  readonly panels: readonly Panel[]
}
