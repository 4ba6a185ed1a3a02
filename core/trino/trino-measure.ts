/** What every kind of measure gives for Trino: aggregates, what of them travels, and DuckDB's SQL that makes states of it. */
import type { MeasureDefinition } from '../definition-parts.ts'

/** A value that travels. */
export interface Sent {
  /** Trino's SQL */
  readonly sql: string
  /** DuckDB's type */
  readonly type: string
}

export interface TrinoMeasureInput {
  readonly definition: MeasureDefinition
  /** DuckDB's stored types of the two expressions */
  readonly type: string
  readonly second: string
  /** Trino's SQL: columns of the prepared rows */
  readonly x: string
  readonly y: string
  readonly unnested: boolean
}

/** A column that is added to prepared rows. */
export interface TrinoColumn {
  /** quoted */
  readonly name: string
  readonly sql: string
}

export interface TrinoMeasure {
  /** columns that are added to prepared rows, step by step: each step may read those of the steps before it; default: none */
  readonly steps?: readonly (readonly TrinoColumn[])[]
  /** aggregates over prepared rows: `rows` travels, and what of it is a ROW is taken apart by `sent` */
  readonly aggregates: readonly string[]
  /** what travels, from the columns of the aggregates */
  readonly sent: (aggregates: readonly string[]) => readonly Sent[]
  /** DuckDB's SQL of the scalar states, from what has travelled */
  readonly states: (sent: readonly string[]) => readonly string[]
  readonly list: TrinoList | null
}

/** Elements of a list state, which travel in rows of their own: keys, then these columns, then for 'counted' how often. */
export interface TrinoList {
  readonly kind: 'distinct' | 'counted'
  /** over prepared rows that have a value */
  readonly sent: readonly Sent[]
  /** only so many of the smallest of a key are needed; null: all. Elements must then be comparable on Trino as in DuckDB */
  readonly keep: number | null
  /** DuckDB's SQL of the element, from what has travelled */
  readonly element: (sent: readonly string[]) => string
}

/** Why a measure cannot be computed on Trino, as a sentence. */
export interface RefusedMeasure {
  readonly refused: string
}
