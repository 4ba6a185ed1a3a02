/** The measures that a tally can hold: what it keeps of their states, and the values and JSON that it makes of them. */
import type { CompiledMeasure, CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { decimalOf } from '#core/stored-value.ts'
import { jsonSqlOf } from '../answers/json-value.ts'
import { jsonDouble } from './json-text.ts'
import type { FieldKind } from './tally-fields.ts'

const WHOLE = /^(U?(TINYINT|SMALLINT|INTEGER)|BIGINT)$/
/** integers up to this are exact as doubles, and so are their sums as long as all magnitudes add up to no more */
export const NUMBER_MAX = Number.MAX_SAFE_INTEGER
/** the same of decimals without their point: what the engine's double of one is multiplied by rounds by less than a half */
export const DECIMAL_MAX = 2 ** 50
/** partition and offset as one number: fewer bits than the log has, so that a double holds both */
const OFFSETS = 2 ** 37

export function isWholeType(type: string): boolean {
  return WHOLE.test(type)
}

/** What is read of a state row for one column. */
export interface HeldColumn {
  readonly sql: string
  /** number: a DOUBLE, NaN where there is none; a VARCHAR or a list of hashes is numbered */
  readonly holds: 'number' | 'text' | 'set'
  /** maximum magnitude of a value; where `adds`, of all of them together */
  readonly most: number
}

export interface HeldField {
  readonly kind: FieldKind
  readonly columns: readonly HeldColumn[]
}

export interface HeldMeasure {
  readonly measure: CompiledMeasure
  readonly fields: readonly HeldField[]
  /** whether it costs little enough to be held before anybody asked for it */
  readonly isBase: boolean
  /** the value, of the first column of each field; of a text its number; of a set how many elements it has. NaN: none */
  readonly valueOf: (first: number, second: number) => number
  /** what the value is in an answer; null: a text has its own */
  readonly jsonOf: ((value: number) => string) | null
}

const asIs = (first: number): number => first

/** null: the measure is left to the engine. */
export function heldMeasure(measure: CompiledMeasure, { isUnnested }: CompiledView): HeldMeasure | null {
  const { kind } = measure
  if (kind === 'count' || kind === 'sum') return heldSum(measure)
  if (kind === 'avg' || kind === 'ratio') return heldQuotient(measure)
  if (kind === 'min' || kind === 'max') return heldExtreme(measure, kind)
  // Of two rows of one event the value decides, which only the engine compares.
  if ((kind === 'first' || kind === 'latest') && !isUnnested) return heldOrdered(measure, kind)
  return kind === 'countDistinct' ? heldSet(measure) : null
}

/** The values by their hashes, all of them. */
function heldSet(measure: CompiledMeasure): HeldMeasure | null {
  if (measure.exactness.kind !== 'exact') return null
  const column = { sql: quoteName(measure.state[0]!.name), holds: 'set', most: 0 } as const
  return { measure, fields: [{ kind: 'set', columns: [column] }], isBase: false, valueOf: asIs, jsonOf: String }
}

/** Exact sums; a sum of doubles has a second column of state. */
function heldSum(measure: CompiledMeasure): HeldMeasure | null {
  const [own, ...more] = measure.state
  const field = measure.exactness.kind === 'exact' && more.length === 0 ? sumField(own!) : null
  return field && { measure, fields: [field], isBase: true, valueOf: asIs, jsonOf: numberJson(own!.type) }
}

function heldQuotient(measure: CompiledMeasure): HeldMeasure | null {
  const [dividend, divisor, ...more] = measure.state
  if (more.length > 0) return null
  const fields = [sumField(dividend!), sumField(divisor!)]
  if (fields.includes(null)) return null
  const [above, below] = [scaleOf(dividend!.type), scaleOf(divisor!.type)]
  const quotient = (first: number, second: number): number =>
    second === 0 ? Number.NaN : first / above / (second / below)
  const jsonOf = numberJson('DOUBLE')
  return { measure, fields: fields as HeldField[], isBase: false, valueOf: quotient, jsonOf }
}

function heldExtreme(measure: CompiledMeasure, kind: 'min' | 'max'): HeldMeasure | null {
  const [{ name, type }] = measure.state as [{ name: string; type: string }]
  const jsonOf = numberJson(type)
  if (jsonOf === null) return null
  const column = { sql: numberSql(quoteName(name), type), holds: 'number', most: mostOf(type) } as const
  return { measure, fields: [{ kind, columns: [column] }], isBase: false, valueOf: asIs, jsonOf }
}

function heldOrdered(measure: CompiledMeasure, kind: 'first' | 'latest'): HeldMeasure {
  const state = quoteName(measure.state[0]!.name)
  const place = `CASE WHEN ${state}.o >= ${OFFSETS} THEN 'inf'::DOUBLE ELSE ${state}.p * ${OFFSETS}::DOUBLE + ${state}.o END`
  const columns = [
    { sql: orNaN(`${state}.t`), holds: 'number' as const, most: NUMBER_MAX },
    { sql: orNaN(place), holds: 'number' as const, most: NUMBER_MAX },
    { sql: `to_json(${jsonSqlOf(`${state}.v`, measure.type)})::VARCHAR`, holds: 'text' as const, most: 0 },
  ]
  return { measure, fields: [{ kind, columns }], isBase: false, valueOf: asIs, jsonOf: null }
}

function sumField({ name, type }: { readonly name: string; readonly type: string }): HeldField | null {
  if (type !== 'BIGINT' && decimalOf(type) === null) return null
  const column = { sql: numberSql(quoteName(name), type), holds: 'number', most: mostOf(type) } as const
  return { kind: 'sum', columns: [column] }
}

function scaleOf(type: string): number {
  return Number(`1e${decimalOf(type)?.scale ?? 0}`)
}

function mostOf(type: string): number {
  if (type === 'DOUBLE') return Number.MAX_VALUE
  return scaleOf(type) === 1 ? NUMBER_MAX : DECIMAL_MAX
}

function orNaN(sql: string): string {
  return `coalesce((${sql})::DOUBLE, 'NaN'::DOUBLE)`
}

/** SQL: the number; times are microseconds, decimals are whole. */
function numberSql(value: string, type: string): string {
  if (type === 'TIMESTAMP') return orNaN(`epoch_us(${value})`)
  const scale = scaleOf(type)
  return orNaN(scale === 1 ? value : `round(${value}::DOUBLE * ${scale}::DOUBLE)`)
}

/** Writes such a number as answers have it; null: it is not held as a number. */
function numberJson(type: string): ((value: number) => string) | null {
  if (isWholeType(type)) return String
  if (type === 'DOUBLE') return jsonDouble
  if (type === 'TIMESTAMP') return timeJson
  const decimal = decimalOf(type)
  if (decimal === null) return null
  // The engine writes those that a double holds as one.
  if (decimal.digits <= DOUBLE_DIGITS) return (value) => jsonDouble(value / scaleOf(type))
  return decimal.scale === 0 ? String : (value) => decimalJson(value, decimal.scale)
}

const DOUBLE_DIGITS = 15

function decimalJson(value: number, scale: number): string {
  const digits = String(Math.abs(value)).padStart(scale + 1, '0')
  return `${value < 0 ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const MS_US = 1_000

/** Milliseconds, and microseconds only where there are some. */
function timeJson(us: number): string {
  const ms = Math.floor(us / MS_US)
  const rest = us - ms * MS_US
  const text = new Date(ms).toISOString()
  return rest === 0 ? `"${text}"` : `"${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z"`
}
