/** What is wrong with a column by itself, whatever the rest of its definition is. */
import { isColumnType, isTimeUnit, LIST_TYPES, ON_ERROR, SCALAR_TYPES, TIME_UNITS } from './column-types.ts'
import { DEFINITION_LIMITS, NAME } from './definition-limits.ts'
import type { ColumnDefinition } from './definition-parts.ts'
import { formatsOf } from './formatted-time.ts'
import { namingProblems } from './names-for-people.ts'
import { parseTimeFormat } from './time-format.ts'
import { whyDefaultUnusable } from './usable-value.ts'
import { isTimeZone } from './wall-time.ts'

/** As sentences that begin with its place. */
export function columnProblems(name: string, column: ColumnDefinition): string[] {
  const problems: string[] = []
  if (!NAME.test(name)) problems.push(`a name must match ${NAME.source}`)
  if (!isColumnType(column.type))
    problems.push(
      `unknown type '${column.type}'; use one of ${[...SCALAR_TYPES, 'DECIMAL(p,s)', ...LIST_TYPES].join(', ')}`,
    )
  if ((column.path === undefined) === (column.as === undefined))
    problems.push('a column must have either a path or an expression (as)')
  if (column.path?.includes('[*]') && isColumnType(column.type) && !column.type.endsWith('[]'))
    problems.push(`path '${column.path}' yields a list, so the type must be a list type, for example VARCHAR[]`)
  if (column.type === 'TIMESTAMP' && column.unit !== undefined && !isTimeUnit(column.unit))
    problems.push(`unknown unit '${column.unit}'; use one of ${TIME_UNITS.join(', ')}`)
  problems.push(...namingProblems(column))
  const wrongFormats = formatProblems(column)
  problems.push(...wrongFormats)
  if (column.onError !== undefined && !ON_ERROR.includes(column.onError))
    problems.push(`unknown onError '${column.onError}'; use one of ${ON_ERROR.join(', ')}`)
  const isDefaultKnown = isColumnType(column.type) && wrongFormats.length === 0 && column.default !== undefined
  const unusable = isDefaultKnown && whyDefaultUnusable(column)
  if (unusable) problems.push(`its default ${unusable}`)
  return problems.map((problem) => `column '${name}': ${problem}`)
}

/** Why the column's formats, or their zone, cannot be used. */
function formatProblems(column: ColumnDefinition): string[] {
  const { type, unit, format, zone } = column
  if (format === undefined) return zone === undefined ? [] : ['only a TIMESTAMP with a format can have a zone']
  if (type !== 'TIMESTAMP') return ['only a TIMESTAMP can have a format']
  const problems: string[] = []
  if (unit !== undefined) problems.push('a TIMESTAMP has a unit or a format, not both')
  const formats = formatsOf(column)
  if (formats.length === 0 || formats.length > DEFINITION_LIMITS.formatsMax)
    problems.push(`a column can have 1 to ${DEFINITION_LIMITS.formatsMax} formats`)
  const parsed = formats.map(parseTimeFormat)
  problems.push(...parsed.filter((one) => typeof one === 'string'))
  if (zone !== undefined && !isTimeZone(zone))
    problems.push(`zone '${zone}' is not an IANA time zone (example: Europe/Berlin)`)
  const everyOffset = parsed.every((one) => typeof one === 'object' && one.zulu !== null)
  if (problems.length === 0 && zone !== undefined && everyOffset)
    problems.push('its formats have an offset (%z), so a zone has no effect')
  return problems
}
