/**
 * SQL that finds failed conversions (see conversion-failures.ts) in two steps. The first is part of decoding and costs next to nothing:
 * it notes the columns of a row that may have failed (`_unset`), because they have no value although there may be one. Only rows with
 * such a note are looked at again, as JSON.
 */
import type { ReadColumn } from './definition-parts.ts'
import type { JsonPath } from './json-path.ts'
import { quoteName, quoteText } from './sql-names.ts'

/** The column of a table of typed rows that notes which columns may have failed; never stored. */
export const UNSET = { name: '_unset', type: 'VARCHAR[]' } as const

export type Noted = 'all' | 'reject' | 'derived'

export interface RowsOptions {
  /**
   * adds `_unset`: names of the columns whose conversion may have failed, or whose derivation failed; of all columns, of those with onError
   * 'reject', or of derived columns only
   */
  readonly notes?: Noted
  /** columns of the reader that are passed on */
  readonly keep?: readonly string[]
}

export interface DecodedColumn {
  readonly name: string
  readonly column: ReadColumn
  readonly path: JsonPath
  /** SQL: the converted value, before its default */
  readonly value: string
  /** SQL conditions: whether the reader found an object at each prefix of the path, as far as it can tell; outermost first */
  readonly prefixes: readonly StructLook[]
  /** SQL: the JSON that several columns are taken out of, this one among them; null if the reader gives the value */
  readonly json: string | null
}

/** A struct that the reader returns. It returns one of NULLs for a value that is not an object, and NULL for none. */
export interface StructLook {
  readonly sql: string
  readonly members: readonly string[]
}

/** SQL over decoded values: the names of the columns that may have failed; NULL where none may. */
export function unsetSql(columns: readonly DecodedColumn[]): string {
  const suspects = columns.map((column) => ({ name: column.name, ...suspicions(column) })).filter(isSuspect)
  if (suspects.length === 0) return `NULL::${UNSET.type}`
  const names = suspects.map(
    ({ name, hollow, own }) => `CASE WHEN ${[...own, ...hollow].join(' OR ')} THEN ${quoteText(name)} END`,
  )
  // Of an object in which the reader found nothing, a column that is a member of it has no value: one of these two is enough.
  const implied = new Set(suspects.map(({ implies }) => implies))
  const some = suspects.flatMap(({ hollow, own }) => [...own, ...hollow.filter((object) => !implied.has(object))])
  const any = [...new Set(some)].join(' OR ')
  return `CASE WHEN ${any} THEN list_filter([${names.join(', ')}], lambda _x: _x IS NOT NULL) END`
}

/** SQL conditions under which a column may have failed. */
interface Suspicions {
  /** the reader found nothing in an object on the way to its value */
  readonly hollow: readonly string[]
  readonly own: readonly string[]
  /** of `hollow`: where this one holds, one of its own does */
  readonly implies?: string | undefined
}

function isSuspect({ hollow, own }: Suspicions): boolean {
  return hollow.length + own.length > 0
}

function suspicions({ column, path, value, prefixes, json }: DecodedColumn): Suspicions {
  const list = column.type.endsWith('[]')
  // Without a value its event is a dead letter.
  if (column.required && column.default === undefined && !list) return { hollow: [], own: [] }
  const hollow = prefixes.map(
    ({ sql, members }) => `(${sql} IS NOT NULL AND ${members.map((name) => `${sql}.${name} IS NULL`).join(' AND ')})`,
  )
  // What is taken out of JSON may also be NULL because the JSON is not an object.
  if (!list && isText(column.type) && json === null) return { hollow, own: [] }
  const around = json ?? prefixes.at(-1)?.sql
  const absent = `(${around === undefined ? '' : `${around} IS NOT NULL AND `}${value} IS NULL)`
  const lacking = `len(${value}) <> list_count(${value})`
  const isWhole = !list || (isText(column.type.slice(0, -2)) && (path.element ?? []).length === 0)
  return { hollow, own: isWhole ? [absent] : [absent, lacking], ...(json === null && { implies: hollow.at(-1) }) }
}

/** Any JSON value is converted. */
function isText(type: string): boolean {
  return type === 'VARCHAR' || type === 'JSON'
}

export interface FailedTexts {
  /** SQL over the event's JSON: the types of the values on the columns' paths */
  readonly types: string
  /** SQL over a noted row, with `_types` and the event's JSON: the names of the columns that have failed, joined by commas */
  readonly failed: string
  /** SQL over a noted row: why a derived column with onError 'reject' makes it unusable; NULL where none does */
  readonly rejected: string
}

/** @param event name of the event's JSON */
export function failedSql(
  columns: readonly DecodedColumn[],
  derived: readonly string[],
  event: string,
): Omit<FailedTexts, 'rejected'> {
  const places = new Map<string, number>()
  const typeOf = (names: readonly string[]): string => {
    const path = pathText(names)
    if (!places.has(path)) places.set(path, places.size + 1)
    return `_types[${places.get(path)}]`
  }
  const names = columns
    .filter((column) => isSuspect(suspicions(column)))
    .map((column) => {
      const noted = `list_contains(${UNSET.name}, ${quoteText(column.name)})`
      return `CASE WHEN ${noted} AND (${failures(column, event, typeOf).join(' OR ')}) THEN ${quoteText(column.name)} END`
    })
  // Of a derived column decoding notes failures only.
  for (const name of derived)
    names.push(`CASE WHEN list_contains(${UNSET.name}, ${quoteText(name)}) THEN ${quoteText(name)} END`)
  return {
    types: `json_type(${event}, [${[...places.keys()].map(quoteText).join(', ')}]::VARCHAR[])`,
    failed: `concat_ws(',', ${names.length === 0 ? "''" : names.join(', ')})`,
  }
}

function failures(
  { name, column, path }: DecodedColumn,
  event: string,
  typeOf: (names: readonly string[]) => string,
): string[] {
  const noObject = path.members
    .slice(0, -1)
    .map((_, depth) => `coalesce(${typeOf(path.members.slice(0, depth + 1))} NOT IN ('OBJECT', 'NULL'), false)`)
  const leaf = typeOf(path.members)
  if (!column.type.endsWith('[]')) return [...noObject, `coalesce(${leaf} <> 'NULL', false)`]
  return [...noObject, `coalesce(${leaf} NOT IN ('ARRAY', 'NULL'), false)`, ...elementFailures(name, path, event)]
}

/** An element that is not an object on the way to its value, or more values than were converted. */
function elementFailures(name: string, path: JsonPath, event: string): string[] {
  const element = path.element ?? []
  const at = (depth: number): string =>
    quoteText(`${pathText(path.members)}[*]${element.slice(0, depth).map(stepText).join('')}`)
  const noObject = element.map(
    (_, depth) => `len(list_filter(json_type(${event}, ${at(depth)}), lambda _x: _x NOT IN ('OBJECT', 'NULL'))) > 0`,
  )
  const values = `len(list_filter(json_type(${event}, ${at(element.length)}), lambda _x: _x <> 'NULL'))`
  return [...noObject, `${values} > coalesce(list_count(${quoteName(name)}), 0)`]
}

function pathText(names: readonly string[]): string {
  return `$${names.map(stepText).join('')}`
}

function stepText(name: string): string {
  return `."${name}"`
}
