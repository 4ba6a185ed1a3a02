/**
 * POST /v1/datasets/{dataset}/webhook: events of a sender that signs them and cannot send an API key. Until a body's signature was
 * compared, anybody could have sent it: such bodies have little room, of their own.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { DATASET_PARAMS, EVENTS_QUERY, WEBHOOK_HEADERS } from '#serving/http/contract/request-schemas.ts'
import { ProblemError } from '#serving/http/problems.ts'
import type { BodyRoom } from './body-room.ts'
import { EVENT_BODY, type EventBodies } from './event-bodies.ts'
import type { IntakePort, OfferResult } from './intake-port.ts'
import { sendTaken, takenResponses } from './taken-reply.ts'
import { webhookSignature } from './webhook-signature.ts'

/** bodies of this number in total whose signatures were not compared yet */
const UNVERIFIED_BODIES = 16

const SCHEMA = {
  operationId: 'takeWebhook',
  security: [],
  summary: 'Ingest the events of a signed webhook; answers 202 once the accepted ones are durable',
  params: DATASET_PARAMS,
  querystring: EVENTS_QUERY,
  headers: WEBHOOK_HEADERS,
  response: takenResponses(),
}

export interface WebhookParts {
  readonly intakes: ReadonlyMap<string, IntakePort>
  /** by dataset; one without secrets takes no webhooks */
  readonly secrets: ReadonlyMap<string, readonly string[]>
  /** limit of one body, compressed and decompressed */
  readonly bytesMax: number
}

/** The paths that need no API key. */
export const webhookPath = (dataset: string): string => `/v1/datasets/${dataset}/webhook`

export function webhookRoute(
  app: FastifyInstance,
  bodies: EventBodies,
  { intakes, secrets, bytesMax }: WebhookParts,
): void {
  const unverified = new UnverifiedRoom(UNVERIFIED_BODIES * bytesMax)
  const signatureOf = (request: {
    readonly headers: NodeJS.Dict<string | string[]>
    readonly params: { readonly dataset: string }
  }) => {
    const { dataset } = request.params
    servedUnder(intakes, dataset)
    const own = secrets.get(dataset)
    if (own === undefined)
      throw new ProblemError(
        'not-found',
        `dataset '${dataset}' takes no webhooks; set webhookSecrets to '${dataset}=<secret>'`,
      )
    return webhookSignature(request.headers, own, Date.now())
  }
  app.withTypeProvider<ZodTypeProvider>().post(webhookPath(':dataset'), {
    schema: SCHEMA,
    config: { describedBody: EVENT_BODY, bodyLimitName: 'webhookBytesMax' },
    bodyLimit: bytesMax,
    preParsing: async (request, reply) => {
      signatureOf(request)
      bodies.expect(request, reply, unverified.room())
    },
    handler: async (request, reply) => {
      const { key, assertSigned } = signatureOf(request)
      assertSigned(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      // What GitHub sends when a webhook is set up tells of no event.
      if (request.headers['x-github-event'] === 'ping') return sendTaken(reply, NOTHING, false)
      const { body, format } = await bodies.unpacked(request)
      const intake = servedUnder(intakes, request.params.dataset)
      const result = await intake.offerBody(body, format, request.query.verdicts ?? 'rejected', key)
      return sendTaken(reply, result, key !== undefined)
    },
  })
}

const NOTHING: OfferResult = { verdicts: [], accepted: 0, rejected: 0, warnings: [], appended: [], repeated: false }

class UnverifiedRoom {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  room(): BodyRoom {
    let taken = 0
    const take = (bytes: number): void => {
      if (this.#bytes - taken + bytes > this.#bytesMax)
        throw new ProblemError(
          'busy',
          `webhooks of more than ${this.#bytesMax} bytes in total are being received; retry in a second`,
        )
      this.#bytes += bytes - taken
      taken = bytes
    }
    return { take, free: () => take(0) }
  }
}
