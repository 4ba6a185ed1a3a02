/** A request that does not fit its route's schema, as a problem that names the parameter. */
import type { FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nearest } from '#core/definition-error.ts'
import { type Problem, problemOf } from './problems.ts'

/** null when the error is another one */
export function problemOfInvalid(error: unknown, request: FastifyRequest): Problem | null {
  if (!hasZodFastifySchemaValidationErrors(error)) return null
  const issue = error.validation[0]!
  const allowed = parametersOf(request)
  if (issue.keyword === 'unrecognized_keys') {
    const [field = ''] = (issue.params as { keys?: string[] }).keys ?? []
    const known = allowed.length === 0 ? '; this route takes none' : nearest(field, allowed)
    return problemOf('bad-query', `${field}: this parameter is unknown${known}`, { field, allowed })
  }
  const field = issue.instancePath.split('/')[1] ?? ''
  const given = (request.query as Record<string, unknown>)[field]
  const why = Array.isArray(given) ? 'is given twice' : issue.message
  return problemOf('bad-query', `${field}: ${why}`, { field })
}

function parametersOf(request: FastifyRequest): readonly string[] {
  const { querystring } = request.routeOptions.schema ?? {}
  return querystring instanceof z.ZodObject ? Object.keys(querystring.shape) : []
}
