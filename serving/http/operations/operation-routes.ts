/** What operators do over HTTP, beside jobs: roll a dataset back, and pause, resume or reset a source. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { servedUnder, unknownName } from '#serving/answers/unknown-name.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { DATASET_PARAMS, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { ROLLED_BACK } from '#serving/http/contract/schemas/generations.ts'
import { SOURCES } from '#serving/http/contract/schemas/sources.ts'
import { jsonBodies } from '#serving/http/intake/json-bodies.ts'
import { ProblemError, type ProblemType } from '#serving/http/problems.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { SourceChange } from '#storage/log/source-ledger.ts'
import { jobRoutes } from './job-routes.ts'
import type { OperationsPort } from './operations-port.ts'
import { checkOperator, type OperatorKeys } from './operator-key.ts'
import type { ServedSource } from './source-routes.ts'

const CHANGES = {
  pause: { summary: 'Stop reading a source until it is resumed, also after a restart', change: { paused: true } },
  resume: { summary: 'Go on reading a source where it stopped', change: { paused: false } },
  reset: {
    summary: 'Forget where a source is: it is read as a new one; events that come again count again',
    change: { cursor: null },
  },
} as const satisfies Record<string, { readonly summary: string; readonly change: SourceChange }>

const OPERATES: readonly ProblemType[] = [
  'bad-query',
  'not-found',
  'operator-only',
  'too-large',
  'unsupported-type',
  'storage-fault',
]
const ROLL_BACK = {
  operationId: 'rollBack',
  summary: 'Make a kept generation current; answers stay the same, the speed layer covers the rest',
  params: DATASET_PARAMS.extend({ generation: z.string().describe('Id of a kept generation') }),
  querystring: NO_QUERY,
  response: responsesOf(200, 'It is current', JSON_TYPE, ROLLED_BACK, [...OPERATES, 'busy']),
}

export interface OperationRouteParts extends OperatorKeys {
  readonly operations: OperationsPort
  readonly sources: () => Promise<readonly ServedSource[]>
}

export function operationRoutes(app: FastifyInstance, { operations, sources, ...keys }: OperationRouteParts): void {
  jsonBodies(app, (scope) => {
    scope.addHook('onRequest', async (request) => checkOperator(request, keys))
    jobRoutes(scope, operations.jobs)
    rollbackRoute(scope, operations)
    for (const name of ['pause', 'resume', 'reset'] as const) sourceRoute(scope, name, operations, sources)
  })
}

function rollbackRoute(scope: FastifyInstance, { jobs, rollBack }: OperationsPort): void {
  scope
    .withTypeProvider<ZodTypeProvider>()
    .post('/v1/datasets/:dataset/generations/:generation/rollback', { schema: ROLL_BACK }, async ({ params }) => {
      const { dataset, generation } = params
      servedUnder(jobs, dataset)
      const current = await rollBack(dataset, generation).catch((error: Error) => {
        const isUnknown = error instanceof LakeError && error.code === 'generation-unknown'
        throw isUnknown ? new ProblemError('not-found', error.message) : error
      })
      if (current !== null) return { dataset, current: current.id }
      throw new ProblemError('busy', `a batch run of '${dataset}' is in progress; retry when it has finished`)
    })
}

function sourceRoute(
  scope: FastifyInstance,
  name: keyof typeof CHANGES,
  { changeSource }: OperationsPort,
  sources: () => Promise<readonly ServedSource[]>,
): void {
  const { summary, change } = CHANGES[name]
  const schema = {
    operationId: `${name}Source`,
    summary,
    params: DATASET_PARAMS.extend({ source: z.string().describe('Name of one of its sources') }),
    querystring: NO_QUERY,
    response: responsesOf(200, 'The source', JSON_TYPE, SOURCES.shape.sources.element, OPERATES),
  }
  scope
    .withTypeProvider<ZodTypeProvider>()
    .post(`/v1/datasets/:dataset/sources/:source/${name}`, { schema }, async ({ params: { dataset, source } }) => {
      const names = (await sources()).flatMap((each) => (each.dataset === dataset ? [each.source] : []))
      if (!names.includes(source))
        throw new ProblemError('not-found', `source ${unknownName(source, names)} (of dataset '${dataset}')`, {
          allowed: names,
        })
      return changeSource(dataset, source, change)
    })
}
