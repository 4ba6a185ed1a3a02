/** Dead letters: browse by reason, download, and the bytes of each. */
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import pLimit from 'p-limit'
import { z } from 'zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { deadLetterReasons } from '#serving/dead-letters/dead-letter-reasons.ts'
import { letterLines } from '#serving/dead-letters/letter-download.ts'
import { letterBytes } from '#serving/dead-letters/letter-files.ts'
import { cursorText, lettersPage, parseCursor } from '#serving/dead-letters/letter-list.ts'
import { placeText } from '#serving/dead-letters/replay-letter.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import {
  DATASET_PARAMS,
  DEAD_LETTERS_DEFAULT,
  DEAD_LETTERS_QUERY,
  NO_QUERY,
  REASON_QUERY,
} from '#serving/http/contract/request-schemas.ts'
import { DEAD_LETTERS, LETTER_BYTES, LETTER_LINES, REASONS } from '#serving/http/contract/schemas/dead-letters.ts'
import { ProblemError, type ProblemType } from '#serving/http/problems.ts'
import { JSON_TEXT } from '#serving/http/queries/ask-view.ts'
import { endWhenStalled, inTurn, type TurnParts, whenGone, whenOver } from '#serving/http/queries/in-turn.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import type { LetterPlace, ReplayLedger } from '#storage/replays/replay-ledger.ts'

/** downloads of all letters at the same time */
export const DOWNLOADS_MAX = 2

export const LETTER_PARAMS = DATASET_PARAMS.extend({
  letter: z.string().describe('Place of a dead letter: `partition:offset`'),
})

const READS: readonly ProblemType[] = [
  'bad-query',
  'not-found',
  'storage-fault',
  'busy',
  'query-timeout',
  'out-of-memory',
]
/** each may be a request to an object store */
const REPLAYS_READ_AT_ONCE = 16
const LIST = {
  operationId: 'listDeadLetters',
  summary: 'List dead letters of closed segments, the newest first, with their raw bytes',
  params: DATASET_PARAMS,
  querystring: DEAD_LETTERS_QUERY,
  response: responsesOf(200, 'A page of dead letters', JSON_TYPE, DEAD_LETTERS, [...READS, 'answer-too-large']),
}
const COUNT = {
  operationId: 'countDeadLetters',
  summary: 'Count dead letters of closed segments by kind of reason',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The reasons', JSON_TYPE, REASONS, READS),
}
const DOWNLOAD = {
  operationId: 'downloadDeadLetters',
  summary: 'Download dead letters of closed segments with all of their bytes, as NDJSON',
  params: DATASET_PARAMS,
  querystring: REASON_QUERY,
  response: responsesOf(200, 'The dead letters', 'application/x-ndjson', LETTER_LINES, READS),
}
const BYTES = {
  operationId: 'showDeadLetter',
  summary: 'The bytes of one dead letter',
  params: LETTER_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The event', 'application/octet-stream', LETTER_BYTES, READS),
}

export interface DeadLetterParts extends TurnParts {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly limits: { readonly queryMsMax: number; readonly answerBytesMax: number }
  /** by dataset: what was replayed; absent: nothing is known of it */
  readonly replays?: ReadonlyMap<string, ReplayLedger>
}

