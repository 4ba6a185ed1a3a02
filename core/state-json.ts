/**
 * Converts state rows to JSON text and back without loss: decimals are encoded as strings, because JSON readers may parse them as doubles.
 */
import type { CompiledView, SqlColumn } from './compiled.ts'
import { quoteName, quoteText } from './sql-names.ts'
import { keyNames } from './view-time.ts'

const DECIMAL = /DECIMAL\([^)]*\)/g

/** The type that encodes a state in JSON: VARCHAR for a decimal, alone or as a field. */
function wireType(type: string): string {
  return type.replace(DECIMAL, 'VARCHAR')
}

/** SQL expression over a state row: its JSON object text. */
export function stateJsonSql(view: Pick<CompiledView, 'stateColumns'>): string {
  const members = view.stateColumns.map(
    ({ name, type }) => `${quoteText(name)}, ${castSql(quoteName(name), type, wireType(type))}`,
  )
  return `json_object(${members.join(', ')})`
}

/** SQL expression over a state row: canonical JSON array text of pane and dimensions. */
export function keyJsonSql(view: Pick<CompiledView, 'time' | 'dimensions'>): string {
  return `json_array(${keyNames(view).map(quoteName).join(', ')})`
}

/** A relation with one VARCHAR column `row` → state rows with their exact types. */
export function statesFromJsonSql(view: Pick<CompiledView, 'stateColumns'>, relation: string): string {
  const wire = view.stateColumns.map(({ name, type }) => `${quoteName(name)} ${wireType(type)}`)
  const columns = view.stateColumns.map((column) => `${unpacked(column)} AS ${quoteName(column.name)}`)
  return `SELECT ${columns.join(', ')} FROM (SELECT CAST("row"::JSON AS STRUCT(${wire.join(', ')})) AS s FROM ${relation})`
}

function unpacked({ name, type }: SqlColumn): string {
  return castSql(`s.${quoteName(name)}`, wireType(type), type)
}

function castSql(value: string, from: string, to: string): string {
  return from === to ? value : `CAST(${value} AS ${to})`
}
