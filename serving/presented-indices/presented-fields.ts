/** What a presented row holds: fields with their types, and the SQL of each field's JSON value. */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { PresentedField, PresentedType } from '#storage/presented-store/presented-store.ts'
import { isoSql, jsonValueSql } from '../answers/json-value.ts'

export interface PresentedMember extends PresentedField {
  /** SQL over a presented row; what it gives is written as JSON */
  readonly sql: string
}

const LONG = /^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/
const DOUBLE = /^(FLOAT|DOUBLE|UBIGINT|HUGEINT|UHUGEINT|DECIMAL.*)$/
const DATE = /^(DATE|TIMESTAMP.*)$/

/** A list has the type of its elements. */
export function presentedType(type: string): PresentedType {
  const element = type.replace(/\[\]$/, '')
  if (element === 'BOOLEAN') return 'boolean'
  if (LONG.test(element)) return 'long'
  if (DOUBLE.test(element)) return 'double'
  return DATE.test(element) ? 'date' : 'keyword'
}

export function columnMember(column: SqlColumn): PresentedMember {
  return { name: column.name, type: presentedType(column.type), sql: jsonValueSql(column) }
}

export function textMember(name: string): PresentedMember {
  return { name, type: 'keyword', sql: quoteName(name) }
}

/** @param epochMs SQL of a BIGINT */
export function momentMember(name: string, epochMs: string): PresentedMember {
  return { name, type: 'date', sql: isoSql(`epoch_ms(${epochMs})`) }
}

/**
 * A position on the map for every pair of columns `<x>lat` and `<x>lon`: named `<x>location`; null where there is no valid one.
 */
export function placeMembers(columns: readonly SqlColumn[]): PresentedMember[] {
  const names = new Set(columns.map(({ name }) => name))
  return columns.flatMap(({ name, type }): PresentedMember[] => {
    const [, before] = /^(.*)lat$/.exec(name) ?? []
    if (before === undefined || presentedType(type) !== 'double' || !names.has(`${before}lon`)) return []
    if (names.has(`${before}location`)) return []
    return [placeMember(`${before}location`, quoteName(name), quoteName(`${before}lon`))]
  })
}

export function placeMember(name: string, lat: string, lon: string): PresentedMember {
  const valid = `${lat} BETWEEN -90 AND 90 AND ${lon} BETWEEN -180 AND 180`
  return { name, type: 'geo_point', sql: `CASE WHEN ${valid} THEN json_object('lat', ${lat}, 'lon', ${lon}) END` }
}

/** @throws RangeError when two members have one name: a definition can have a column that the platform adds as well */
export function fieldsOf(members: readonly PresentedMember[]): PresentedField[] {
  const names = members.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    throw new RangeError(`field '${twice}' of the presented index occurs twice; rename the column`)
  return members.map(({ name, type }) => ({ name, type }))
}

/** SQL of the row's JSON object. */
export function objectSql(members: readonly PresentedMember[]): string {
  return `json_object(${members.map(({ name, sql }) => `${quoteText(name)}, ${sql}`).join(', ')})::VARCHAR`
}
