/** GET /v1/datasets/{dataset}/events: raw events, newest first. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { DATASET_PARAMS } from '#serving/http/contract/request-schemas.ts'
import { RAW_EVENTS, RAW_EVENTS_QUERY } from '#serving/http/contract/schemas/raw-events.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { eventsPage } from '#serving/raw-events/events-page.ts'
import { inTurn, type TurnParts, whenGone } from './in-turn.ts'
import { parseEventsQuery } from './parse-events-query.ts'

export interface EventsReadParts extends TurnParts {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly limits: { readonly queryMsMax: number; readonly answerBytesMax: number }
}

const READ = {
  operationId: 'readEvents',
  summary: 'Read raw events by key or filter, newest first, in pages',
  params: DATASET_PARAMS,
  querystring: RAW_EVENTS_QUERY,
  response: responsesOf(200, 'A page of events, and where the next one begins', JSON_TYPE, RAW_EVENTS, [
    'bad-query',
    'not-found',
    'busy',
    'answer-too-large',
    'storage-fault',
    'out-of-memory',
    'query-timeout',
  ]),
}

export function eventsReadRoute(plain: FastifyInstance, parts: EventsReadParts): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get('/v1/datasets/:dataset/events', { schema: READ }, async (request, reply) => {
    const target = servedUnder(parts.datasets, request.params.dataset)
    const query = parseEventsQuery(request.params.dataset, request.query)
    const { rowsJson, meta } = await inTurn(parts, request, whenGone(reply), (signal) =>
      eventsPage(target, query, { ...parts.limits, signal }),
    )
    const liveMissing = meta.liveMissing === null ? null : withoutPaths(meta.liveMissing)
    return reply
      .type('application/json; charset=utf-8')
      .send(`{"data":${rowsJson},"meta":${JSON.stringify({ ...meta, liveMissing })}}`)
  })
}
