/** Exports that the engine writes itself. */
import { quoteText } from '#core/sql-names.ts'
import { memberSql } from '../answers/answer-columns.ts'
import type { WrittenRows } from './answer-format.ts'

/** @param values SQL of the columns that are written */
export async function copyRows(
  { sql, bound, connection }: WrittenRows,
  values: readonly string[],
  file: string,
  options: string,
): Promise<void> {
  const select = `SELECT ${values.join(', ')} FROM (${sql})`
  await connection.run(`COPY (${select}) TO ${quoteText(file)} (${options})`, bound.parameters)
}

/** A row's JSON per line. Line ends and control characters in texts are escaped, so that nothing needs quotes. */
export async function copyJsonLines(rows: WrittenRows, file: string, prefix = ''): Promise<void> {
  const members = rows.columns.map((column) => `${quoteText(column.name)}, ${memberSql(column)}`)
  const object = `json_object(${members.join(', ')})::VARCHAR`
  const line = prefix === '' ? object : `${quoteText(prefix)} || ${object}`
  await copyRows(
    rows,
    [`${line} AS line`],
    file,
    String.raw`FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER e'\x01'`,
  )
}
