/** What `watershed query` is asked: by flags like the parameters of a GET, or by the body of a POST. */
import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import type { Positions } from '#core/offsets.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { LiveMissingError, OutdatedError } from '#serving/answers/query-error.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import {
  parseAtLeast,
  parseQuery,
  QUERY_PARAMETERS,
  type QueryTexts,
  type Required,
} from '#serving/http/queries/parse-query.ts'
import { readQueryBody } from '#serving/http/queries/query-body.ts'
import { positionOf, queryOf } from '#serving/http/queries/query-of.ts'
import { CommandError } from './exit-codes.ts'

export type AskedOptions = QueryTexts & {
  readonly jsonQuery?: string
  readonly all?: boolean
  readonly requireLive?: boolean
  readonly requireCurrent?: boolean
}

export interface AskedQuestion {
  readonly query: ViewQuery
  readonly required: Required
  /** all rows are wanted, however many */
  readonly everyRow: boolean
  /** the answer is to say how it came about */
  readonly explain: boolean
  /** the position that the answer must count; null if it need not count a certain one. @throws QueryError */
  readonly atLeast: (open: Pick<ServedDataset, 'partitions' | 'log'>) => Positions | null
}

/** @throws QueryError, CommandError for flags that exclude each other */
export async function questionOf(
  dataset: string,
  view: string | undefined,
  options: AskedOptions,
): Promise<AskedQuestion> {
  const { jsonQuery, all = false, requireLive = false, requireCurrent = false } = options
  const texts = Object.fromEntries(QUERY_PARAMETERS.map((name) => [name, options[name]]))
  if (jsonQuery === undefined) {
    if (view === undefined) throw new CommandError('usage', 'name a view, or give a query with --json-query')
    const required = { live: requireLive, current: requireCurrent }
    const everyRow = all || texts.limit === 'all'
    if (all && texts.limit !== undefined && texts.limit !== 'all')
      throw new CommandError('usage', '--all and --limit exclude each other')
    const query = parseQuery(dataset, view, everyRow ? { ...texts, limit: undefined } : texts)
    return { query, required, everyRow, explain: false, atLeast: (open) => parseAtLeast(texts, open) }
  }
  const given = Object.keys(texts).find((name) => texts[name] !== undefined)
  if (view !== undefined || given !== undefined)
    throw new CommandError(
      'usage',
      `--json-query is the whole query; leave out ${given ?? `'${view}'`}, or put it there`,
    )
  const body = readQueryBody(await sentText(jsonQuery))
  const required = {
    live: requireLive || (body.require ?? []).includes('live'),
    current: requireCurrent || (body.require ?? []).includes('current'),
  }
  const everyRow = all || body.limit === 'all'
  return {
    query: queryOf(dataset, body),
    required,
    everyRow,
    explain: body.explain === true,
    atLeast: (open) => positionOf(body.atLeast, open),
  }
}

/** @throws OutdatedError, LiveMissingError for an answer that lacks what it must have */
export function assertRequired(
  { live, current }: Required,
  { dataset, view, outdated, liveMissing }: AnswerMeta,
): void {
  if (current && outdated !== null) throw new OutdatedError({ dataset, name: view })
  if (live && liveMissing !== null) throw new LiveMissingError(liveMissing)
}

async function sentText(file: string): Promise<string> {
  const sent = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')
  if (sent.length > QUERY_LIMITS.queryBytesMax)
    throw new CommandError('usage', `the query is larger than queryBytesMax = ${QUERY_LIMITS.queryBytesMax} bytes`)
  return sent
}
