/** A view's states at a moment for another engine: what is resident is copied to files, the files of the lake are read where they are. */
import { join } from 'node:path'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { BoundValues } from '../answers/bound-values.ts'
import type { StatesAt } from '../answers/merged-view.ts'
import { NewestPane } from '../answers/newest-pane.ts'
import type { ViewHead } from './view-head.ts'

/**
 * The head can be released afterwards.
 * @param connection of the engine that has the tables
 * @param folder which both engines may use
 */
export async function copiedStates(head: ViewHead, connection: EngineConnection, folder: string): Promise<StatesAt> {
  const copied = new BoundValues()
  const resident = head.resident(copied)
  const file = join(folder, 'states.parquet')
  if (resident.length > 0) await copy(connection, head.relationOf(resident), file, copied)
  const dictionaries = new Map<string, string>()
  for (const [index, { name, table, sql }] of head.pinned.entries()) {
    const own = join(folder, `dictionary-${index}.parquet`)
    if (table !== null) await copy(connection, sql, own)
    dictionaries.set(name, table === null ? sql : readParquetSql([own]))
  }
  const sql = head.relationOf(head.inFiles(resident.length > 0 ? [file] : []))
  const { snapshot } = head.moment
  return { snapshot, sql, bound: new BoundValues(), dictionaries, newestPane: new NewestPane() }
}

async function copy(
  connection: EngineConnection,
  relation: string,
  file: string,
  { parameters }: BoundValues = new BoundValues(),
): Promise<void> {
  await connection.run(`COPY (SELECT * FROM ${relation}) TO ${quoteText(file)} (FORMAT parquet)`, parameters)
}
