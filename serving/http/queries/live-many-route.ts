/** Many live answers over one connection, for pages: browsers open only six to one host. docs/reference/live.md. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nearest } from '#core/definition-error.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { responsesOf } from '#serving/http/contract/openapi.ts'
import { NO_QUERY, VIEW_QUERY } from '#serving/http/contract/request-schemas.ts'
import { placeOf } from '#serving/http/contract/schema-message.ts'
import { EVENT_STREAM } from '#serving/http/contract/schemas/event-stream.ts'
import { jsonBodies } from '#serving/http/intake/json-bodies.ts'
import { type Problem, problemOfError } from '#serving/http/problems.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { noticeBytes } from '#serving/subscriptions/answer-events.ts'
import { LiveReader } from '#serving/subscriptions/live-reader.ts'
import type { Subscription } from '#serving/subscriptions/live-subscriptions.ts'
import { clientOf } from './in-turn.ts'
import { beginStream, EVENT_STREAM_TYPE, eventIdIn, type LiveRouteParts, subscriptionOf } from './live-route.ts'
import { parseAtLeast, parseQuery, parseRequire, QUERY_PARAMETERS } from './parse-query.ts'

/** answers of one stream */
export const FOLLOWED_MAX = 100
export const PAUSE_MS_MAX = 60_000
/** after this long a stream ends, and its client opens it anew: whether it may read is checked again */
export const STREAM_MS_MAX = 600_000

const ONE = z.strictObject({
  dataset: z.string().describe('Name of a dataset'),
  view: z.string().describe('Name of one of its views or series'),
  parameters: z
    .record(z.string(), z.union([z.string(), z.array(z.string())]))
    .optional()
    .describe('Parameters as those of a merged answer'),
  lastEventId: z.string().optional().describe('Id of the last event that the client has of this answer'),
  pauseMs: z
    .int()
    .min(0)
    .max(PAUSE_MS_MAX)
    .optional()
    .describe('Minimum interval between two events of this answer, ms; at least `eventPauseMs`'),
})
type Followed = z.output<typeof ONE>

const FOLLOW_MANY = {
  operationId: 'followViews',
  summary: 'Follow many views over one connection',
  querystring: NO_QUERY,
  body: z.strictObject({ queries: z.array(ONE).min(1).max(FOLLOWED_MAX) }),
  response: responsesOf(
    200,
    'Before each event one named `of`, whose `query` is the place of the query that it belongs to',
    EVENT_STREAM_TYPE,
    EVENT_STREAM,
    ['bad-query', 'too-large', 'unsupported-type'],
  ),
}

type ManyParts = LiveRouteParts & { readonly datasets: ReadonlyMap<string, AnsweredDataset> }

export function liveManyRoute(app: FastifyInstance, parts: ManyParts): void {
  jsonBodies(app, (scope) => {
    scope.withTypeProvider<ZodTypeProvider>().post('/v1/live', { schema: FOLLOW_MANY }, async (request, reply) => {
      const raw = beginStream(parts.limits, reply)
      const { queries } = request.body
      raw.setMaxListeners(queries.length + raw.getMaxListeners())
      const open = new Set(queries.keys())
      const ended = (index: number): void => {
        open.delete(index)
        if (open.size === 0) raw.end()
      }
      const over = setTimeout(() => raw.end(), STREAM_MS_MAX)
      raw.once('close', () => clearTimeout(over))
      for (const [index, query] of queries.entries()) {
        const part = { index, prefix: noticeBytes('of', { query: index }), ended: () => ended(index) }
        follow(parts, query, clientOf(request), raw, part)
      }
      return reply
    })
  })
}

/** What is wrong with one query is told in its part of the stream; the others are followed. */
function follow(
  { datasets, subscriptions, limits }: ManyParts,
  followed: Followed,
  client: string,
  raw: ServerResponse,
  part: { readonly index: number; readonly prefix: Buffer; readonly ended: () => void },
): void {
  try {
    const subscription = { ...wantedOf(datasets, followed, client), pauseMs: followed.pauseMs }
    const gone = subscriptions.follow(subscription, (drained) => new LiveReader(raw, limits, drained, part))
    raw.once('close', gone)
  } catch (error) {
    raw.write(part.prefix)
    raw.write(noticeBytes('problem', placed(problemOfError(error), part.index)))
  }
}

/** Members of a query that are not parameters. */
const MEMBERS: readonly string[] = Object.keys(ONE.shape)

/** The problem, with the place in the body that it is about. */
function placed(problem: Problem, index: number): Problem {
  const { field, detail } = problem
  if (typeof field !== 'string') return { ...problem, detail: `${placeOf(['queries', index])}: ${detail}` }
  const place = placeOf(['queries', index, ...(MEMBERS.includes(field) ? [field] : ['parameters', field])])
  const [said, why] = [`${field}: `, detail]
  return { ...problem, field: place, detail: `${place}: ${why.startsWith(said) ? why.slice(said.length) : why}` }
}

/** @throws QueryError; ProblemError for an unknown dataset */
function wantedOf(
  datasets: ReadonlyMap<string, AnsweredDataset>,
  { dataset, view, parameters = {}, lastEventId }: Followed,
  client: string,
): Subscription {
  const known = VIEW_QUERY.safeParse(parameters)
  if (!known.success) {
    const [issue] = known.error.issues
    if (issue!.code === 'unrecognized_keys') {
      const [name] = issue!.keys as [string]
      throw new QueryError(name, `unknown parameter${nearest(name, QUERY_PARAMETERS)}`, QUERY_PARAMETERS)
    }
    throw new QueryError(String(issue!.path[0]), 'is given more than once')
  }
  const target = servedUnder(datasets, dataset)
  const query = parseQuery(dataset, view, known.data)
  const question = {
    target,
    query,
    atLeast: parseAtLeast(known.data, target),
    required: parseRequire(known.data),
  }
  return subscriptionOf(question, client, eventIdIn('lastEventId', lastEventId))
}
