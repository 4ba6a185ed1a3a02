/** The read routes: definitions, merged views, generations and dead letters. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { Metrics } from '#telemetry/metrics.ts'
import { answerView } from '../answers/answer-from-rows.ts'
import type { AnswerMeta } from '../answers/answer-meta.ts'
import { answerAtLeast } from '../answers/at-least.ts'
import { deadLettersJson } from '../answers/dead-letters.ts'
import type { Answer } from '../answers/merged-view.ts'
import { LiveMissingError, OutdatedError } from '../answers/query-error.ts'
import { limited } from '../answers/time-limit.ts'
import { servedUnder } from '../answers/unknown-name.ts'
import type { AnsweredDataset, WaitOptions } from '../live/live-answers.ts'
import { describeDataset } from './describe-dataset.ts'
import { JSON_TYPE, responsesOf } from './openapi.ts'
import { parseAtLeast, parseQuery, parseRequire, type Required } from './parse-query.ts'
import type { ProblemType } from './problems.ts'
import type { QueryGate } from './query-gate.ts'
import { ANSWER_HEADERS, bodyOf, etagOf, isKnown, type RepeatedRequests } from './repeated-requests.ts'
import {
  DATASET_PARAMS,
  DEAD_LETTERS_DEFAULT,
  DEAD_LETTERS_QUERY,
  NO_QUERY,
  VIEW_PARAMS,
  VIEW_QUERY,
} from './request-schemas.ts'
import { ANSWER } from './schemas/answer.ts'
import { DATASET, DATASETS } from './schemas/dataset.ts'
import { DEAD_LETTERS } from './schemas/dead-letters.ts'
import { GENERATIONS } from './schemas/generations.ts'
import { withoutPaths } from './without-paths.ts'

export interface DatasetRouteParts {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly gate: QueryGate
  readonly limits: { readonly queryMsMax: number; readonly waitMsMax: number; readonly answerBytesMax: number }
  readonly metrics: Metrics
  readonly repeated: RepeatedRequests
}

/** For payloads that are already JSON text. */
const JSON_TEXT = 'application/json; charset=utf-8'

/** generations that are listed */
const GENERATIONS_MAX = 100

const READS: readonly ProblemType[] = ['bad-query', 'not-found', 'storage-fault']

const LIST = {
  operationId: 'listDatasets',
  summary: 'List all datasets: columns, views, dimensions, and measures with their exactness',
  querystring: NO_QUERY,
  response: responsesOf(200, 'The definitions', JSON_TYPE, DATASETS, ['bad-query']),
}
const DESCRIBE = {
  operationId: 'describeDataset',
  summary: 'Describe one dataset',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The definition', JSON_TYPE, DATASET, ['bad-query', 'not-found']),
}
const ASK = {
  operationId: 'askView',
  summary: 'Query a view; the answer merges batch and speed layer and reports its provenance',
  params: VIEW_PARAMS,
  querystring: VIEW_QUERY,
  response: responsesOf(200, 'The rows and their provenance', JSON_TYPE, ANSWER, [
    ...READS,
    'needs-backfill',
    'busy',
    'query-timeout',
    'answer-too-large',
    'out-of-memory',
    'position-not-reached',
  ]),
}
const GENERATIONS_OF = {
  operationId: 'listGenerations',
  summary: 'List the generations that the batch layer published, oldest first, and the current one',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The retained generations', JSON_TYPE, GENERATIONS, [...READS, 'busy', 'query-timeout']),
}
const DEAD_LETTERS_OF = {
  operationId: 'listDeadLetters',
  summary: 'List the newest dead letters of closed segments, with their raw bytes',
  params: DATASET_PARAMS,
  querystring: DEAD_LETTERS_QUERY,
  response: responsesOf(200, 'The dead letters, newest first', JSON_TYPE, DEAD_LETTERS, [
    ...READS,
    'busy',
    'query-timeout',
    'answer-too-large',
    'out-of-memory',
  ]),
}

