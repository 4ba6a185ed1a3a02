/** Views of the live page that people save: listed, saved, renamed, replaced and deleted. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { servedUnder } from '#serving/answers/unknown-name.ts'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { DATASET_PARAMS, NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import {
  CHANGED_SAVED_VIEW,
  NEW_SAVED_VIEW,
  REMOVED_SAVED_VIEW,
  SAVED_VIEW,
  SAVED_VIEWS,
} from '#serving/http/contract/schemas/saved-views.ts'
import { jsonBodies } from '#serving/http/intake/json-bodies.ts'
import { ProblemError, type ProblemType } from '#serving/http/problems.ts'
import { assertOwnPage } from '#serving/http/sessions/carry-session.ts'
import { type SavedView, type SavedViewLedger, TooManySavedViewsError } from '#storage/saved-views/saved-view-ledger.ts'

const PATH = '/v1/datasets/:dataset/saved-views'
const ONE = DATASET_PARAMS.extend({ savedView: z.string().describe('Id of a saved view') })
const CHANGES: readonly ProblemType[] = ['bad-query', 'not-found', 'too-large', 'unsupported-type']

const LIST = {
  operationId: 'listSavedViews',
  summary: 'List the saved views of the page of a dataset, by name',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  response: responsesOf(200, 'The saved views', JSON_TYPE, SAVED_VIEWS, ['bad-query', 'not-found']),
}
const SAVE = {
  operationId: 'saveView',
  summary: 'Save a view of the page',
  params: DATASET_PARAMS,
  querystring: NO_QUERY,
  body: NEW_SAVED_VIEW,
  response: responsesOf(201, 'It is saved', JSON_TYPE, SAVED_VIEW, [...CHANGES, 'too-many-saved']),
}
const CHANGE = {
  operationId: 'changeSavedView',
  summary: 'Rename a saved view, or give it other parameters',
  params: ONE,
  querystring: NO_QUERY,
  body: CHANGED_SAVED_VIEW,
  response: responsesOf(200, 'It is changed', JSON_TYPE, SAVED_VIEW, CHANGES),
}
const REMOVE = {
  operationId: 'deleteSavedView',
  summary: 'Delete a saved view',
  params: ONE,
  querystring: NO_QUERY,
  response: responsesOf(200, 'It is deleted', JSON_TYPE, REMOVED_SAVED_VIEW, CHANGES),
}

export function savedViewRoutes(app: FastifyInstance, ledgers: ReadonlyMap<string, SavedViewLedger>): void {
  jsonBodies(app, (plain) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>()
    scope.addHook('onRequest', async ({ raw }) => {
      if (raw.method !== 'GET' && raw.method !== 'HEAD') assertOwnPage(raw)
    })
    scope.get(PATH, { schema: LIST }, async ({ params: { dataset } }) => {
      const views = await servedUnder(ledgers, dataset).list()
      return { dataset, savedViews: views.map((view) => shown(dataset, view)) }
    })
    scope.post(PATH, { schema: SAVE }, async ({ params: { dataset }, body }, reply) => {
      const saved = await servedUnder(ledgers, dataset)
        .save(body)
        .catch((error: unknown) => {
          throw error instanceof TooManySavedViewsError ? new ProblemError('too-many-saved', error.message) : error
        })
      return reply.code(201).send(shown(dataset, saved))
    })
    scope.put(`${PATH}/:savedView`, { schema: CHANGE }, async ({ params: { dataset, savedView }, body }) => {
      const changed = await servedUnder(ledgers, dataset).change(savedView, body)
      return shown(dataset, changed ?? refuse(dataset, savedView))
    })
    scope.delete(`${PATH}/:savedView`, { schema: REMOVE }, async ({ params: { dataset, savedView } }) => {
      if (!(await servedUnder(ledgers, dataset).remove(savedView))) refuse(dataset, savedView)
      return { id: savedView }
    })
  })
}

function refuse(dataset: string, id: string): never {
  throw new ProblemError('not-found', `dataset '${dataset}' has no saved view '${id}'; it may have been deleted`)
}

function shown(dataset: string, { id, name, parameters, savedAtMs }: SavedView): z.output<typeof SAVED_VIEW> {
  const link = `/datasets/${encodeURIComponent(dataset)}?saved=${id}`
  return { id, name, parameters, savedAt: new Date(savedAtMs).toISOString(), link }
}
