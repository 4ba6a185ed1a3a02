/** POST …/dead-letters/{letter}/replay: appends the event of a dead letter, as it is or corrected, once. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { limited } from '#serving/answers/time-limit.ts'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import {
  type OfferedEvent,
  replayLetter,
  StillUnusableError,
  UncertainReplayError,
} from '#serving/dead-letters/replay-letter.ts'
import { type DescribedBody, JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { REPLAYED } from '#serving/http/contract/schemas/dead-letters.ts'
import type { IntakePort } from '#serving/http/intake/intake-port.ts'
import { ProblemError } from '#serving/http/problems.ts'
import { whenGone } from '#serving/http/queries/in-turn.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { foundLetter, LETTER_PARAMS, placeOf } from './dead-letter-routes.ts'
import type { OperationsPort } from './operations-port.ts'
import { checkOperator, type OperatorKeys } from './operator-key.ts'

const FORCE = z.strictObject({
  force: z
    .enum(['true', 'false'])
    .optional()
    .describe('Also where it is not known whether an earlier replay was appended'),
})
const CORRECTED: DescribedBody = {
  description: 'The corrected event; without a body, the event is replayed as it is',
  required: false,
  content: { 'application/json': { schema: { type: 'object', description: 'One event, as the dataset defines it' } } },
}
const REPLAY = {
  operationId: 'replayDeadLetter',
  summary: 'Append the event of a dead letter, as it is or corrected; a letter that is replayed again counts once',
  params: LETTER_PARAMS,
  querystring: FORCE,
  response: responsesOf(202, 'Its event is durable', JSON_TYPE, REPLAYED, [
    'bad-query',
    'all-rejected',
    'not-found',
    'operator-only',
    'replay-uncertain',
    'key-reused',
    'too-large',
    'unsupported-type',
    'busy',
    'query-timeout',
    'out-of-memory',
    'storage-fault',
  ]),
}

export interface ReplayRouteParts extends OperatorKeys {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly intakes: ReadonlyMap<string, IntakePort>
  readonly operations: Pick<OperationsPort, 'replays' | 'keyKeptMs'>
  readonly limits: { readonly queryMsMax: number }
}

export function replayRoute(app: FastifyInstance, parts: ReplayRouteParts): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      async (_request: unknown, body: unknown) => body,
    )
    scope.addContentTypeParser('*', async () => {
      throw new ProblemError('unsupported-type', 'send the corrected event as application/json, or no body')
    })
    scope.addHook('onRequest', async (request) => checkOperator(request, parts))
    scope.withTypeProvider<ZodTypeProvider>().post('/v1/datasets/:dataset/dead-letters/:letter/replay', {
      schema: REPLAY,
      config: { describedBody: CORRECTED },
      handler: async (request, reply) => {
        const { dataset, letter } = request.params
        const [origin, served] = [placeOf(letter), servedUnder(parts.datasets, dataset)]
        const bytes = await limited(parts.limits.queryMsMax, whenGone(reply), (signal) =>
          foundLetter(served, origin, signal),
        )
        const sent = Buffer.isBuffer(request.body) && request.body.length > 0 ? request.body : null
        const replay = { event: sent ?? bytes, corrected: sent !== null, force: request.query.force === 'true' }
        const intake = servedUnder(parts.intakes, dataset)
        const { keyKeptMs, replays } = parts.operations
        const offer = (event: Buffer, key: string): Promise<OfferedEvent> => offered(intake, event, key)
        const replayed = await replayLetter({ ledger: replays.get(dataset)!, keyKeptMs, offer }, origin, replay).catch(
          rethrown,
        )
        const { to } = replayed
        return reply.code(202).send({ ...replayed, position: `${to.partition}:${to.offset + 1}` })
      },
    })
  })
}

/** One event. A line without line ends keeps its bytes whatever they are; others have to be JSON. */
async function offered(intake: IntakePort, event: Buffer, key: string): Promise<OfferedEvent> {
  const isLine = !/[\r\n]/.test(event.toString('latin1'))
  if (!isLine && /^\s*\[/.test(event.toString('latin1')))
    throw new ProblemError('bad-request', 'a dead letter is one event, but the body is a list')
  const result = await intake.offerBody(event, isLine ? 'ndjson' : 'json', 'all', key)
  const { appended, repeated, verdicts } = result
  return { appended, repeated, reason: verdicts.find(({ status }) => status === 'rejected')?.reason ?? null }
}

function rethrown(error: Error): never {
  if (error instanceof StillUnusableError) throw new ProblemError('all-rejected', error.message)
  if (error instanceof UncertainReplayError) throw new ProblemError('replay-uncertain', error.message)
  throw error
}
