/** What people read beside values: names of enumerated values, and units. Neither affects what is stored. */
import { DEFINITION_LIMITS } from './definition-limits.ts'
import type { ColumnDefinition, DatasetDefinition, MeasureDefinition, ViewDefinition } from './definition-parts.ts'
import { quoteName } from './sql-names.ts'

type Columns = DatasetDefinition['columns']
export type ValueNames = Readonly<Record<string, string>>

/** What a value is written as, by the types that can be enumerated. */
const WRITTEN: Readonly<Record<string, RegExp>> = {
  BOOLEAN: /^(true|false)$/,
  INTEGER: /^(0|-?[1-9]\d*)$/,
  BIGINT: /^(0|-?[1-9]\d*)$/,
  VARCHAR: /^/,
  DATE: /^\d{4}-\d\d-\d\d$/,
}

/** Kinds whose value is of the unit that their expression is of. */
const OF_VALUES: ReadonlySet<MeasureDefinition['kind']> = new Set([
  ...(['sum', 'min', 'max', 'avg', 'first', 'latest', 'quantile'] as const),
  ...(['stddevSamp', 'stddevPop', 'maxBy', 'minBy'] as const),
])

/** Why names and unit of a column cannot be used, as sentences. */
export function namingProblems({ type, unit, values }: ColumnDefinition): string[] {
  const problems = unitProblems(unit)
  if (values === undefined) return problems
  const scalar = type.replace(/\[\]$/, '')
  const written = WRITTEN[scalar]
  const { namedValuesMax, namedCharsMax } = DEFINITION_LIMITS
  if (written === undefined)
    return [...problems, `values name those of ${Object.keys(WRITTEN).join(', ')}, not of ${type}`]
  if (Object.keys(values).length > namedValuesMax) problems.push(`more than ${namedValuesMax} entries under values`)
  for (const [value, name] of Object.entries(values)) {
    if (!written.test(value)) problems.push(`values: '${value}' is not a valid ${scalar}`)
    if (name === '' || name.length > namedCharsMax)
      problems.push(`values: the name of '${value}' must have 1 to ${namedCharsMax} characters`)
  }
  return problems
}

/** Why a unit cannot be used, as sentences. */
export function unitProblems(unit: string | undefined): string[] {
  const { namedCharsMax } = DEFINITION_LIMITS
  return unit === undefined || (unit !== '' && unit.length <= namedCharsMax)
    ? []
    : [`a unit must have 1 to ${namedCharsMax} characters`]
}

/**
 * The names of a dimension's values: those of the column that it is, or that it is an element of.
 *
 * @example
 * // columns: { day: { type: 'INTEGER', path: '$.day', values: { '1': 'Monday' } } }, dimensions: { day: 'day', next: 'day + 1' }
 * valueNamesOf(view, 'day', columns) // { '1': 'Monday' }
 * valueNamesOf(view, 'next', columns) // undefined
 */
export function valueNamesOf(view: ViewDefinition, dimension: string, columns: Columns): ValueNames | undefined {
  const expression = view.dimensions[dimension]!.trim()
  const list = Object.entries(view.unnest ?? {}).find(([name]) => isName(expression, name))?.[1]
  return columnOf(list ?? expression, columns)?.values
}

/**
 * The unit of a measure: its own, otherwise that of the column that it is the sum, mean, least … of.
 *
 * @example
 * // columns: { delay: { type: 'INTEGER', path: '$.delay', unit: 'min' } }
 * unitOf(avg('delay'), columns) // 'min'
 * unitOf(avg('delay / 60.0', { unit: 'h' }), columns) // 'h'
 * unitOf(countDistinct('delay'), columns) // undefined
 */
export function unitOf(measure: MeasureDefinition, columns: Columns): string | undefined {
  if (measure.unit !== undefined || !OF_VALUES.has(measure.kind)) return measure.unit
  const column = columnOf(measure.expression ?? '', columns)
  return column?.type === 'TIMESTAMP' ? undefined : column?.unit
}

function columnOf(expression: string, columns: Columns): ColumnDefinition | undefined {
  return Object.entries(columns).find(([name]) => isName(expression.trim(), name))?.[1]
}

function isName(expression: string, name: string): boolean {
  return expression === name || expression === quoteName(name)
}
