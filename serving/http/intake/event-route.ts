/** POST /v1/datasets/{dataset}/events: answers 202 only after the accepted events are durable. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { DATASET_PARAMS, EVENTS_HEADERS, EVENTS_QUERY } from '#serving/http/contract/request-schemas.ts'
import { EVENT_BODY, type EventBodies } from './event-bodies.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import type { IntakePort } from './intake-port.ts'
import { sendTaken, takenResponses } from './taken-reply.ts'

const SCHEMA = {
  operationId: 'takeEvents',
  summary: 'Ingest events; answers 202 once the accepted ones are durable',
  params: DATASET_PARAMS,
  querystring: EVENTS_QUERY,
  headers: EVENTS_HEADERS,
  response: takenResponses('bad-request'),
}

export function eventRoute(app: FastifyInstance, intakes: ReadonlyMap<string, IntakePort>, bodies: EventBodies): void {
  const options = { schema: SCHEMA, config: { describedBody: EVENT_BODY } }
  app.withTypeProvider<ZodTypeProvider>().post('/v1/datasets/:dataset/events', {
    ...options,
    preParsing: async (request, reply) => {
      // Before the body is received: an invalid key must not cost that.
      idempotencyKeyOf(request.headers['idempotency-key'])
      bodies.expect(request, reply, servedUnder(intakes, request.params.dataset).room())
    },
    handler: async (request, reply) => {
      const intake = servedUnder(intakes, request.params.dataset)
      const key = idempotencyKeyOf(request.headers['idempotency-key'])
      const { body, format } = await bodies.unpacked(request)
      const result = await intake.offerBody(body, format, request.query.verdicts ?? 'rejected', key)
      return sendTaken(reply, result, key !== undefined)
    },
  })
}
