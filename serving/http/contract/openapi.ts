/** GET /openapi.json: the API as an OpenAPI 3.1 document, generated from the schemas that validate requests. */
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { TAKEN } from '#serving/http/contract/schemas/taken.ts'
import { PROBLEMS, type ProblemType } from '#serving/http/problems.ts'

export const OPENAPI_ROUTE = '/openapi.json'

/** A request body that is read as bytes: documented, but not validated by a schema. */
export interface DescribedBody {
  readonly description: string
  /** default: it is */
  readonly required?: boolean
  /** content type → JSON schema */
  readonly content: Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly describedBody?: DescribedBody
  }
}

/** Problems that every route can return. */
const ALWAYS: readonly ProblemType[] = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'request-timeout',
  'expectation-failed',
  'headers-too-large',
  'internal',
]

/** Registers the document; it covers the routes that are registered afterwards. @param keyed whether requests need an API key */
export function describeApi(app: FastifyInstance, keyed: boolean): void {
  app.setValidatorCompiler(validatorCompiler)
  // Responses are produced by this code and tests compare them with their schemas, so they are not validated again in production.
  app.setSerializerCompiler(() => JSON.stringify)
  const optionalBodies = new Set<string>()
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Watershed',
        version: '1',
        description:
          'Answers merged from a batch layer and a speed layer, exact at a reported log position, with their provenance.',
      },
      security: keyed ? [{ key: [] }] : [],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: (document) => {
      const { schema, url } = jsonSchemaTransform(document)
      const { describedBody } = document.route.config ?? {}
      if (describedBody === undefined) return { url, schema: { ...schema, tags: [groupOf(url)] } }
      const { required = true, ...body } = describedBody
      if (!required) optionalBodies.add(schema.operationId ?? url)
      return { url, schema: { ...schema, tags: [groupOf(url)], body } }
    },
    transformObject: (made) => withOptionalBodies(jsonSchemaTransformObject(made), optionalBodies),
  })
}

type MadeDocument = ReturnType<typeof jsonSchemaTransformObject>
interface MadePath {
  readonly post?: { readonly operationId?: string; readonly requestBody?: { readonly required?: boolean } }
}

/** The generator takes every body for required. @param optional operation ids */
function withOptionalBodies(made: MadeDocument, optional: ReadonlySet<string>): MadeDocument {
  const { paths = {} } = made as { readonly paths?: Readonly<Record<string, MadePath>> }
  for (const { post = {} } of Object.values(paths)) {
    const { requestBody, operationId = '' } = post
    if (requestBody !== undefined && optional.has(operationId)) Object.assign(requestBody, { required: false })
  }
  return made
}

/** Under which heading a page of the document shows the route. */
function groupOf(url: string): string {
  const [version, group = 'server', , part] = url.split('/').slice(1)
  return version === 'v1' ? (part ?? group) : 'server'
}

/**
 * A route's responses by status: the answer, and every problem that the route can return.
 * @param others further content types of the answer
 */
export function responsesOf(
  status: number,
  description: string,
  contentType: string,
  answer: z.ZodType,
  problems: readonly ProblemType[],
  others: Readonly<Record<string, { readonly schema: z.ZodType }>> = {},
): NonNullable<FastifySchema['response']> {
  const byStatus = new Map<number, ProblemType[]>()
  for (const type of new Set([...problems, ...ALWAYS])) {
    const own = PROBLEMS[type].status
    byStatus.set(own, [...(byStatus.get(own) ?? []), type])
  }
  const errors = [...byStatus].map(([own, types]) => [own, problemResponse(own, types)] as const)
  return {
    [status]: { description, content: { [contentType]: { schema: answer }, ...others } },
    ...Object.fromEntries(errors),
  }
}

/** Of every route that answers a query. */
export const ANSWER_PROBLEMS: readonly ProblemType[] = [
  'bad-query',
  'not-found',
  'storage-fault',
  'not-acceptable',
  'needs-backfill',
  'cursor-expired',
  'busy',
  'query-timeout',
  'answer-too-large',
  'out-of-memory',
  'position-not-reached',
]

export const JSON_TYPE = 'application/json'

/** Of routes whose answers have an ETag. */
export const NOT_MODIFIED = { 304: z.null().describe('The client has this answer: its ETag is unchanged') }

const REACHED = { position: z.array(z.number()).optional().describe('Per partition: how far answers count now') }
const { accepted, rejected, rows } = TAKEN.shape
const REJECTED = { accepted: accepted.optional(), rejected: rejected.optional(), rows: rows.optional() }

function problemResponse(status: number, types: readonly ProblemType[]): unknown {
  const urns = types.map((type) => `urn:watershed:problem:${type}`) as [string, ...string[]]
  const schema = z
    .strictObject({
      type: z.enum(urns),
      title: z.string(),
      status: z.literal(status),
      detail: z.string().describe('What happened, where, and what to do'),
      retryable: z.boolean().describe('Whether the same request can succeed later without intervention'),
      field: z.string().optional().describe('The invalid parameter'),
      allowed: z.array(z.string()).optional().describe('The valid names'),
      ...(types.includes('position-not-reached') ? REACHED : {}),
      ...(types.includes('all-rejected') ? REJECTED : {}),
    })
    .describe('RFC 9457 problem document')
  const description = types.map((type) => `${type}: ${PROBLEMS[type].title}`).join('; ')
  return { description, content: { 'application/problem+json': { schema } } }
}
