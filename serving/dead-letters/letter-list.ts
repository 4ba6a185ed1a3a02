/** Dead letters of closed segments in pages, the newest first, with their bytes. */
import { quoteText } from '#core/sql-names.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { ANSWER_BYTES_MAX, boundedRows } from '../answers/bounded-rows.ts'
import type { AnswerOptions } from '../answers/merged-view.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { limited, onConnection, QUERY_MS_MAX } from '../answers/time-limit.ts'
import type { LetterFile } from './followed-letter-files.ts'
import { withLetterFiles } from './letter-files.ts'
import { reasonCondition } from './letter-reasons-sql.ts'

export const DEAD_LETTERS_MAX = 1_000
/** Bytes shown per dead letter; its segment keeps all of them. */
export const DEAD_LETTER_BYTES_MAX = 64 * 1024
/** A truncated UTF-8 character leaves up to three bytes. */
const CUT_CHARACTER_BYTES = [0, 1, 2, 3]
/** how far the clocks that date arrivals and segments may differ */
const CLOCKS_APART_MS_MAX = 60_000
/** files that are read at first */
const FILES_MIN = 8

/** The last letter of a page, behind which the next page begins. */
export interface LetterCursor {
  readonly arrivedAtMs: number
  readonly partition: number
  readonly offset: number
}

export interface LettersQuery {
  readonly limit: number
  /** a whole reason, or a kind of reason; absent: all */
  readonly reason?: string
  readonly after?: LetterCursor
}

export interface LettersPage {
  /** JSON text of each letter */
  readonly texts: readonly string[]
  /** null: there are no more */
  readonly next: LetterCursor | null
}

const CURSOR = /^(\d{1,16})\.(\d{1,4})\.(\d{1,16})$/

export function cursorText({ arrivedAtMs, partition, offset }: LetterCursor): string {
  return `${arrivedAtMs}.${partition}.${offset}`
}

/** null: the text is not one of a cursor. */
export function parseCursor(text: string): LetterCursor | null {
  const [, arrivedAtMs, partition, offset] = CURSOR.exec(text)?.map(Number) ?? []
  return arrivedAtMs === undefined ? null : { arrivedAtMs, partition: partition!, offset: offset! }
}

/**
 * @returns JSON array text: partition, offset, arrival, reason, size in bytes, and the first DEAD_LETTER_BYTES_MAX bytes
 * as base64 and as text (null if they are not UTF-8)
 * @throws QueryTimeoutError, ClientGoneError, AnswerTooLargeError
 */
export async function deadLettersJson(served: ServedDataset, limit: number, options?: AnswerOptions): Promise<string> {
  return `[${(await lettersPage(served, { limit }, options)).texts.join(',')}]`
}

/** @throws QueryTimeoutError, ClientGoneError, AnswerTooLargeError, LakeError */
export function lettersPage(
  served: ServedDataset,
  query: LettersQuery,
  { queryMsMax = QUERY_MS_MAX, answerBytesMax = ANSWER_BYTES_MAX, signal }: AnswerOptions = {},
): Promise<LettersPage> {
  return limited(queryMsMax, signal, (over) =>
    withLetterFiles(served, (files) => readPage(served, files, query, answerBytesMax, over)),
  )
}

/** Reads the newest files only, as many as the page needs: an older file has no newer letter than the time when it was made. */
async function readPage(
  served: ServedDataset,
  files: readonly LetterFile[],
  query: LettersQuery,
  answerBytesMax: number,
  signal: AbortSignal,
): Promise<LettersPage> {
  for (let count = Math.max(FILES_MIN, filesWith(files, query.limit)); ; count *= 2) {
    const page = await readFiles(
      served,
      files.slice(0, count).map(({ file }) => file),
      query,
      answerBytesMax,
      signal,
    )
    const [next] = files.slice(count)
    if (next === undefined) return page
    if (page.next !== null && next.createdAtMs + CLOCKS_APART_MS_MAX < page.next.arrivedAtMs) return page
  }
}

function filesWith(files: readonly { readonly file: LakeFile }[], letters: number): number {
  let rows = 0
  for (const [index, { file }] of files.entries()) {
    rows += file.rows
    if (rows >= letters) return index + 1
  }
  return files.length
}

async function readFiles(
  served: ServedDataset,
  files: readonly LakeFile[],
  { limit, reason, after }: LettersQuery,
  answerBytesMax: number,
  signal: AbortSignal,
): Promise<LettersPage> {
  if (files.length === 0) return { texts: [], next: null }
  const conditions = [
    ...(reason === undefined ? [] : [reasonCondition(reason)]),
    ...(after === undefined ? [] : [behind(after)]),
  ]
  return onConnection(served.engine, signal, async (connection) => {
    await served.lake.check(files)
    const paths = files.map((file) => quoteText(served.lake.resolve(file)))
    const [texts, arrivals, partitions, offsets] = await boundedRows(
      connection,
      `SELECT json_object('partition', _partition, 'offset', _offset, 'arrivedAt', strftime(epoch_ms(_arrival), '%Y-%m-%dT%H:%M:%S.%gZ'),
         'reason', reason, 'bytes', size, 'truncated', size > ${DEAD_LETTER_BYTES_MAX}, 'base64', to_base64(shown), 'text', ${textSql()})::VARCHAR,
         _arrival::DOUBLE, _partition::DOUBLE, _offset::DOUBLE
       FROM (SELECT * EXCLUDE (bytes), octet_length(bytes) AS size, array_slice(bytes, 1, ${DEAD_LETTER_BYTES_MAX}) AS shown
             FROM read_parquet([${paths.join(', ')}]) ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`})
       ORDER BY _arrival DESC, _partition, _offset DESC LIMIT ${limit}`,
      undefined,
      answerBytesMax,
    )
    const isFull = texts!.length === limit
    const last = [arrivals, partitions, offsets].map((column) => column!.at(-1) as number)
    const next = isFull ? { arrivedAtMs: last[0]!, partition: last[1]!, offset: last[2]! } : null
    return { texts: texts as string[], next }
  })
}

/** Of the letters that come after this one, in the order of pages. */
function behind({ arrivedAtMs, partition, offset }: LetterCursor): string {
  const samePlace = `_partition > ${partition} OR (_partition = ${partition} AND _offset < ${offset})`
  return `(_arrival < ${arrivedAtMs} OR (_arrival = ${arrivedAtMs} AND (${samePlace})))`
}

function textSql(): string {
  const decoded = CUT_CHARACTER_BYTES.map(
    (bytes) => `try(decode(array_slice(shown, 1, octet_length(shown) - ${bytes})))`,
  )
  return `CASE WHEN size > ${DEAD_LETTER_BYTES_MAX} THEN coalesce(${decoded.join(', ')}) ELSE try(decode(shown)) END`
}
