/** The route that lists sources and their states. */
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { SOURCES } from '#serving/http/contract/schemas/sources.ts'

export type ServedSource = Readonly<z.output<typeof SOURCES>['sources'][number]>

const LIST_SCHEMA = {
  operationId: 'listSources',
  summary: 'List the sources of all datasets: state, cursor, events and lag',
  querystring: NO_QUERY,
  response: responsesOf(200, 'The sources', JSON_TYPE, SOURCES, ['bad-query']),
}

export function sourceRoutes(app: FastifyInstance, sources: () => Promise<readonly ServedSource[]>): void {
  app.get('/v1/sources', { schema: LIST_SCHEMA }, async () => ({ sources: await sources() }))
}
