/**
 * State rows as JSON text and back, digit by digit: decimals travel as text, because JSON readers may make them doubles.
 */
import type { CompiledView, SqlColumn } from './compiled.ts'
import { quoteName, quoteText } from './sql-names.ts'

const AS_TEXT = /^DECIMAL/

/** SQL expression over a state row: its JSON object text. */
export function stateJsonSql(view: Pick<CompiledView, 'stateColumns'>): string {
  const members = view.stateColumns.map(({ name, type }) => {
    const value = AS_TEXT.test(type) ? `${quoteName(name)}::VARCHAR` : quoteName(name)
    return `${quoteText(name)}, ${value}`
  })
  return `json_object(${members.join(', ')})`
}

/** SQL expression over a state row: canonical JSON array text of pane and dimensions. */
export function keyJsonSql(view: Pick<CompiledView, 'paneMs' | 'dimensions'>): string {
  const keys = [...(view.paneMs === undefined ? [] : ['pane']), ...view.dimensions.map(({ name }) => name)]
  return `json_array(${keys.map(quoteName).join(', ')})`
}

/** A relation with one VARCHAR column `row` → state rows with their exact types. */
export function statesFromJsonSql(view: Pick<CompiledView, 'stateColumns'>, relation: string): string {
  const wire = view.stateColumns.map(({ name, type }) => `${quoteName(name)} ${AS_TEXT.test(type) ? 'VARCHAR' : type}`)
  const columns = view.stateColumns.map((column) => `${unpacked(column)} AS ${quoteName(column.name)}`)
  return `SELECT ${columns.join(', ')} FROM (SELECT CAST("row"::JSON AS STRUCT(${wire.join(', ')})) AS s FROM ${relation})`
}

function unpacked({ name, type }: SqlColumn): string {
  return AS_TEXT.test(type) ? `CAST(s.${quoteName(name)} AS ${type})` : `s.${quoteName(name)}`
}
