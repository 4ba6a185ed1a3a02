/** Turns a schema validation error into a problem document that names the parameter. */
import type { FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nearest } from '#core/definition-error.ts'
import { type Problem, problemOf } from './problems.ts'

/** null if the error is not a validation error */
export function problemOfInvalid(error: unknown, request: FastifyRequest): Problem | null {
  if (!hasZodFastifySchemaValidationErrors(error)) return null
  const issue = error.validation[0]!
  const isBody = (error as { readonly validationContext?: string }).validationContext === 'body'
  if (isBody && request.body === undefined) return problemOf('bad-request', 'the body is empty; send a JSON object')
  const allowed = namesIn(isBody ? request.routeOptions.schema?.body : request.routeOptions.schema?.querystring)
  if (issue.keyword === 'unrecognized_keys') {
    const [field = ''] = (issue.params as { keys?: string[] }).keys ?? []
    const known = allowed.length === 0 ? '; this route has no parameters' : nearest(field, allowed)
    const what = isBody ? 'member' : 'parameter'
    return problemOf('bad-query', `${field}: unknown ${what}${known}`, { field, allowed })
  }
  const field = issue.instancePath.split('/')[1] ?? ''
  if (isBody) return problemOf('bad-query', `${field === '' ? 'the body' : field}: ${issue.message}`, { field })
  const given = (request.query as Record<string, unknown>)[field]
  const why = Array.isArray(given) ? 'is given more than once' : issue.message
  return problemOf('bad-query', `${field}: ${why}`, { field })
}

function namesIn(schema: unknown): readonly string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}
