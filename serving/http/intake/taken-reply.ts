/** The answer to offered events: 202 if some were accepted. */
import type { FastifyReply, FastifySchema } from 'fastify'
import { positionAfter, positionText } from '#core/log-position.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { TAKEN } from '#serving/http/contract/schemas/taken.ts'
import { type ProblemType, problemOf } from '#serving/http/problems.ts'
import type { OfferResult } from './intake-port.ts'

const PROBLEMS: readonly ProblemType[] = [
  'bad-query',
  'all-rejected',
  'not-found',
  'key-reused',
  'too-large',
  'unsupported-type',
  'busy',
  'storage-fault',
]

/** Schemas of the responses of a route that takes events. @param more problems that only this route has */
export function takenResponses(...more: readonly ProblemType[]): NonNullable<FastifySchema['response']> {
  return responsesOf(202, 'The accepted events are durable', JSON_TYPE, TAKEN, [...more, ...PROBLEMS])
}

/** @param keyed whether the events were offered under a key */
export function sendTaken(reply: FastifyReply, result: OfferResult, keyed: boolean): FastifyReply {
  const answer = { accepted: result.accepted, rejected: result.rejected, rows: result.verdicts }
  if (result.accepted > 0 || result.rejected === 0) {
    const position = positionText(positionAfter(result.appended))
    const { warnings } = result
    const repeated = keyed ? { repeated: result.repeated } : {}
    return reply.code(202).send({ ...answer, position, ...(warnings.length > 0 && { warnings }), ...repeated })
  }
  const problem = problemOf(
    'all-rejected',
    `all ${result.rejected} events were rejected; reason for the first: ${result.verdicts[0]?.reason}`,
    answer,
  )
  return reply.code(problem.status).type('application/problem+json').send(problem)
}
