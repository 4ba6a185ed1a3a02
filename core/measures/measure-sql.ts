/** What every kind of measure gives: its state, and the SQL that makes, merges and presents it. Only states cross the boundary. */
import type { Exactness, Invertible, SqlColumn } from '../compiled.ts'
import type { MeasureDefinition } from '../definition.ts'

export interface MeasureInput {
  readonly definition: MeasureDefinition
  /** type of the expression */
  readonly type: string
  /** type of the second expression, a ratio's denominator */
  readonly second: string
  /** prepared columns: the value and the second value */
  readonly x: string
  readonly y: string
  /** name of a state column */
  readonly s: (part: string) => string
  /** one event may give several rows */
  readonly unnested: boolean
}

/**
 * SQL over columns named x (value), y (second value), _partition, _offset, _order; a recount's has _at, the event time, instead of _order.
 *
 * Scalar states are plain aggregates. List states (distinct hashes, quantile buckets) are made by a query of their own that
 * explodes, deduplicates or adds, and collects again; the view joins it to the rest by its keys. A measure has one at most.
 */
export interface MeasureSql {
  /** scalar states first; a list state comes last */
  readonly state: readonly SqlColumn[]
  readonly type: string
  readonly exactness: Exactness
  readonly invertible: Invertible
  /** columns that are added to prepared rows for `partial`, step by step: each step may read those of the steps before it; default: none */
  readonly steps?: readonly (readonly PreparedColumn[])[]
  /** one aggregate per scalar state, over prepared rows */
  readonly partial: readonly string[]
  /** the same states, of few rows: planned sooner, and slower by the row; default: `partial` */
  readonly partialOfFew?: readonly string[]
  /** 'newest': the state is that of the row with the greatest _order among those that have a value; rows before it change nothing */
  readonly keeps?: 'newest'
  /** one aggregate per scalar state, over state rows */
  readonly merge: readonly string[]
  readonly list: ListState | null
  readonly present: string
  /** BOOLEAN: whether the presented value is an estimate; null where it never is */
  readonly estimated: string | null
  readonly recount: string
  /** how far the recounted value may be from the exact one, over prepared rows; null where the exactness says it */
  readonly within: string | null
}

export interface PreparedColumn {
  /** quoted */
  readonly name: string
  readonly sql: string
}

export interface ListState {
  /** element of one prepared row */
  readonly element: string
  /** 'distinct': a set of elements; 'counted': elements with how often */
  readonly kind: 'distinct' | 'counted'
  /** keeps only this many of the smallest; null keeps all */
  readonly keep: number | null
}

/** Of a measure whose states are plain aggregates, and whose value is never an estimate. */
export const SCALAR = { list: null, estimated: null, within: null } as const

/** Of exact sums, converted to doubles and divided. */
export const QUOTIENT: Exactness = { kind: 'float', relativeError: 1e-15, of: 'value' }
