/** Bodies of events, from their first byte until they are offered. */
import type { IncomingMessage } from 'node:http'
import {
  errorCodes,
  type FastifyContextConfig,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import type { BodyFormat } from '#core/body-format.ts'
import type { DescribedBody } from '#serving/http/contract/openapi.ts'
import { ProblemError } from '#serving/http/problems.ts'
import { unpackedBody } from './body-encoding.ts'
import { type BODY_TYPES, type BodyParameters, bodyFormatOf, isBinaryCloudEvent } from './body-format.ts'
import type { BodyRoom } from './body-room.ts'
import { receivedBody } from './received-body.ts'

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

export const EVENT_BODY: DescribedBody = {
  description:
    'Events in one of these formats, uncompressed or with content-encoding gzip; or the data of one CloudEvent in binary mode, with its attributes in ce- headers',
  content: Object.fromEntries(Object.entries(SCHEMAS).map(([type, schema]) => [type, { schema }])),
}

const { FST_ERR_CTP_BODY_TOO_LARGE } = errorCodes

declare module 'fastify' {
  interface FastifyContextConfig {
    /** the setting that limits bodies of the route; default: requestBytesMax */
    readonly bodyLimitName?: string
  }
}

export interface UnpackedBody {
  readonly body: Buffer
  readonly format: BodyFormat
}

export class EventBodies {
  readonly #rooms = new WeakMap<FastifyRequest, BodyRoom>()

  /** Replaces the parsers of bodies, of any type: the data of a CloudEvent may have one that is not in the list. */
  constructor(app: FastifyInstance) {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
      const { headers, routeOptions } = request
      // Before the body is received: an unknown type must not cost that.
      bodyFormatOf(headers, request.query as BodyParameters)
      const { bodyLimit, config } = routeOptions
      return receivedBody(payload, headers['content-length'], bodyLimit, this.#rooms.get(request)).catch((error) => {
        if (!(error instanceof FST_ERR_CTP_BODY_TOO_LARGE)) throw error
        throw new ProblemError('too-large', `the body exceeds the limit ${limitName(config)}; send it in smaller parts`)
      })
    })
  }

  /** Before the body is received. @param room takes what of it has arrived */
  expect(request: FastifyRequest, reply: FastifyReply, room: BodyRoom): void {
    this.#rooms.set(request, room)
    // However the request ends, also when it is refused before its handler runs, or its client is gone.
    reply.raw.once('close', () => room.free())
  }

  /** The body, decompressed; it takes no room any more. @throws ProblemError */
  async unpacked(request: FastifyRequest): Promise<UnpackedBody> {
    const format = bodyFormatOf(request.headers, request.query as BodyParameters)
    const room = this.#rooms.get(request)!
    const body = await bodyOf(request, room)
    if (body.length === 0 && !isBinaryCloudEvent(request.headers))
      throw new ProblemError(
        'bad-request',
        'the body is empty; send at least one event, in one of the formats of docs/reference/http.md',
      )
    room.free()
    return { body, format }
  }
}

async function bodyOf({ body, headers, raw, routeOptions }: FastifyRequest, room: BodyRoom): Promise<Buffer> {
  if (!Buffer.isBuffer(body) || body.length === 0) return Buffer.alloc(0)
  const limit = { name: limitName(routeOptions.config), bytesMax: routeOptions.bodyLimit }
  const isGone = (): boolean => raw.socket.destroyed
  const unpacked = await unpackedBody(body, headers['content-encoding'], limit, isGone)
  room.take(unpacked.length)
  return unpacked
}

function limitName({ bodyLimitName }: FastifyContextConfig): string {
  return bodyLimitName ?? 'requestBytesMax'
}
