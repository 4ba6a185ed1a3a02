/** Routes for operators and probes: index, liveness, readiness, metrics and the OpenAPI document. */
import type { FastifyInstance, FastifySchema } from 'fastify'
import { z } from 'zod'
import { JSON_TYPE, NOT_MODIFIED, OPENAPI_ROUTE, responsesOf } from '#serving/http/contract/openapi.ts'
import { ANY_QUERY, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { ALIVE, INDEX, METRICS_TEXT, READINESS } from '#serving/http/contract/schemas/server-state.ts'
import type { Metrics } from '#telemetry/metrics.ts'
import { DOCS_PATH } from './docs-page.ts'
import { PAGE_PATHS, type PageFiles, sendShell, wantsPage } from './page-routes.ts'

/** One component of the platform, as /readyz reports it. */
export interface ServedPart {
  readonly name: string
  readonly ready: boolean
  /** one word: running, idle, retrying … */
  readonly state: string
  /** free text: numbers, and for a fault what is wrong and since when */
  readonly detail: string
}

export interface HealthRouteParts {
  readonly datasets: ReadonlyMap<string, unknown> | null
  readonly metrics: Metrics
  readonly parts: () => Promise<readonly ServedPart[]>
  readonly page?: PageFiles | null
}

const INDEX_SCHEMA = {
  operationId: 'index',
  summary: 'List datasets and routes; with `Accept: text/html` the live page',
  querystring: NO_QUERY,
  response: Object.assign(responsesOf(200, 'Datasets and routes', JSON_TYPE, INDEX, ['bad-query']), NOT_MODIFIED, {
    200: {
      description: 'Datasets and routes, or the page',
      content: { [JSON_TYPE]: { schema: INDEX }, 'text/html': { schema: z.string().describe('The live page') } },
    },
  }) as FastifySchema['response'],
}
const LIVE_SCHEMA = {
  operationId: 'isAlive',
  security: [],
  summary: 'Liveness: the process runs',
  querystring: ANY_QUERY,
  response: responsesOf(200, 'The process runs', JSON_TYPE, ALIVE, []),
}
const READY_SCHEMA = {
  operationId: 'isReady',
  security: [],
  summary: 'Readiness: the state of every component',
  querystring: ANY_QUERY,
  response: Object.assign(responsesOf(200, 'Every component is ready', JSON_TYPE, READINESS, []), {
    503: { description: 'At least one component is not ready', content: { [JSON_TYPE]: { schema: READINESS } } },
  }) as FastifySchema['response'],
}
const METRICS_SCHEMA = {
  operationId: 'metrics',
  summary: 'Metrics in the Prometheus text format',
  querystring: ANY_QUERY,
  response: responsesOf(200, 'The metrics', 'text/plain', METRICS_TEXT, []),
}

export function healthRoutes(app: FastifyInstance, parts: HealthRouteParts): void {
  const routes: string[] = []
  app.addHook('onRoute', ({ method, url }) => {
    if (method !== 'HEAD' && url !== '/' && !PAGE_PATHS.includes(url))
      routes.push(`${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
  })
  app.get('/', { schema: INDEX_SCHEMA }, async (request, reply) => {
    if (parts.page && wantsPage(request)) return sendShell(parts.page, request, reply)
    return reply.header('vary', 'accept').send({
      product: 'watershed',
      document: OPENAPI_ROUTE,
      docs: DOCS_PATH,
      datasets: [...(parts.datasets?.keys() ?? [])].map((name) => `/v1/datasets/${name}`),
      routes,
    })
  })
  app.get('/livez', { schema: LIVE_SCHEMA }, async () => ({ status: 'alive' }))
  app.get('/readyz', { schema: READY_SCHEMA }, async (_request, reply) => {
    const states = await parts.parts()
    const ready = states.every((part) => part.ready)
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', parts: states })
  })
  app.get('/metrics', { schema: METRICS_SCHEMA }, async (_request, reply) =>
    reply.type(parts.metrics.contentType).send(await parts.metrics.text()),
  )
  app.get(OPENAPI_ROUTE, { schema: { hide: true } }, async () => app.swagger())
}
