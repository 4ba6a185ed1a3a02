/** Compiles the columns' JSON paths into the SQL that reads a batch: a struct type with only the needed fields, and a projection. */
import type { CompiledDataset } from './compiled.ts'
import { type DecodedColumn, failedSql, type StructLook, UNSET, unsetSql } from './conversion-failures-sql.ts'
import { isWideDecimal } from './decimal-values.ts'
import type { ColumnDefinition } from './definition-parts.ts'
import { derivedSql, withFailedSql } from './derive-sql.ts'
import type { Derivation } from './derived-columns.ts'
import { derivedRejectSql } from './derived-reasons.ts'
import { formattedTimeSql, isReadAsJson, timeTextSql } from './formatted-time.ts'
import { type JsonPath, parseJsonPath } from './json-path.ts'
import { readColumns } from './read-columns.ts'
import { sharedValues, takenOutSql } from './shared-paths.ts'
import { quoteName, quoteText } from './sql-names.ts'
import { decimalOf, decimalSql, epochMsSql, finiteSql, isoDateSql, wideDecimalSql } from './stored-value.ts'

interface Field {
  readonly name: string
  type: string | null
  readonly members: Map<string, Field>
  list: boolean
}

export type DecodeTexts = ReturnType<CompiledDataset['decodeOf']>

/** the reader's top-level members keep their names beside these */
const valueName = (column: string): string => quoteName(`_value ${column}`)
const EVENT = quoteName('_event json')

/** Returns the SQL texts, or the problems with the paths. @param notAccepted SQL condition over typed rows: the event time is not accepted */
export function compileDecode(
  columns: Readonly<Record<string, ColumnDefinition>>,
  timeColumn: string,
  notAccepted: string,
  derivations: readonly Derivation[],
): DecodeTexts | { readonly problems: string[] } {
  const root: Field = { name: '', type: null, members: new Map(), list: false }
  const problems: string[] = []
  const paths = new Map<string, JsonPath>()
  const read = Object.entries(readColumns(columns))
  for (const [name, column] of read) {
    const path = parseJsonPath(column.path)
    if (path !== null) paths.set(name, path)
    else
      problems.push(
        `column '${name}': '${column.path}' is not a JSON path (examples: $.member.id, $."odd name", $.topics[*].name)`,
      )
  }
  const shared = sharedValues([...paths.values()])
  for (const [name, path] of paths) {
    const depth = shared.get(path)
    const inEvent = depth === undefined ? path : { members: path.members.slice(0, depth), element: null }
    const problem = addPath(root, inEvent, depth === undefined ? rawType(columns[name]!) : 'JSON')
    if (problem) problems.push(`column '${name}': ${problem}`)
  }
  if (problems.length > 0) return { problems }
  const fields = [...root.members.values()].map((field) => `${quoteText(field.name)}: ${quoteText(typeText(field))}`)
  const decoded = read.map(([name, column]): DecodedColumn => {
    const path = paths.get(name)!
    const json = jsonOf(path, shared.get(path))
    return { name, column, path, value: valueName(name), prefixes: prefixesOf(root, path, shared.get(path)), json }
  })
  const required = Object.entries(columns).filter(([, column]) => column.required)
  const values = decoded.map(({ column, path, value }) => `${columnSql(column, path, shared.get(path))} AS ${value}`)
  const projected = decoded.map(({ name, column }) => `${presentSql(name, column)} AS ${quoteName(name)}`)
  const unset = {
    all: unsetSql(decoded),
    reject: unsetSql(decoded.filter(({ column }) => column.onError === 'reject')),
    derived: unsetSql([]),
  }
  const rowsSql: DecodeTexts['rowsSql'] = (reader, { notes, keep = [] } = {}) => {
    const noted = notes === undefined ? [] : [`${unset[notes]} AS ${UNSET.name}`]
    const plain = `SELECT ${[...keep, ...projected, ...noted].join(', ')} FROM (SELECT ${['*', ...values].join(', ')} FROM ${reader})`
    const rows = derivedSql(plain, derivations, ({ column }) => absentSql(column))
    const failing = derivations.filter(({ column }) => notes !== 'reject' || column.onError === 'reject')
    const names = notes === undefined ? [] : [`${withFailedSql(UNSET.name, failing)} AS ${UNSET.name}`]
    const list = [`${epochMsSql(quoteName(timeColumn))} AS _time`, ...Object.keys(columns).map(quoteName), ...names]
    return `SELECT ${[...keep, ...list].join(', ')} FROM (${rows})`
  }
  return {
    jsonColumns: `{${fields.join(', ')}}`,
    rowsSql,
    rejectWhere: ['_time IS NULL', notAccepted, ...required.map(([name]) => `${quoteName(name)} IS NULL`)].join(' OR '),
    rejecting: Object.entries(columns).flatMap(([name, { onError }]) => (onError === 'reject' ? [name] : [])),
    failures: {
      ...failedSql(
        decoded,
        derivations.map(({ name }) => name),
        EVENT,
      ),
      rejected: derivedRejectSql(derivations),
      event: EVENT,
    },
  }
}

