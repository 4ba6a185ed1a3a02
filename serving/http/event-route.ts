/** POST /v1/datasets/{dataset}/events: answers 202 only after the accepted events are durable. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { BodyFormat } from '#core/body-format.ts'
import { positionAfter, positionText } from '#core/log-position.ts'
import type { OffsetRange } from '#core/offsets.ts'
import { servedUnder } from '../answers/unknown-name.ts'
import { unpackedBody } from './body-encoding.ts'
import { type BODY_TYPES, type BodyParameters, bodyFormatOf, isBinaryCloudEvent } from './body-format.ts'
import type { BodyRoom } from './body-room.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import { type DescribedBody, JSON_TYPE, responsesOf } from './openapi.ts'
import { ProblemError, problemOf } from './problems.ts'
import { receivedBody } from './received-body.ts'
import { DATASET_PARAMS, EVENTS_HEADERS, EVENTS_QUERY } from './request-schemas.ts'
import { TAKEN } from './response-schemas.ts'

export interface EventVerdict {
  readonly index: number
  /** of CSV: the line of the body where the record begins */
  readonly line?: number
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
  offerBody(body: Buffer, format: BodyFormat, verdicts: 'all' | 'rejected', key?: string): Promise<OfferResult>
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

const EVENT = { type: 'object', description: 'One event, as the dataset defines it' }
const CLOUD_EVENT = {
  type: 'object',
  description: 'A CloudEvent 1.0 in JSON format, which is the event as the dataset defines it',
  required: ['specversion', 'id', 'source', 'type'],
}
const text = (description: string) => ({ type: 'string', description })

const SCHEMAS: Readonly<Record<keyof typeof BODY_TYPES, Readonly<Record<string, unknown>>>> = {
  'application/json': { oneOf: [{ type: 'array', items: EVENT }, EVENT] },
  'application/x-ndjson': text('One event per line'),
  'application/jsonl': text('One event per line'),
  'text/plain': text('One event per line'),
  'text/csv': text('A header line, then one event per record; see the parameters delimiter, columns and decimalComma'),
  'text/tab-separated-values': text('As text/csv, separated by tabs'),
  'application/vnd.apache.arrow.stream': { ...text('An Arrow IPC stream: one event per row'), format: 'binary' },
  'application/cloudevents+json': CLOUD_EVENT,
  'application/cloudevents-batch+json': { type: 'array', items: CLOUD_EVENT },
}

const BODY: DescribedBody = {
  description:
    'Events in one of these formats, uncompressed or with content-encoding gzip; or the data of one CloudEvent in binary mode, with its attributes in ce- headers',
  content: Object.fromEntries(Object.entries(SCHEMAS).map(([type, schema]) => [type, { schema }])),
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
  // Any type: the data of a CloudEvent may have one that is not in the list.
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const { headers, routeOptions } = request
    // Before the body is received: an unknown type must not cost that.
    bodyFormatOf(headers, request.query as BodyParameters)
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
      const format = bodyFormatOf(request.headers, request.query)
      const body = await bodyOf(request, room)
      if (body.length === 0 && !isBinaryCloudEvent(request.headers))
        throw new ProblemError('bad-request', 'the body is empty; send a JSON array of events, or NDJSON')
      room.free()
      const result = await intake.offerBody(body, format, request.query.verdicts ?? 'rejected', key)
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
