/**
 * The open segments' state rows as a table of the query's own connection: read from their JSON texts once, however often a
 * merge goes over them.
 */
import type { CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { statesFromJsonSql } from '#core/state-json.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Snapshot } from './snapshot.ts'

const TABLE = 'open_states'
/** rows put into the table by one statement: bounds the text that is bound to it */
const ROWS_PER_INSERT = 20_000

/** Makes the table; it goes with the connection. @returns its name in SQL, or null when nothing is open */
export async function openTable(
  connection: EngineConnection,
  view: CompiledView,
  snapshot: Snapshot,
): Promise<string | null> {
  const rows = snapshot.open.get(view.hash) ?? []
  if (rows.length === 0) return null
  const columns = view.stateColumns.map(({ name, type }) => `${quoteName(name)} ${type}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${TABLE} (${columns.join(', ')})`)
  let inserted = 0
  for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
    // State rows are JSON objects on one line each; splitting is three times as fast as reading a list of texts.
    const texts = `(SELECT unnest(string_split($rows::VARCHAR, chr(10))) AS "row")`
    inserted += await connection.run(`INSERT INTO ${TABLE} ${statesFromJsonSql(view, texts)}`, {
      rows: rows.slice(from, from + ROWS_PER_INSERT).join('\n'),
    })
  }
  if (inserted === rows.length) return TABLE
  throw new Error(`view '${view.name}': ${rows.length} open state rows were read as ${inserted}`)
}
