/**
 * What of a view a tally holds: panes, dimensions and measures. All others are left to the engine. A tally only ever says what the engine
 * says, so a type is in here only where both compare and show its values alike.
 */
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { type HeldColumn, type HeldMeasure, heldMeasure, isWholeType } from './held-measures.ts'
import type { TallyColumns, TallyField } from './tally-fields.ts'

/** Whether every value of the dimension that can be held has the same order, equality and JSON in both. */
function isHeldType(type: string): boolean {
  return type === 'VARCHAR' || type === 'BOOLEAN' || type === 'DOUBLE' || isWholeType(type)
}

/** A measure with the places of what it is made of. */
export interface PlacedMeasure extends HeldMeasure {
  readonly places: readonly TallyField[]
  /** place of the column whose texts are numbered; null: there is none */
  readonly text: number | null
  /** the same of sets */
  readonly set: number | null
}

export interface TallyShape {
  readonly dimensions: readonly SqlColumn[]
  readonly measures: readonly PlacedMeasure[]
  /** of all measures, each once */
  readonly fields: readonly TallyField[]
  readonly columns: readonly HeldColumn[]
  /** SELECT or RETURNING items over state rows: pane, dimensions as texts, columns */
  readonly items: readonly string[]
}

/** Names of all measures that a tally of the view can hold. */
export function heldNames(view: CompiledView): ReadonlySet<string> {
  return new Set(view.measures.filter((measure) => heldMeasure(measure, view) !== null).map(({ name }) => name))
}

/**
 * The shape that holds the measures that cost little, and those that are asked for; null: nothing of the view can be held.
 * @param asked of `heldNames`
 */
export function tallyShape(view: CompiledView, asked: ReadonlySet<string>): TallyShape | null {
  const held = view.measures
    .map((measure) => heldMeasure(measure, view))
    .filter((measure) => measure !== null && (measure.isBase || asked.has(measure.measure.name))) as HeldMeasure[]
  const { dimensions, time } = view
  if (held.length === 0 || !dimensions.every(({ type }) => isHeldType(type))) return null
  const columns: HeldColumn[] = []
  const measures = held.map((measure): PlacedMeasure => {
    const places = measure.fields.map(({ kind, columns: own }): TallyField => {
      const first = columns.length
      columns.push(...own)
      return { kind, columns: own.map((_, at) => first + at) }
    })
    const own = places.flatMap((field) => field.columns)
    const placeOf = (holds: HeldColumn['holds']): number | null =>
      own.find((place) => columns[place]!.holds === holds) ?? null
    return { ...measure, places, text: placeOf('text'), set: placeOf('set') }
  })
  const dimension = ({ name, type }: SqlColumn): string =>
    type === 'VARCHAR' ? quoteName(name) : `to_json(${quoteName(name)})::VARCHAR`
  return {
    dimensions,
    measures,
    fields: measures.flatMap(({ places }) => places),
    columns,
    items: [
      `${time.kind === 'panes' ? 'pane' : '0'}::DOUBLE`,
      ...dimensions.map(dimension),
      ...columns.map(({ sql }) => sql),
    ],
  }
}

/** Value of a measure in a merged row; of a text its number; NaN: none, or a set, which is counted later. */
export function measureValue(
  { places, valueOf: made, text, set }: PlacedMeasure,
  columns: TallyColumns,
  row: number,
): number {
  if (set !== null) return Number.NaN
  const [first, second] = places
  const column = text ?? first!.columns[0]!
  return made(columns[column]![row]!, second === undefined ? 0 : columns[second.columns[0]!]![row]!)
}
