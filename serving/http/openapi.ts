/** GET /openapi.json: the surface as an OpenAPI 3.1 document, made from the schemas that the routes validate with. */
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PROBLEMS, type ProblemType } from './problems.ts'

export const OPENAPI_ROUTE = '/openapi.json'

/** A request body that is taken as bytes: described, not parsed by a schema. */
export interface DescribedBody {
  readonly description: string
  /** content type → JSON schema */
  readonly content: Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly describedBody?: DescribedBody
  }
}

/** Problems that every route can have. */
const ALWAYS: readonly ProblemType[] = ['unauthorized', 'forbidden', 'internal']

/** Registers the document; routes that are registered behind it are in it. @param keyed whether requests need an API key */
export function describeApi(app: FastifyInstance, keyed: boolean): void {
  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by this code and held against their schemas by tests: no second look at each in production.
  app.setSerializerCompiler(() => JSON.stringify)
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Watershed',
        version: '1',
        description: 'Merged answers of a batch and a speed layer, exact at a position in the log, with provenance.',
      },
      security: keyed ? [{ key: [] }] : [],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: (document) => {
      const transformed = jsonSchemaTransform(document)
      const { describedBody } = document.route.config ?? {}
      if (describedBody === undefined) return transformed
      return { ...transformed, schema: { ...transformed.schema, body: describedBody } }
    },
  })
}

/** A route's responses: the answer, and every problem that it can have, by status. */
export function responsesOf(
  status: number,
  description: string,
  contentType: string,
  answer: z.ZodType,
  problems: readonly ProblemType[],
): NonNullable<FastifySchema['response']> {
  const byStatus = new Map<number, ProblemType[]>()
  for (const type of [...problems, ...ALWAYS]) {
    const own = PROBLEMS[type].status
    byStatus.set(own, [...(byStatus.get(own) ?? []), type])
  }
  const errors = [...byStatus].map(([own, types]) => [own, problemResponse(own, types)] as const)
  return { [status]: { description, content: { [contentType]: { schema: answer } } }, ...Object.fromEntries(errors) }
}

export const JSON_TYPE = 'application/json'

function problemResponse(status: number, types: readonly ProblemType[]): unknown {
  const urns = types.map((type) => `urn:watershed:problem:${type}`) as [string, ...string[]]
  const schema = z
    .looseObject({
      type: z.enum(urns),
      title: z.string(),
      status: z.literal(status),
      detail: z.string().describe('what happened, where, and what to do'),
      retryable: z.boolean().describe('the same request can succeed later without anyone doing anything'),
      field: z.string().optional().describe('the parameter that is wrong'),
      allowed: z.array(z.string()).optional().describe('names that would do'),
    })
    .describe('RFC 9457 problem document')
  const description = types.map((type) => `${type}: ${PROBLEMS[type].title}`).join('; ')
  return { description, content: { 'application/problem+json': { schema } } }
}
