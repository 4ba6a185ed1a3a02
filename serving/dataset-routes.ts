/** What can be asked: definitions, merged views, generations and dead letters. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { nearest } from '#core/definition-error.ts'
import type { Metrics } from '#telemetry/metrics.ts'
import { DEAD_LETTERS_MAX, deadLettersJson } from './dead-letters.ts'
import { describeDataset } from './describe-dataset.ts'
import { answerQuery } from './merged-view.ts'
import { parseQuery, type QueryTexts } from './parse-query.ts'
import { ProblemError } from './problems.ts'
import type { QueryGate } from './query-gate.ts'
import type { ServedDataset } from './snapshot.ts'

export interface DatasetRouteParts {
  readonly datasets: ReadonlyMap<string, ServedDataset>
  readonly gate: QueryGate
  readonly queryMsMax: number
  readonly metrics: Metrics
}

type ViewRequest = FastifyRequest<{ Params: { dataset: string; view: string }; Querystring: QueryTexts }>
type DatasetRequest = FastifyRequest<{ Params: { dataset: string }; Querystring: { limit?: string } }>

export function datasetRoutes(app: FastifyInstance, parts: DatasetRouteParts): void {
  const { datasets, gate, metrics } = parts
  const served = (name: string): ServedDataset => {
    const found = datasets.get(name)
    if (found) return found
    const names = [...datasets.keys()]
    throw new ProblemError('not-found', `dataset '${name}' is unknown${nearest(name, names)}`, { allowed: names })
  }
  app.get('/v1/datasets', async () => ({
    datasets: [...datasets.values()].map(({ dataset }) => describeDataset(dataset)),
  }))
  app.get('/v1/datasets/:dataset', async (request: DatasetRequest) =>
    describeDataset(served(request.params.dataset).dataset),
  )
  app.get('/v1/datasets/:dataset/views/:view', async (request: ViewRequest, reply) => {
    const { dataset, view } = request.params
    const query = parseQuery(dataset, view, request.query)
    const target = served(dataset)
    const began = performance.now()
    const answer = await gate.run(() => answerQuery(target, query, { queryMsMax: parts.queryMsMax }))
    metrics.queryAnswered(dataset, view, performance.now() - began)
    return reply
      .type('application/json; charset=utf-8')
      .send(`{"data":${answer.rowsJson},"meta":${JSON.stringify(answer.meta)}}`)
  })
  app.get('/v1/datasets/:dataset/generations', async (request: DatasetRequest) => {
    const { lake } = served(request.params.dataset)
    const [current, generations] = [await lake.current(), await lake.generations()]
    return {
      current: current?.id ?? null,
      generations: generations.map(
        ({ id, mode, boundary, rows, deadLetters, lateRows, startedAtMs, finishedAtMs }) => ({
          id,
          mode,
          boundary,
          rows,
          deadLetters,
          lateRows,
          finishedAt: new Date(finishedAtMs).toISOString(),
          tookMs: finishedAtMs - startedAtMs,
        }),
      ),
    }
  })
  app.get('/v1/datasets/:dataset/dead-letters', async (request: DatasetRequest, reply) => {
    const limit = Number(request.query.limit ?? 100)
    if (!Number.isInteger(limit) || limit < 1 || limit > DEAD_LETTERS_MAX)
      throw new ProblemError('bad-query', `limit: must be a whole number from 1 to ${DEAD_LETTERS_MAX}`)
    const target = served(request.params.dataset)
    return reply
      .type('application/json; charset=utf-8')
      .send(`{"data":${await gate.run(() => deadLettersJson(target, limit))}}`)
  })
}
