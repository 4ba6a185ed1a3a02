/** The read routes: definitions, merged views and generations. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { QueryError } from '#serving/answers/query-error.ts'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { ANSWER_PROBLEMS, JSON_TYPE, NOT_MODIFIED, responsesOf } from '#serving/http/contract/openapi.ts'
import {
  DATASET_PARAMS,
  NO_QUERY,
  VIEW_AS_PARAMS,
  VIEW_AS_QUERY,
  VIEW_PARAMS,
} from '#serving/http/contract/request-schemas.ts'
import { ANSWER } from '#serving/http/contract/schemas/answer.ts'
import { DATASET, DATASETS } from '#serving/http/contract/schemas/dataset.ts'
import { OTHER_FORMATS } from '#serving/http/contract/schemas/formats.ts'
import { GENERATIONS } from '#serving/http/contract/schemas/generations.ts'
import { shownRun } from '#serving/http/operations/shown-run.ts'
import type { ProblemType } from '#serving/http/problems.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { askView } from './ask-view.ts'
import { describeDataset } from './describe-dataset.ts'
import { explainAnswer } from './explain-answer.ts'
import { type ExportParts, exportAnswer, NOT_FOLLOWED } from './export-answer.ts'
import { inTurn, whenGone } from './in-turn.ts'
import { followAnswer, type LiveRouteParts, wantsEvents } from './live-route.ts'
import { parseAtLeast, parseQuery, parseRequire } from './parse-query.ts'
import { queryRoute } from './query-route.ts'
import { askedFormat, sendAnswer } from './send-answer.ts'

export interface DatasetRouteParts extends ExportParts {
  readonly following: LiveRouteParts
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
}

interface AskRequest extends FastifyRequest {
  readonly params: z.output<typeof VIEW_PARAMS> & { readonly format?: string }
  readonly query: z.output<typeof VIEW_AS_QUERY>
}

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
/** Of a route that answers queries. @param more problems of this route */
function answerResponses(...more: ProblemType[]): FastifySchema['response'] {
  const problems = [...ANSWER_PROBLEMS, ...more]
  const answers = responsesOf(200, 'The rows and their provenance', JSON_TYPE, ANSWER, problems, OTHER_FORMATS)
  return Object.assign(answers, NOT_MODIFIED) as FastifySchema['response']
}
const ASK_RESPONSES = answerResponses()
const ASK = {
  operationId: 'askView',
  summary: 'Query a view; the answer merges batch and speed layer and reports its provenance',
  params: VIEW_PARAMS,
  querystring: VIEW_AS_QUERY,
  response: ASK_RESPONSES,
}
const ASK_AS = {
  operationId: 'askViewAs',
  summary: 'Query a view, in the format of the extension, whatever the Accept header says',
  params: VIEW_AS_PARAMS,
  querystring: VIEW_AS_QUERY,
  response: ASK_RESPONSES,
}
const GENERATIONS_OF = {
  operationId: 'listGenerations',
  summary: 'List the generations that the batch layer published, oldest first, and the current one',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The retained generations', JSON_TYPE, GENERATIONS, [...READS, 'busy', 'query-timeout']),
}
export function datasetRoutes(plain: FastifyInstance, parts: DatasetRouteParts): void {
  const { datasets } = parts
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get('/v1/datasets', { schema: LIST }, async () => ({
    datasets: [...datasets.values()].map(({ dataset }) => describeDataset(dataset)),
  }))
  app.get('/v1/datasets/:dataset', { schema: DESCRIBE }, async (request) =>
    describeDataset(servedUnder(datasets, request.params.dataset).dataset),
  )
  const ask = async (request: AskRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { dataset, view, format: extension } = request.params
    const { bom, explain, ...texts } = request.query
    const follows = extension === undefined && wantsEvents(request)
    const as = follows ? null : askedFormat(request, { extension, bom })
    const target = servedUnder(datasets, dataset)
    const isExport = texts.limit === 'all'
    const query = parseQuery(dataset, view, isExport ? { ...texts, limit: undefined } : texts)
    const question = { target, query, atLeast: parseAtLeast(texts, target), required: parseRequire(texts) }
    const isExplained = explain === 'true'
    if (as !== null && isExport) return exportAnswer(parts, { ...question, explain: isExplained }, as, request, reply)
    if (isExplained) return explainAnswer(parts, question, as, request, reply)
    if (as === null && isExport) throw new QueryError('limit', NOT_FOLLOWED)
    if (as === null) return followAnswer(parts.following, question, request, reply)
    return sendAnswer(parts, question, await askView(parts, question, request, reply), as, request, reply)
  }
  app.get('/v1/datasets/:dataset/views/:view', { schema: ASK }, ask)
  app.get('/v1/datasets/:dataset/views/:view.:format', { schema: ASK_AS }, ask)
  queryRoute(plain, parts, answerResponses('too-large', 'unsupported-type'))
  app.get('/v1/datasets/:dataset/generations', { schema: GENERATIONS_OF }, (request, reply) => {
    const target = servedUnder(datasets, request.params.dataset)
    return inTurn(parts, request, whenGone(reply), () => generationsOf(target))
  })
}

async function generationsOf({ lake }: AnsweredDataset): Promise<z.output<typeof GENERATIONS>> {
  const [current, generations, run] = [await lake.current(), await lake.generations(), await lake.run()]
  return {
    current: current?.id ?? null,
    run: shownRun(run),
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
