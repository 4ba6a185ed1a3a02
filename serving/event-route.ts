/** POST /v1/datasets/{dataset}/events: 202 only after the accepted events are durable. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ProblemError, problemOf } from './problems.ts'
import type { ServedDataset } from './snapshot.ts'

export interface EventVerdict {
  readonly index: number
  readonly status: 'accepted' | 'rejected'
  readonly partition?: number
  readonly offset?: number
  readonly reason?: string
}

/** What takes events in; the wiring passes the ingest stage's intake. */
export interface IntakePort {
  offerBody(
    body: Buffer,
    format: 'json' | 'ndjson',
  ): Promise<{ readonly verdicts: readonly EventVerdict[]; readonly accepted: number; readonly rejected: number }>
}

const FORMATS = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/plain': 'ndjson',
} as const

type EventRequest = FastifyRequest<{ Params: { dataset: string }; Querystring: { verdicts?: string }; Body: Buffer }>

export function eventRoute(
  app: FastifyInstance,
  intakes: ReadonlyMap<string, IntakePort>,
  datasets: ReadonlyMap<string, ServedDataset>,
): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(Object.keys(FORMATS), { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post('/v1/datasets/:dataset/events', async (request: EventRequest, reply) => {
    const { dataset } = request.params
    const intake = intakes.get(dataset)
    if (intake === undefined) {
      throw new ProblemError('not-found', `dataset '${dataset}' does not exist or takes no events here`, {
        allowed: [...datasets.keys()],
      })
    }
    if (!Buffer.isBuffer(request.body) || request.body.length === 0)
      throw new ProblemError('bad-request', 'the body is empty; send a JSON array of events, or NDJSON')
    const { verdicts } = request.query
    if (verdicts !== undefined && verdicts !== 'all')
      throw new ProblemError('bad-request', "verdicts: only 'all' is known")
    const result = await intake.offerBody(request.body, formatOf(request))
    const rows = verdicts === 'all' ? result.verdicts : result.verdicts.filter(({ status }) => status === 'rejected')
    const answer = { accepted: result.accepted, rejected: result.rejected, rows }
    if (result.accepted > 0 || result.rejected === 0) return reply.code(202).send(answer)
    const problem = problemOf(
      'all-rejected',
      `all ${result.rejected} events were rejected; the first because: ${result.verdicts[0]?.reason}`,
      answer,
    )
    return reply.code(problem.status).type('application/problem+json').send(problem)
  })
}

function formatOf(request: FastifyRequest): 'json' | 'ndjson' {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  return FORMATS[type as keyof typeof FORMATS] ?? 'json'
}
