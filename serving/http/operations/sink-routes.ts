/** The route that lists sinks and their states. */
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { SINKS } from '#serving/http/contract/schemas/sinks.ts'

export type ServedSink = Readonly<z.output<typeof SINKS>['sinks'][number]>

const LIST_SCHEMA = {
  operationId: 'listSinks',
  summary: 'List the sinks of all datasets: state, deliveries and what the receiver has',
  querystring: NO_QUERY,
  response: responsesOf(200, 'The sinks', JSON_TYPE, SINKS, ['bad-query']),
}

export function sinkRoutes(app: FastifyInstance, sinks: () => Promise<readonly ServedSink[]>): void {
  app.get('/v1/sinks', { schema: LIST_SCHEMA }, async () => ({ sinks: await sinks() }))
}
