/** The one way in which the batch layer writes Parquet. */
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { explainFault } from '#storage/lake/lake-error.ts'

/**
 * Writes the rows of a SELECT to a staged file and returns how many there are.
 *
 * @throws LakeError 'disk-full' or 'not-writable' where that is the cause; the engine's error otherwise
 */
export async function writeParquet(connection: EngineConnection, select: string, writePath: string): Promise<number> {
  try {
    return await connection.run(`COPY (${select}) TO ${quoteText(writePath)} (FORMAT parquet, COMPRESSION lz4_raw)`)
  } catch (error) {
    throw explainFault(error, 'can not write', writePath)
  }
}
