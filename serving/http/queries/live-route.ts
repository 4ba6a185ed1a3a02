/** Live answers as server-sent events: docs/reference/live.md. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { assertBounded } from '#serving/answers/merged-sql.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { responsesOf } from '#serving/http/contract/openapi.ts'
import { LIVE_QUERY, VIEW_PARAMS } from '#serving/http/contract/request-schemas.ts'
import { EVENT_STREAM } from '#serving/http/contract/schemas/event-stream.ts'
import { ProblemError } from '#serving/http/problems.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { positionOfEventId } from '#serving/subscriptions/event-ids.ts'
import { LiveReader } from '#serving/subscriptions/live-reader.ts'
import type { LiveSubscriptions, Subscription } from '#serving/subscriptions/live-subscriptions.ts'
import type { SubscriptionLimits } from '#serving/subscriptions/subscription-limits.ts'
import { assertRequired, type Question } from './ask-view.ts'
import { clientOf, whenOver } from './in-turn.ts'
import { parseAtLeast, parseQuery, parseRequire } from './parse-query.ts'

export interface LiveRouteParts {
  readonly subscriptions: LiveSubscriptions
  readonly limits: SubscriptionLimits
}

export const EVENT_STREAM_TYPE = 'text/event-stream'

const STREAM_HEADERS = {
  'content-type': EVENT_STREAM_TYPE,
  'cache-control': 'no-cache, no-transform',
  'x-content-type-options': 'nosniff',
  // Proxies such as nginx hold back what they have not filled a buffer with.
  'x-accel-buffering': 'no',
} as const

export const FOLLOW_RESPONSE = responsesOf(
  200,
  'Events: answer, change, problem, skipped',
  EVENT_STREAM_TYPE,
  EVENT_STREAM,
  ['bad-query', 'not-found', 'busy'],
)

const FOLLOW = {
  operationId: 'followView',
  summary: 'Follow a view as server-sent events: first its answer, then what changes',
  params: VIEW_PARAMS,
  querystring: LIVE_QUERY,
  response: FOLLOW_RESPONSE,
}

export function liveRoute(
  plain: FastifyInstance,
  parts: LiveRouteParts & { readonly datasets: ReadonlyMap<string, AnsweredDataset> },
): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get(
    '/v1/datasets/:dataset/views/:view/live',
    { schema: FOLLOW, exposeHeadRoute: false },
    async (request, reply) => {
      const { dataset, view } = request.params
      const { lastEventId, ...texts } = request.query
      const target = servedUnder(parts.datasets, dataset)
      const query = parseQuery(dataset, view, texts)
      const question = { target, query, atLeast: parseAtLeast(texts, target), required: parseRequire(texts) }
      return followAnswer(parts, question, request, reply)
    },
  )
}

/** Whether the client asks for a stream of events instead of one answer. */
export function wantsEvents({ method, headers }: FastifyRequest): boolean {
  if (method === 'HEAD') return false
  return (headers.accept ?? '')
    .split(',')
    .some((type) => type.split(';')[0]!.trim().toLowerCase() === EVENT_STREAM_TYPE)
}

/** Whether the response is a stream of events: its duration is no measure of anything. */
export function isFollowed({ raw }: FastifyReply): boolean {
  return raw.getHeader('content-type') === EVENT_STREAM_TYPE
}

/**
 * Answers with a stream of events, which goes on until the client leaves or the server stops.
 * @throws QueryError, TooManyReadersError, ProblemError; what goes wrong later is an event of the stream
 */
export function followAnswer(
  parts: LiveRouteParts,
  question: Question,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { subscriptions, limits } = parts
  const subscription = subscriptionOf(question, clientOf(request), lastIdOf(request))
  subscriptions.assertRoom(subscription)
  const raw = beginStream(limits, reply)
  const gone = subscriptions.follow(subscription, (drained) => new LiveReader(raw, limits, drained))
  whenOver(reply, gone)
  return reply
}

/** @throws ProblemError, QueryError */
export function subscriptionOf(
  { target, query, atLeast, required }: Question,
  client: string,
  lastId: string | null,
): Subscription {
  const { live } = target
  if (live === undefined)
    throw new ProblemError('not-found', 'this process does not follow the log: it has no live answers')
  if (query.cursor !== undefined) throw new QueryError('cursor', 'an answer that is followed has no pages')
  const asked = live.asked(query)
  assertBounded(asked.plan)
  return {
    live,
    asked,
    check: (answers, kept) => assertRequired(required, kept.meta, answers.whyMissing(kept)),
    required: JSON.stringify(required),
    client,
    lastId,
    atLeast,
  }
}

/** Sends the headers of a stream, which is written to the returned response from then on. */
export function beginStream({ reconnectMs }: SubscriptionLimits, reply: FastifyReply): ServerResponse {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(STREAM_HEADERS)) raw.setHeader(name, value)
  // Not all at once, when many lost their server.
  raw.write(`retry: ${Math.round(reconnectMs * (1 + Math.random()))}\n\n`)
  return raw
}

/** @throws QueryError */
function lastIdOf({ headers, query }: FastifyRequest): string | null {
  const given = headers['last-event-id'] ?? (query as { readonly lastEventId?: string }).lastEventId
  return eventIdIn('Last-Event-ID', given)
}

/** @throws QueryError */
export function eventIdIn(field: string, given: string | readonly string[] | undefined): string | null {
  const id = given === undefined || given === '' ? null : String(given)
  if (id === null || positionOfEventId(id) !== null) return id
  throw new QueryError(field, `'${id}' is not the id of an event of this stream (example: 0:1200,1:845/kZ3fJ0a_x2Qd)`)
}