export function deadLetterRoutes(plain: FastifyInstance, parts: DeadLetterParts): void {
  const { datasets, limits } = parts
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get('/v1/datasets/:dataset/dead-letters', { schema: LIST }, async (request, reply) => {
    const { limit = DEAD_LETTERS_DEFAULT, reason, cursor } = request.query
    const { dataset } = request.params
    const served = servedUnder(datasets, dataset)
    const query = { limit: Number(limit), reason, after: afterOf(cursor) }
    const page = await inTurn(parts, request, whenGone(reply), (signal) =>
      lettersPage(served, query, { ...limits, signal }),
    )
    const data = await withReplays(page.texts, parts.replays?.get(dataset))
    const next = page.next === null ? null : cursorText(page.next)
    return reply.type(JSON_TEXT).send(`{"data":[${data.join(',')}],"next":${JSON.stringify(next)}}`)
  })
  app.get('/v1/datasets/:dataset/dead-letters/reasons', { schema: COUNT }, async (request, reply) => {
    const served = servedUnder(datasets, request.params.dataset)
    const reasons = await inTurn(parts, request, whenGone(reply), async (signal) => {
      const generation = await served.lake.current().catch(() => null)
      return deadLetterReasons(served).count(generation, signal)
    })
    return {
      total: reasons.reduce((sum, { count }) => sum + count, 0),
      reasons: reasons.map(({ reason, count, newestAtMs }) => {
        return { reason, count, newestAt: new Date(newestAtMs).toISOString() }
      }),
    }
  })
  let downloading = 0
  app.get(
    '/v1/datasets/:dataset/dead-letters/download',
    { schema: DOWNLOAD, exposeHeadRoute: false },
    async (request, reply) => {
      const { dataset } = request.params
      const served = servedUnder(datasets, dataset)
      if (downloading >= DOWNLOADS_MAX)
        throw new ProblemError('busy', `${DOWNLOADS_MAX} downloads of dead letters are in progress; retry later`)
      downloading++
      whenOver(reply, () => downloading--)
      endWhenStalled(reply.raw)
      const lines = letterLines(served, request.query.reason ?? null, whenGone(reply))
      reply.header('content-disposition', `attachment; filename="${dataset}-dead-letters.ndjson"`)
      return reply.type('application/x-ndjson').send(Readable.from(lines, { objectMode: false }))
    },
  )
  app.get('/v1/datasets/:dataset/dead-letters/:letter', { schema: BYTES }, async (request, reply) => {
    const { dataset, letter } = request.params
    const place = placeOf(letter)
    const bytes = await inTurn(parts, request, whenGone(reply), (signal) =>
      foundLetter(servedUnder(datasets, dataset), place, signal),
    )
    const name = `${dataset}-${placeText(place).replace(':', '-')}.bin`
    reply.header('content-disposition', `attachment; filename="${name}"`)
    return reply.type('application/octet-stream').send(bytes)
  })
}

/** @throws ProblemError 'not-found' */
export async function foundLetter(served: AnsweredDataset, place: LetterPlace, signal: AbortSignal): Promise<Buffer> {
  const bytes = await letterBytes(served, place, signal)
  if (bytes !== null) return bytes
  throw new ProblemError(
    'not-found',
    `no closed segment has a dead letter at ${placeText(place)}; letters of open segments appear when these close`,
  )
}

/** @throws ProblemError 'bad-query' */
export function placeOf(text: string): LetterPlace {
  const [, partition, offset] = /^(\d{1,4}):(\d{1,15})$/.exec(text) ?? []
  if (offset !== undefined) return { partition: Number(partition), offset: Number(offset) }
  throw new ProblemError('bad-query', `letter: '${text}' is not the place of a dead letter (example: 2:118)`, {
    field: 'letter',
  })
}

function afterOf(cursor: string | undefined): (ReturnType<typeof parseCursor> & {}) | undefined {
  if (cursor === undefined) return undefined
  const after = parseCursor(cursor)
  if (after !== null) return after
  throw new ProblemError('bad-query', `cursor: '${cursor}' is not the \`next\` of a page`, { field: 'cursor' })
}

async function withReplays(texts: readonly string[], ledger: ReplayLedger | undefined): Promise<string[]> {
  const atOnce = pLimit(REPLAYS_READ_AT_ONCE)
  return Promise.all(
    texts.map(async (text) => {
      const letter = JSON.parse(text) as LetterPlace
      const replay = (await atOnce(() => ledger?.find(letter)).catch(() => null)) ?? null
      const shown = replay?.to && {
        at: new Date(replay.atMs).toISOString(),
        to: replay.to,
        corrected: replay.corrected,
      }
      return `${text.slice(0, -1)},"replayed":${JSON.stringify(shown ?? null)}}`
    }),
  )
}
