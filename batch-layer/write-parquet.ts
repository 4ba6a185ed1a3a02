/** The one way in which the batch layer writes Parquet. */
import { quoteText } from '#core/sql-names.ts'
import type { Statements } from '#storage/engine/idle-connections.ts'
import { explainFault } from '#storage/lake/lake-error.ts'
import type { EVENTS_CODEC } from '#storage/lake/segment-manifest.ts'

/**
 * Rows of one row group of a view's file, the least that a query reads of it: one decodes in about a millisecond, and the footer of
 * ten million rows still lists fewer than 200.
 */
export const VIEW_ROW_GROUP_ROWS = 61_440
const ROW_GROUP_ROWS = 122_880

/**
 * Writes the rows of a SELECT to a staged file and returns how many there are.
 *
 * @throws LakeError 'disk-full' or 'not-writable' where that is the cause; the engine's error otherwise
 */
export async function writeParquet(
  connection: Pick<Statements, 'run'>,
  select: string,
  writePath: string,
  rowGroupRows = ROW_GROUP_ROWS,
  codec: 'lz4_raw' | typeof EVENTS_CODEC = 'lz4_raw',
): Promise<number> {
  try {
    return await connection.run(
      `COPY (${select}) TO ${quoteText(writePath)} (FORMAT parquet, COMPRESSION ${codec}, ROW_GROUP_SIZE ${rowGroupRows})`,
    )
  } catch (error) {
    throw explainFault(error, 'cannot write', writePath)
  }
}
