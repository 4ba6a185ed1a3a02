/** GET /v1/datasets/{dataset}/health: how a dataset does, from its sources to its answers. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { DatasetHealth } from '#serving/health/dataset-health.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { DATASET_PARAMS, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { DATASET_HEALTH } from '#serving/http/contract/schemas/dataset-health.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { shownHealth } from './shown-health.ts'
import type { ServedSource } from './source-routes.ts'

/** rates are of samples that are taken this often, whether somebody asks or not */
const SAMPLE_EVERY_MS = 2_000

const SCHEMA = {
  operationId: 'datasetHealth',
  summary: 'How a dataset does, hop by hop: positions, lag, rates, freshness, and what to do',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'Its state', JSON_TYPE, DATASET_HEALTH, ['bad-query', 'not-found']),
}

export interface DatasetHealthParts {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly sources: () => Promise<readonly ServedSource[]>
  /** dataset → how many events a second its demo sends */
  readonly demos: ReadonlyMap<string, number>
}

export function datasetHealthRoute(app: FastifyInstance, { datasets, sources, demos }: DatasetHealthParts): void {
  const health = new Map([...datasets].map(([name, served]) => [name, new DatasetHealth(served)]))
  let sampling: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    sampling = setInterval(() => {
      for (const each of health.values()) void each.sample()
    }, SAMPLE_EVERY_MS).unref()
  })
  app.addHook('onClose', async () => clearInterval(sampling))
  app
    .withTypeProvider<ZodTypeProvider>()
    .get('/v1/datasets/:dataset/health', { schema: SCHEMA }, async ({ params: { dataset } }) => {
      const asked = servedUnder(health, dataset)
      const own = (await sources()).filter((source) => source.dataset === dataset)
      const demoEventsPerSecond = demos.get(dataset) ?? null
      return shownHealth(await asked.facts({ sources: own, demoEventsPerSecond }), own)
    })
}
