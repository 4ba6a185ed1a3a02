/** The answer to offered events: 202 if some were accepted. */
import type { FastifyReply } from 'fastify'
import { positionAfter, positionText } from '#core/log-position.ts'
import type { OfferResult } from './intake-port.ts'
import { problemOf } from './problems.ts'

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
