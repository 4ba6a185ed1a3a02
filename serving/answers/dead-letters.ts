/** The newest dead letters in closed segments, with their bytes. */
import { quoteText } from '#core/sql-names.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { ANSWER_BYTES_MAX, boundedRows } from './bounded-rows.ts'
import type { AnswerOptions } from './merged-view.ts'
import type { ServedDataset } from './snapshot.ts'
import { limited, onConnection, QUERY_MS_MAX } from './time-limit.ts'

export const DEAD_LETTERS_MAX = 1_000
/** Bytes shown per dead letter; its segment keeps all of them. */
export const DEAD_LETTER_BYTES_MAX = 64 * 1024
/** A truncated UTF-8 character leaves up to three bytes. */
const CUT_CHARACTER_BYTES = [0, 1, 2, 3]

/**
 * @returns JSON array text: partition, offset, arrival, reason, size in bytes, and the first DEAD_LETTER_BYTES_MAX bytes
 * as base64 and as text (null if they are not UTF-8)
 * @throws QueryTimeoutError, ClientGoneError, AnswerTooLargeError
 */
export async function deadLettersJson(
  served: ServedDataset,
  limit: number,
  { queryMsMax = QUERY_MS_MAX, answerBytesMax = ANSWER_BYTES_MAX, signal }: AnswerOptions = {},
): Promise<string> {
  return limited(queryMsMax, signal, (over) => newestLetters(served, limit, answerBytesMax, over))
}

async function newestLetters(
  served: ServedDataset,
  limit: number,
  answerBytesMax: number,
  signal: AbortSignal,
): Promise<string> {
  const chains = await served.lake.chains(served.partitions)
  const files = chains
    .flatMap(({ segments }) =>
      segments.flatMap(({ deadLetterFile, createdAtMs }) => (deadLetterFile ? [{ deadLetterFile, createdAtMs }] : [])),
    )
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
  const wanted: LakeFile[] = []
  let rows = 0
  for (const { deadLetterFile } of files) {
    if (rows >= limit) break
    wanted.push(deadLetterFile)
    rows += deadLetterFile.rows
  }
  if (wanted.length === 0) return '[]'
  return onConnection(served.engine, signal, async (connection) => {
    await served.lake.check(wanted)
    const paths = wanted.map((file) => quoteText(served.lake.resolve(file)))
    const [texts] = await boundedRows(
      connection,
      `SELECT json_object('partition', _partition, 'offset', _offset, 'arrivedAt', strftime(epoch_ms(_arrival), '%Y-%m-%dT%H:%M:%S.%gZ'),
         'reason', reason, 'bytes', size, 'truncated', size > ${DEAD_LETTER_BYTES_MAX}, 'base64', to_base64(shown), 'text', ${textSql()})::VARCHAR
       FROM (SELECT * EXCLUDE (bytes), octet_length(bytes) AS size, array_slice(bytes, 1, ${DEAD_LETTER_BYTES_MAX}) AS shown FROM read_parquet([${paths.join(', ')}]))
       ORDER BY _arrival DESC, _partition, _offset DESC LIMIT ${limit}`,
      undefined,
      answerBytesMax,
    )
    return `[${(texts as string[]).join(',')}]`
  })
}

function textSql(): string {
  const decoded = CUT_CHARACTER_BYTES.map(
    (bytes) => `try(decode(array_slice(shown, 1, octet_length(shown) - ${bytes})))`,
  )
  return `CASE WHEN size > ${DEAD_LETTER_BYTES_MAX} THEN coalesce(${decoded.join(', ')}) ELSE try(decode(shown)) END`
}
