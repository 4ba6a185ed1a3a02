/** POST /v1/datasets/{dataset}/query: the query model as JSON; the same question as a GET of the view, and the same kept answer. */
import type { IncomingMessage } from 'node:http'
import {
  errorCodes,
  type FastifyInstance,
  type FastifyRequest,
  type FastifySchema,
  type FastifySchemaCompiler,
} from 'fastify'
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { QUERY_LIMITS } from '#core/query.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { DATASET_PARAMS, FOLLOW_QUERY, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { receivedBody } from '#serving/http/intake/received-body.ts'
import { ProblemError } from '#serving/http/problems.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { askView, type Question } from './ask-view.ts'
import { explainAnswer, ONLY_JSON } from './explain-answer.ts'
import { type ExportParts, exportAnswer, NOT_FOLLOWED } from './export-answer.ts'
import { FOLLOW_RESPONSE, followAnswer, type LiveRouteParts, wantsEvents } from './live-route.ts'
import { requiredOf } from './parse-query.ts'
import { QUERY_BODY, readQueryBody } from './query-body.ts'
import { positionOf, queryOf } from './query-of.ts'
import { askedFormat, sendAnswer } from './send-answer.ts'

export interface QueryRouteParts extends ExportParts {
  readonly following: LiveRouteParts
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
}

const QUERY = {
  operationId: 'query',
  summary:
    'Query a view or series; everything that a GET of the view can ask, with conditions combined by and, or and not',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  body: QUERY_BODY,
}

const FOLLOW = {
  operationId: 'followQuery',
  summary: 'Follow a query as server-sent events, for clients that can only GET: first its answer, then what changes',
  params: DATASET_PARAMS,
  querystring: FOLLOW_QUERY,
  response: FOLLOW_RESPONSE,
}

/** The body is documented by its schema, and checked by a reader with messages for people. */
const withoutBody: FastifySchemaCompiler<z.ZodType> = (route) =>
  route.httpPart === 'body' ? (value: unknown) => ({ value }) : validatorCompiler(route)

/** @param response of a route that answers queries */
export function queryRoute(routes: FastifyInstance, parts: QueryRouteParts, response: FastifySchema['response']): void {
  routes.register(async (plain) => {
    plain.setValidatorCompiler(withoutBody)
    plain.removeAllContentTypeParsers()
    plain.addContentTypeParser('application/json', readText)
    plain.addContentTypeParser('*', async () => {
      throw new ProblemError('unsupported-type', 'send a query as application/json')
    })
    plain.withTypeProvider<ZodTypeProvider>().post('/v1/datasets/:dataset/query', {
      schema: { ...QUERY, response },
      bodyLimit: QUERY_LIMITS.queryBytesMax,
      handler: async (request, reply) => {
        const target = servedUnder(parts.datasets, request.params.dataset)
        const question = questionOf(target, request.body as unknown)
        if (wantsEvents(request)) return followAnswer(parts.following, followed(question), request, reply)
        const as = askedFormat(request, {})
        if (question.everyRow) return exportAnswer(parts, question, as, request, reply)
        if (question.explain) return explainAnswer(parts, question, as, request, reply)
        return sendAnswer(parts, question, await askView(parts, question, request, reply), as, request, reply)
      },
    })
    plain
      .withTypeProvider<ZodTypeProvider>()
      .get('/v1/datasets/:dataset/query/live', { schema: FOLLOW, exposeHeadRoute: false }, async (request, reply) => {
        const target = servedUnder(parts.datasets, request.params.dataset)
        return followAnswer(parts.following, followed(questionOf(target, request.query.q)), request, reply)
      })
  })
}

interface AskedQuestion extends Question {
  /** `limit` is `all` */
  readonly everyRow: boolean
  /** it is to say how it came about */
  readonly explain: boolean
}

/** @throws QueryError */
function followed(question: AskedQuestion): Question {
  if (question.everyRow) throw new QueryError('limit', NOT_FOLLOWED)
  if (question.explain) throw new QueryError('explain', ONLY_JSON)
  return question
}

function questionOf(target: AnsweredDataset, sent: unknown): AskedQuestion {
  if (typeof sent !== 'string' || sent.trim() === '')
    throw new ProblemError('bad-request', 'the body is empty; send a query as JSON, for example {"view": "by_country"}')
  const body = readQueryBody(sent)
  return {
    target,
    query: queryOf(target.dataset.name, body),
    atLeast: positionOf(body.atLeast, target),
    required: requiredOf(body.require ?? []),
    everyRow: body.limit === 'all',
    explain: body.explain === true,
  }
}

async function readText({ headers }: FastifyRequest, payload: IncomingMessage): Promise<string> {
  const { queryBytesMax } = QUERY_LIMITS
  try {
    return (await receivedBody(payload, headers['content-length'], queryBytesMax)).toString()
  } catch (error) {
    if (!(error instanceof errorCodes.FST_ERR_CTP_BODY_TOO_LARGE)) throw error
    throw new ProblemError('too-large', `the query is larger than queryBytesMax = ${queryBytesMax} bytes`)
  }
}