/** The column's value: its default if the event has none, or one that cannot be converted. */
function presentSql(name: string, column: ColumnDefinition): string {
  const value = valueName(name)
  const absent = absentSql(column)
  return absent === null ? value : `coalesce(${value}, ${absent})`
}

/** SQL of the column's default; null if it has none. */
function absentSql(column: ColumnDefinition): string | null {
  return column.default === undefined ? null : converted(column, defaultSql(column))
}

/** What the reader returns of the objects that a path leads through. */
function prefixesOf(root: Field, { members }: JsonPath, depth = members.length): StructLook[] {
  let field = root
  return members.slice(0, depth - 1).map((name, index) => {
    field = field.members.get(name)!
    return {
      sql: members
        .slice(0, index + 1)
        .map(quoteName)
        .join('.'),
      members: [...field.members.keys()].map(quoteName),
    }
  })
}

function addPath(root: Field, path: JsonPath, type: string): string | undefined {
  const names = [...path.members, ...(path.element ?? [])]
  let field = root
  for (const [depth, name] of names.entries()) {
    const other = [...field.members.keys()].find((key) => key !== name && key.toLowerCase() === name.toLowerCase())
    if (other !== undefined)
      return `its path differs from another only in letter case ('${name}' and '${other}'), which the engine cannot distinguish`
    const next = field.members.get(name) ?? { name, type: null, members: new Map<string, Field>(), list: false }
    const list = path.element !== null && depth === path.members.length - 1
    next.list = list
    field.members.set(name, next)
    field = next
  }
  field.type = type
  return undefined
}

function typeText(field: Field): string {
  const members = [...field.members.values()].map((member) => `${quoteName(member.name)} ${typeText(member)}`)
  const type = field.type ?? `STRUCT(${members.join(', ')})`
  return field.list ? `${type}[]` : type
}

/**
 * The type that the reader returns before units are applied; for a path with [*], the type of one element. INTEGER is read as BIGINT,
 * because the engine converts 2147483647.5 to -2147483648.
 */
function rawType(column: ColumnDefinition): string {
  const list = column.type.endsWith('[]') && (column.path ?? '').includes('[*]')
  const type = list ? column.type.slice(0, -2) : column.type
  if (isWide(type) || isReadAsJson(column)) return 'JSON'
  // As texts, numbers are rounded as they are written, and true is not 1.
  if (type === 'TIMESTAMP' || type === 'DATE' || decimalOf(type) !== null) return 'VARCHAR'
  return type.replace('INTEGER', 'BIGINT')
}

function isWide(type: string): boolean {
  const decimal = decimalOf(type)
  return decimal !== null && isWideDecimal(decimal)
}

/** SQL: the JSON that the column is taken out of; null if the reader gives its value. */
function jsonOf({ members }: JsonPath, depth: number | undefined): string | null {
  return depth === undefined ? null : members.slice(0, depth).map(quoteName).join('.')
}

/** @param depth of the shared value that the column is part of */
function columnSql(column: ColumnDefinition, path: JsonPath, depth: number | undefined): string {
  const rest = { members: path.members.slice(depth), element: path.element }
  const base =
    depth === undefined
      ? path.members.map(quoteName).join('.')
      : takenOutSql(jsonOf(path, depth)!, rest, rawType(column))
  const raw =
    path.element === null || path.element.length === 0
      ? base
      : `list_transform(${base}, lambda x: x.${path.element.map(quoteName).join('.')})`
  return converted(column, raw)
}

/** The default in the form that the reader would return if it were in the event. */
function defaultSql(column: ColumnDefinition): string {
  const { type, default: value } = column
  if (Array.isArray(value)) return `[${value.map((item) => quoteText(String(item))).join(', ')}]::${type}`
  const raw = rawType(column)
  return `${quoteText(raw === 'JSON' ? JSON.stringify(value) : String(value))}::${raw}`
}

function converted(column: ColumnDefinition, raw: string): string {
  switch (column.type) {
    case 'DATE':
      return isoDateSql(raw)
    case 'DOUBLE':
      return finiteSql(raw)
    case 'DOUBLE[]':
      return `list_transform(${raw}, lambda _x: ${finiteSql('_x')})`
    case 'INTEGER':
      return `TRY_CAST(${raw} AS INTEGER)`
    case 'INTEGER[]':
      return `list_transform(${raw}, lambda _x: TRY_CAST(_x AS INTEGER))`
    case 'TIMESTAMP':
      if (column.format !== undefined) return formattedTimeSql(raw, column)
      return timeTextSql(raw, column)
    default:
      if (isWide(column.type)) return wideDecimalSql(raw, column.type)
      return decimalOf(column.type) === null ? raw : decimalSql(raw, column.type)
  }
}
