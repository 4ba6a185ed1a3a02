/** Turns a schema validation error into a problem document that names the parameter. */
import type { FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nearest } from '#core/definition-error.ts'
import { placeOf, schemaMessage } from './contract/schema-message.ts'
import { type Problem, problemOf } from './problems.ts'

/** null if the error is not a validation error */
export function problemOfInvalid(error: unknown, request: FastifyRequest): Problem | null {
  if (!hasZodFastifySchemaValidationErrors(error)) return null
  const issue = error.validation[0]!
  const isBody = (error as { readonly validationContext?: string }).validationContext === 'body'
  if (isBody && request.body === undefined) return problemOf('bad-request', 'the body is empty; send a JSON object')
  const schema = isBody ? request.routeOptions.schema?.body : request.routeOptions.schema?.querystring
  const path = issue.instancePath.split('/').filter((part) => part !== '')
  if (issue.keyword === 'unrecognized_keys') {
    const [name = ''] = (issue.params as { keys?: string[] }).keys ?? []
    const allowed = namesIn(schemaAt(schema, path))
    const known = allowed.length === 0 ? '; this route has no parameters' : nearest(name, allowed)
    const field = placeOf([...path, name])
    return problemOf('bad-query', `${field}: unknown ${isBody ? 'member' : 'parameter'}${known}`, { field, allowed })
  }
  if (isBody) {
    const field = placeOf(path)
    return problemOf('bad-query', `${field || 'the body'}: ${schemaMessage(issue.message ?? '')}`, { field })
  }
  const [field = ''] = path
  const given = (request.query as Record<string, unknown>)[field]
  const why = Array.isArray(given) ? 'is given more than once' : schemaMessage(issue.message ?? '')
  return problemOf('bad-query', `${field}: ${why}`, { field })
}

/** The schema of a part of a body. */
function schemaAt(schema: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((outer, part) => {
    const inner = outer instanceof z.ZodOptional ? outer.unwrap() : outer
    if (inner instanceof z.ZodObject) return inner.shape[part]
    return inner instanceof z.ZodArray ? inner.element : undefined
  }, schema)
}

function namesIn(schema: unknown): readonly string[] {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}
