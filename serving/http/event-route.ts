/** POST /v1/datasets/{dataset}/events: answers 202 only after the accepted events are durable. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { positionAfter, positionText } from '#core/log-position.ts'
import type { OffsetRange } from '#core/offsets.ts'
import { servedUnder } from '../answers/unknown-name.ts'
import { unpackedBody } from './body-encoding.ts'
import type { BodyRoom } from './body-room.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import { type DescribedBody, JSON_TYPE, responsesOf } from './openapi.ts'
import { ProblemError, problemOf } from './problems.ts'
import { receivedBody } from './received-body.ts'
import { DATASET_PARAMS, EVENTS_HEADERS, EVENTS_QUERY } from './request-schemas.ts'
import { TAKEN } from './response-schemas.ts'

export interface EventVerdict {
  readonly index: number
  readonly status: 'accepted' | 'rejected'
  readonly partition?: number
  readonly offset?: number
  readonly reason?: string
}

/** Accepts events; the composition root passes the ingest tier's intake. */
export interface IntakePort {
  /** for one body, while it is received; an offered one counts by itself */
  room(): BodyRoom
  /** @param verdicts rows that get a verdict; @param key under which the body counts once, however often it is offered */
  offerBody(body: Buffer, format: 'json' | 'ndjson', verdicts: 'all' | 'rejected', key?: string): Promise<OfferResult>
}

/** Values of accepted events that could not be converted. */
export interface ColumnWarning {
  readonly column: string
  /** events concerned */
  readonly events: number
  readonly examples: readonly { readonly index: number; readonly value: string }[]
}

export interface OfferResult {
  readonly verdicts: readonly EventVerdict[]
  readonly accepted: number
  readonly rejected: number
  readonly warnings: readonly ColumnWarning[]
  /** where the accepted events are in the log */
  readonly appended: readonly OffsetRange[]
  /** they were there before */
  readonly repeated: boolean
}

const FORMATS = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/plain': 'ndjson',
} as const

const EVENT = { type: 'object', description: 'One event, as the dataset defines it' }

const BODY: DescribedBody = {
  description: 'Events: a JSON array, one JSON object, or NDJSON; uncompressed, or with content-encoding gzip',
  content: Object.fromEntries(
    Object.entries(FORMATS).map(([type, format]) => [
      type,
      {
        schema:
          format === 'json'
            ? { oneOf: [{ type: 'array', items: EVENT }, EVENT] }
            : { type: 'string', description: 'One event per line' },
      },
    ]),
  ),
}

const SCHEMA = {
  operationId: 'takeEvents',
  summary: 'Ingest events; answers 202 once the accepted ones are durable',
  params: DATASET_PARAMS,
  querystring: EVENTS_QUERY,
  headers: EVENTS_HEADERS,
  response: responsesOf(202, 'The accepted events are durable', JSON_TYPE, TAKEN, [
    'bad-request',
    'bad-query',
    'all-rejected',
    'not-found',
    'key-reused',
    'too-large',
    'unsupported-type',
    'busy',
    'storage-fault',
  ]),
}

export function eventRoute(app: FastifyInstance, intakes: ReadonlyMap<string, IntakePort>): void {
  const rooms = new WeakMap<FastifyRequest, BodyRoom>()
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(Object.keys(FORMATS), (request: FastifyRequest, payload: IncomingMessage) => {
    const { headers, routeOptions } = request
    return receivedBody(payload, headers['content-length'], routeOptions.bodyLimit, rooms.get(request))
  })
  const options = { schema: SCHEMA, config: { describedBody: BODY } }
  app.withTypeProvider<ZodTypeProvider>().post('/v1/datasets/:dataset/events', {
    ...options,
    preParsing: async (request, reply) => {
      // Before the body is received: an invalid key must not cost that.
      idempotencyKeyOf(request.headers['idempotency-key'])
      const room = servedUnder(intakes, request.params.dataset).room()
      rooms.set(request, room)
      // However the request ends, also when it is refused before its handler runs, or its client is gone.
      reply.raw.once('close', () => room.free())
    },
    handler: async (request, reply) => {
      const intake = servedUnder(intakes, request.params.dataset)
      const room = rooms.get(request)!
      const key = idempotencyKeyOf(request.headers['idempotency-key'])
      const body = await bodyOf(request, room)
      if (body.length === 0)
        throw new ProblemError('bad-request', 'the body is empty; send a JSON array of events, or NDJSON')
      room.free()
      const result = await intake.offerBody(body, formatOf(request), request.query.verdicts ?? 'rejected', key)
      const answer = { accepted: result.accepted, rejected: result.rejected, rows: result.verdicts }
      if (result.accepted > 0 || result.rejected === 0) {
        const position = positionText(positionAfter(result.appended))
        const { warnings } = result
        const repeated = key === undefined ? {} : { repeated: result.repeated }
        return reply.code(202).send({ ...answer, position, ...(warnings.length > 0 && { warnings }), ...repeated })
      }
      const problem = problemOf(
        'all-rejected',
        `all ${result.rejected} events were rejected; reason for the first: ${result.verdicts[0]?.reason}`,
        answer,
      )
      return reply.code(problem.status).type('application/problem+json').send(problem)
    },
  })
}

async function bodyOf({ body, headers, raw, routeOptions }: FastifyRequest, room: BodyRoom): Promise<Buffer> {
  if (!Buffer.isBuffer(body) || body.length === 0) return Buffer.alloc(0)
  const isGone = (): boolean => raw.socket.destroyed
  const unpacked = await unpackedBody(body, headers['content-encoding'], routeOptions.bodyLimit, isGone)
  room.take(unpacked.length)
  return unpacked
}

function formatOf(request: FastifyRequest): 'json' | 'ndjson' {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  return FORMATS[type as keyof typeof FORMATS] ?? 'json'
}
