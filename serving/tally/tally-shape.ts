/**
 * What of a view a tally holds: panes, dimensions, and the measures whose states add up as whole numbers. All others are left to the
 * engine. A tally only ever says what the engine says, so a type is in here only where both compare and show its values alike.
 */
import type { CompiledMeasure, CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'

const WHOLE = /^(U?(TINYINT|SMALLINT|INTEGER)|BIGINT)$/
/** integers up to this are exact as doubles, and so are their sums as long as all magnitudes add up to no more */
export const NUMBER_MAX = Number.MAX_SAFE_INTEGER

export function isWholeType(type: string): boolean {
  return WHOLE.test(type)
}

/** Whether every value of the dimension that can be held has the same order, equality and JSON in both. */
function isHeldType(type: string): boolean {
  return type === 'VARCHAR' || type === 'BOOLEAN' || type === 'DOUBLE' || isWholeType(type)
}

/** A sum of doubles has a second column of state, and an integer in the first that is no sum. */
function isAdded({ kind, state, exactness }: CompiledMeasure): boolean {
  const [own, ...more] = state
  const isWhole = exactness.kind === 'exact' && more.length === 0 && /^(BIGINT|DECIMAL\(38,0\))$/.test(own!.type)
  return (kind === 'count' || kind === 'sum') && isWhole
}

export interface TallyShape {
  readonly dimensions: readonly SqlColumn[]
  /** measures that are held, in the order of their columns */
  readonly measures: readonly CompiledMeasure[]
  /** SELECT or RETURNING items over state rows: pane, dimensions as texts, measures as doubles (NaN: none) */
  readonly items: readonly string[]
}

/** null: nothing of the view can be held. */
export function tallyShape({ time, dimensions, measures }: CompiledView): TallyShape | null {
  const added = measures.filter(isAdded)
  if (added.length === 0 || !dimensions.every(({ type }) => isHeldType(type))) return null
  const text = ({ name, type }: SqlColumn): string =>
    type === 'VARCHAR' ? quoteName(name) : `to_json(${quoteName(name)})::VARCHAR`
  return {
    dimensions,
    measures: added,
    items: [
      `${time.kind === 'panes' ? 'pane' : '0'}::DOUBLE`,
      ...dimensions.map(text),
      ...added.map(({ state }) => `coalesce(${quoteName(state[0]!.name)}::DOUBLE, 'NaN'::DOUBLE)`),
    ],
  }
}
