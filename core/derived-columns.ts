/** Columns that are computed from other columns of the same event: their order, what they read, and the SQL of their values. */
import { timeUnitOf } from './column-types.ts'
import type { SqlColumn } from './compiled.ts'
import type { ColumnDefinition, DerivedColumn } from './definition-parts.ts'
import type { SqlDialect } from './dialect.ts'
import { checkExpression, expressionSql } from './expression.ts'
import { rowOfNulls, sayFailing } from './failing-constants.ts'
import { formattedTimeSql, isReadAsJson, timeTextSql } from './formatted-time.ts'
import { isNumeric } from './measures/number-types.ts'
import { isDerived } from './read-columns.ts'
import { quoteName } from './sql-names.ts'
import { decimalOf, decimalSql, finiteSql, inYearsSql, isoDateSql, storedValue, unitTimeSql } from './stored-value.ts'

type Columns = Readonly<Record<string, ColumnDefinition>>

/** A derived column that has been checked. */
export interface Derivation {
  readonly name: string
  readonly column: DerivedColumn
  /** columns that its expression names */
  readonly reads: readonly string[]
  /** SQL over typed columns: the result of its expression */
  readonly sql: string
  /** SQL: the result, which is in `result`, as a value of the column */
  valueSql(result: string): string
}

/** The derived columns, each after those that it reads. Problems are added to `problems`, with their places. */
export async function derivationsOf(
  columns: Columns,
  dialect: SqlDialect,
  problems: string[],
): Promise<readonly Derivation[]> {
  const known = new Set(Object.keys(columns))
  const reads = new Map<string, readonly string[]>()
  for (const [name, column] of Object.entries(columns)) {
    if (!isDerived(column)) continue
    const used = new Set<string>()
    const found = await checkExpression(dialect, column.as, known, used)
    problems.push(...found.map((problem) => `column '${name}', as: ${problem}`))
    reads.set(name, [...used])
  }
  const order = orderOf(reads, problems)
  const found: Derivation[] = []
  if (problems.length > 0) return found
  for (const name of order) {
    const column = columns[name] as DerivedColumn
    const derivation = await derivationOf({ name, column, reads: reads.get(name)! }, columns, dialect)
    if (typeof derivation === 'string') problems.push(`column '${name}', as: ${derivation}`)
    else found.push(derivation)
  }
  const expressions = found.map(({ name, column }) => ({ place: `column '${name}', as`, expression: column.as }))
  const row = rowOfNulls(Object.entries(columns).map(([name, { type }]) => ({ name, type })))
  await sayFailing(dialect, expressions, known, row, (place, problem) => problems.push(`${place}: ${problem}`))
  return found
}

/** Columns and all that they are derived from, in any depth. */
export function withInputs(names: readonly string[], derivations: readonly Derivation[]): ReadonlySet<string> {
  const found = new Set(names)
  for (const { name, reads } of derivations.toReversed())
    if (found.has(name)) for (const input of reads) found.add(input)
  return found
}

function orderOf(reads: ReadonlyMap<string, readonly string[]>, problems: string[]): string[] {
  const order: string[] = []
  const visit = (name: string, above: readonly string[]): void => {
    if (order.includes(name) || !reads.has(name)) return
    if (above.includes(name)) {
      const circle = [...above.slice(above.indexOf(name)), name]
      problems.push(`column '${name}', as: the column is derived from itself (${circle.join(' → ')})`)
      return
    }
    for (const input of reads.get(name)!) if (problems.length === 0) visit(input, [...above, name])
    if (problems.length === 0) order.push(name)
  }
  for (const name of reads.keys()) visit(name, [])
  return order
}

async function derivationOf(
  parts: Pick<Derivation, 'name' | 'column' | 'reads'>,
  columns: Columns,
  dialect: SqlDialect,
): Promise<Derivation | string> {
  const { column } = parts
  const sql = expressionSql(column.as, new Set(Object.keys(columns)))
  const inputs = Object.entries(columns).map(([name, { type }]) => `NULL::${type} AS ${quoteName(name)}`)
  let described: readonly SqlColumn[]
  try {
    described = await dialect.describe(`SELECT (${sql}) AS v FROM (SELECT ${inputs.join(', ')} WHERE false)`)
  } catch (error) {
    return `the engine cannot determine the type of '${column.as}': ${(error as Error).message.split('\n')[0]}`
  }
  const [{ type }] = described as [SqlColumn]
  const unfit = whyUnfit(column, type)
  return unfit === null
    ? { ...parts, sql, valueSql: (result) => valueSql(column, result, type) }
    : `'${column.as}' ${unfit}`
}

/** Why a result of this type cannot become a value of the column, as the end of a sentence; null if it can. */
function whyUnfit({ type: wanted, unit, format }: DerivedColumn, type: string): string | null {
  const stored = type === 'JSON' ? null : storedValue('x', type)
  if (typeof stored === 'string') return stored
  const [isText, isTime] = [
    type === 'VARCHAR' || type === 'JSON',
    /^(TIMESTAMP|DATE)/.test(type) && !type.endsWith('[]'),
  ]
  if (wanted === 'JSON') return 'cannot be stored as JSON; use VARCHAR'
  if (wanted.endsWith('[]') !== type.endsWith('[]')) return `has type ${type}, which does not become ${wanted}`
  if (wanted === 'DATE' && !isText && !isTime) return `has type ${type}, which does not become DATE`
  if (isNumeric(wanted) && isTime) return `has type ${type}, which does not become ${wanted}`
  if (wanted !== 'TIMESTAMP') return null
  if (isTime && (unit !== undefined || format !== undefined))
    return `has type ${type}, so a unit or format has no effect`
  const isCounted = unit !== undefined && unit !== 'iso'
  if (isNumeric(type) && !isCounted) return `has type ${type}: a TIMESTAMP of numbers needs a unit (s, ms or us)`
  if (isTime || isText || isNumeric(type)) return null
  return `has type ${type}, which does not become TIMESTAMP`
}

function valueSql(column: DerivedColumn, result: string, type: string): string {
  const { type: wanted } = column
  if (wanted === 'TIMESTAMP') return timeSql(column, result, type)
  const isText = type === 'VARCHAR' || type === 'JSON'
  if (wanted === 'DATE')
    return isText ? isoDateSql(`(${result})::VARCHAR`) : inYearsSql(`TRY_CAST(${result} AS DATE)`, 'DATE')
  if (wanted === 'DOUBLE') return finiteSql(`TRY_CAST(${result} AS DOUBLE)`)
  if (wanted === 'DOUBLE[]') return `list_transform(TRY_CAST(${result} AS DOUBLE[]), lambda _x: ${finiteSql('_x')})`
  if (decimalOf(wanted) !== null && isText) return decimalSql(`(${result})::VARCHAR`, wanted)
  return `TRY_CAST(${result} AS ${wanted})`
}

/** A text is read as in an event, a number in the column's unit. */
function timeSql(column: DerivedColumn, result: string, type: string): string {
  if (type === 'VARCHAR' || type === 'JSON') {
    if (column.format !== undefined)
      return formattedTimeSql(isReadAsJson(column) ? `to_json(${result})` : result, column)
    return timeTextSql(result, column)
  }
  const unit = timeUnitOf(column)
  if (isNumeric(type) && unit !== 'iso') return unitTimeSql(`(${result})::VARCHAR`, unit)
  if (type === 'TIMESTAMP WITH TIME ZONE') return inYearsSql(`timezone('UTC', ${result})`, 'TIMESTAMP')
  return inYearsSql(`TRY_CAST(${result} AS TIMESTAMP)`, 'TIMESTAMP')
}
