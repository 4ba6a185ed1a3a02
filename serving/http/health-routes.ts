/** What operators and programs look at first: what there is, whether it lives, whether it works, how much. */
import type { FastifyInstance, FastifySchema } from 'fastify'
import type { Metrics } from '#telemetry/metrics.ts'
import { JSON_TYPE, OPENAPI_ROUTE, responsesOf } from './openapi.ts'
import { ANY_QUERY, NO_QUERY } from './request-schemas.ts'
import { ALIVE, INDEX, METRICS_TEXT, READINESS } from './response-schemas.ts'

/** One part of the platform as /readyz tells of it. */
export interface ServedPart {
  readonly name: string
  readonly ready: boolean
  /** one word: running, idle, retrying … */
  readonly state: string
  /** numbers, and since when what is wrong */
  readonly detail: string
}

export interface HealthRouteParts {
  readonly datasets: ReadonlyMap<string, unknown> | null
  readonly metrics: Metrics
  readonly parts: () => Promise<readonly ServedPart[]>
}

const INDEX_SCHEMA = {
  operationId: 'index',
  summary: 'What is here',
  querystring: NO_QUERY,
  response: responsesOf(200, 'datasets and routes', JSON_TYPE, INDEX, ['bad-query']),
}
const LIVE_SCHEMA = {
  operationId: 'isAlive',
  security: [],
  summary: 'The process runs',
  querystring: ANY_QUERY,
  response: responsesOf(200, 'it does', JSON_TYPE, ALIVE, []),
}
const READY_SCHEMA = {
  operationId: 'isReady',
  security: [],
  summary: 'Whether every part works; each with its state',
  querystring: ANY_QUERY,
  response: Object.assign(responsesOf(200, 'every part works', JSON_TYPE, READINESS, []), {
    503: { description: 'at least one part does not work', content: { [JSON_TYPE]: { schema: READINESS } } },
  }) as FastifySchema['response'],
}
const METRICS_SCHEMA = {
  operationId: 'metrics',
  summary: 'Metrics for Prometheus',
  querystring: ANY_QUERY,
  response: responsesOf(200, 'the metrics', 'text/plain', METRICS_TEXT, []),
}

export function healthRoutes(app: FastifyInstance, parts: HealthRouteParts): void {
  const routes: string[] = []
  app.addHook('onRoute', ({ method, url }) => {
    if (method !== 'HEAD' && url !== '/') routes.push(`${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
  })
  app.get('/', { schema: INDEX_SCHEMA }, async () => ({
    product: 'watershed',
    document: OPENAPI_ROUTE,
    datasets: [...(parts.datasets?.keys() ?? [])].map((name) => `/v1/datasets/${name}`),
    routes,
  }))
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