export function datasetRoutes(plain: FastifyInstance, parts: DatasetRouteParts): void {
  const { datasets, gate, metrics } = parts
  const { queryMsMax, waitMsMax, answerBytesMax } = parts.limits
  /** One query of a client: waits for its turn and computes within the time limit of queries, and ends when the client is gone. */
  const inTurn = <T>(
    request: FastifyRequest,
    gone: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => limited(queryMsMax, gone, (signal) => gate.run(clientOf(request), signal, () => work(signal)))
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get('/v1/datasets', { schema: LIST }, async () => ({
    datasets: [...datasets.values()].map(({ dataset }) => describeDataset(dataset)),
  }))
  app.get('/v1/datasets/:dataset', { schema: DESCRIBE }, async (request) =>
    describeDataset(servedUnder(datasets, request.params.dataset).dataset),
  )
  app.get('/v1/datasets/:dataset/views/:view', { schema: ASK }, async (request, reply) => {
    const { dataset, view } = request.params
    const target = servedUnder(datasets, dataset)
    const query = parseQuery(dataset, view, request.query)
    const position = parseAtLeast(request.query, target)
    const atLeast = position === null ? null : { position, waitMsMax }
    const required = parseRequire(request.query)
    const began = performance.now()
    const { live } = target
    if (live === undefined) {
      const gone = whenGone(reply)
      const ask = (): Promise<Answer> =>
        inTurn(request, gone, (signal) => answerView(target, query, { queryMsMax, answerBytesMax, signal }))
      const answer = await (atLeast === null ? ask() : answerAtLeast(atLeast, ask))
      metrics.queryAnswered(dataset, view, performance.now() - began)
      assertRequired(required, answer.meta, answer.meta.liveMissing)
      return reply.type(JSON_TEXT).send(`{"data":${answer.rowsJson},"meta":${JSON.stringify(shownMeta(answer))}}`)
    }
    const nowMs = Date.now()
    const asked = live.asked(query)
    let kept = atLeast === null ? live.answerNow(asked, nowMs) : null
    if (kept === null) {
      const gone = whenGone(reply)
      const run: WaitOptions['run'] = (work) =>
        live.isUnderWay(asked, nowMs) ? limited(queryMsMax, gone, work) : inTurn(request, gone, work)
      kept = await (atLeast === null
        ? run((signal) => live.answer(asked, { nowMs, queryMsMax, signal }))
        : live.answerAtLeast(asked, atLeast, { queryMsMax, signal: gone, run }))
      metrics.queryAnswered(dataset, view, performance.now() - began)
    }
    assertRequired(required, kept.meta, live.whyMissing(kept))
    // A kept answer may be older than the position that the next request with the same URL must wait for, or lack the live part then.
    if (atLeast === null && !required.live && !required.current)
      parts.repeated.remember(request.raw, { live, asked, route: request.routeOptions.url! })
    const etag = etagOf(kept)
    reply.headers({ ...ANSWER_HEADERS, etag })
    if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
    return reply.send(bodyOf(live, kept))
  })
  app.get('/v1/datasets/:dataset/generations', { schema: GENERATIONS_OF }, (request, reply) => {
    const target = servedUnder(datasets, request.params.dataset)
    return inTurn(request, whenGone(reply), () => generationsOf(target))
  })
  app.get('/v1/datasets/:dataset/dead-letters', { schema: DEAD_LETTERS_OF }, async (request, reply) => {
    const limit = Number(request.query.limit ?? DEAD_LETTERS_DEFAULT)
    const target = servedUnder(datasets, request.params.dataset)
    const letters = await inTurn(request, whenGone(reply), (signal) =>
      deadLettersJson(target, limit, { queryMsMax, answerBytesMax, signal }),
    )
    return reply.type(JSON_TEXT).send(`{"data":${letters}}`)
  })
}

/** Whose query it is, for the gate: its key, or where there are none its address. */
function clientOf({ headers, ip }: FastifyRequest): string {
  return headers.authorization ?? ip
}

/** @throws LiveMissingError, OutdatedError */
function assertRequired(required: Required, { dataset, view, outdated }: AnswerMeta, missing: string | null): void {
  if (required.current && outdated !== null) throw new OutdatedError({ dataset, name: view })
  if (required.live && missing !== null) throw new LiveMissingError(missing)
}

function shownMeta({ meta }: Answer): AnswerMeta {
  return meta.liveMissing === null ? meta : { ...meta, liveMissing: withoutPaths(meta.liveMissing) }
}

/** Aborted when the client closes the connection before the answer was sent. */
function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort()
  })
  if (raw.destroyed) gone.abort()
  return gone.signal
}

async function generationsOf({ lake }: AnsweredDataset): Promise<z.output<typeof GENERATIONS>> {
  const [current, generations, run] = [await lake.current(), await lake.generations(), await lake.run()]
  return {
    current: current?.id ?? null,
    run: run && {
      mode: run.mode,
      startedAt: new Date(run.startedAtMs).toISOString(),
      updatedAt: new Date(run.updatedAtMs).toISOString(),
      name: run.name,
      done: run.done,
      total: run.total,
      recounted: [...run.recounted],
      leftMs: run.leftMs,
    },
    generations: generations
      .slice(-GENERATIONS_MAX)
      .map(({ id, mode, boundary, rows, deadLetters, lateRows, dictionaries, ...times }) => ({
        id,
        mode,
        boundary: [...boundary],
        rows,
        deadLetters,
        lateRows,
        finishedAt: new Date(times.finishedAtMs).toISOString(),
        tookMs: times.finishedAtMs - times.startedAtMs,
        dictionaries: Object.fromEntries(
          Object.entries(dictionaries).map(([name, { version, unknownKeys, unknownByLookup }]) => [
            name,
            { version, unknownKeys, unknownByLookup },
          ]),
        ),
      })),
  }
}
