/** The newest dead letters in closed segments, with their bytes. */
import { quoteText } from '#core/sql-names.ts'
import type { ServedDataset } from './snapshot.ts'

export const DEAD_LETTERS_MAX = 1_000

/** @returns JSON array text: partition, offset, arrival, reason, and the bytes as text (or base64 where they are no UTF-8) */
export async function deadLettersJson(served: ServedDataset, limit: number): Promise<string> {
  const chains = await served.lake.chains(served.partitions)
  const files = chains
    .flatMap(({ segments }) =>
      segments.flatMap(({ deadLetterFile, createdAtMs }) => (deadLetterFile ? [{ deadLetterFile, createdAtMs }] : [])),
    )
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
  const wanted: string[] = []
  let rows = 0
  for (const { deadLetterFile } of files) {
    if (rows >= limit) break
    await served.lake.check([deadLetterFile])
    wanted.push(served.lake.resolve(deadLetterFile))
    rows += deadLetterFile.rows
  }
  if (wanted.length === 0) return '[]'
  const connection = await served.engine.connect()
  try {
    const [texts] = await connection.columns(
      `SELECT json_object('partition', _partition, 'offset', _offset, 'arrivedAt', strftime(epoch_ms(_arrival), '%Y-%m-%dT%H:%M:%S.%gZ'),
         'reason', reason, 'base64', to_base64(bytes), 'text', try(decode(bytes)))::VARCHAR
       FROM read_parquet([${wanted.map(quoteText).join(', ')}]) ORDER BY _arrival DESC, _partition, _offset DESC LIMIT ${limit}`,
    )
    return `[${(texts as string[]).join(',')}]`
  } finally {
    connection.close()
  }
}
