/** Signing in to the page with a key, and out again. The key travels once, in a body, and never in an address. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { JSON_TYPE, responsesOf } from '#serving/http/contract/openapi.ts'
import { NO_QUERY } from '#serving/http/contract/request-schemas.ts'
import { jsonBodies } from '#serving/http/intake/json-bodies.ts'
import { bearerOf, isSame } from '#serving/http/operations/operator-key.ts'
import { ProblemError } from '#serving/http/problems.ts'
import type { SessionLedger } from '#storage/sessions/session-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'
import { assertOwnPage } from './carry-session.ts'
import { FailedAttempts } from './failed-attempts.ts'
import { sessionCookie, tokenOf } from './session-cookie.ts'

export const SESSION_PATH = '/v1/session'
const KEY_CHARS_MAX = 1_024

const SESSION = z.strictObject({
  keyRequired: z.boolean().describe('Whether requests need a key: without one, the page asks for it'),
  signedInAs: z
    .enum(['api', 'admin'])
    .nullable()
    .describe('What the key of this request can do: send events and query (`api`), or operate as well (`admin`)'),
  until: z.string().nullable().describe('When the session ends; null: the request carries a key, or needs none'),
})
type Session = z.output<typeof SESSION>

const SHOW = {
  operationId: 'showSession',
  summary: 'Whether a key is needed, and what the key of this request can do',
  security: [],
  querystring: NO_QUERY,
  response: responsesOf(200, 'The session', JSON_TYPE, SESSION, ['bad-query']),
}
const SIGN_IN = {
  operationId: 'signIn',
  summary: 'Sign in with a key: the answer sets a session cookie, for pages of this address only',
  security: [],
  querystring: NO_QUERY,
  body: z.strictObject({ key: z.string().min(1).max(KEY_CHARS_MAX).describe('An API key or the admin key') }),
  response: responsesOf(200, 'Signed in', JSON_TYPE, SESSION, [
    'bad-query',
    'too-large',
    'unsupported-type',
    'too-many-attempts',
  ]),
}
const SIGN_OUT = {
  operationId: 'signOut',
  summary: 'End the session of the cookie',
  security: [],
  querystring: NO_QUERY,
  response: responsesOf(200, 'Signed out', JSON_TYPE, SESSION, ['bad-query']),
}

export interface SessionRouteParts {
  readonly sessions: SessionLedger
  readonly keys: readonly string[]
  readonly adminKey: string | undefined
  readonly emit: Emit
}

export function sessionRoutes(app: FastifyInstance, parts: SessionRouteParts): void {
  const attempts = new FailedAttempts()
  jsonBodies(app, (plain) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>()
    scope.get(SESSION_PATH, { schema: SHOW }, async (request) => shown(request, parts))
    scope.post(SESSION_PATH, { schema: SIGN_IN }, async (request, reply) => {
      assertOwnPage(request.raw)
      const waitMs = attempts.waitMs(request.ip, performance.now())
      if (waitMs > 0) {
        const seconds = Math.ceil(waitMs / 1_000)
        reply.header('retry-after', seconds)
        throw new ProblemError('too-many-attempts', `too many wrong keys; try again in ${seconds} s`)
      }
      const key = keysOf(parts).find((each) => isSame(request.body.key, each))
      if (key === undefined) {
        attempts.failed(request.ip, performance.now())
        parts.emit({
          name: 'sign-in-failed',
          level: 'warn',
          message: `${request.ip} tried to sign in with a wrong key`,
        })
        throw new ProblemError('unauthorized', 'this key is not one of the keys of this server')
      }
      const { token, untilMs } = await parts.sessions.begin(key)
      const seconds = Math.max(1, Math.round((untilMs - Date.now()) / 1_000))
      reply.header('set-cookie', sessionCookie(request.raw, token, seconds))
      return sessionOf(parts, key, untilMs)
    })
    scope.delete(SESSION_PATH, { schema: SIGN_OUT }, async (request, reply) => {
      assertOwnPage(request.raw)
      const token = tokenOf(request.raw)
      if (token !== null) await parts.sessions.end(token)
      reply.header('set-cookie', sessionCookie(request.raw, '', 0))
      return sessionOf(parts, null, null)
    })
  })
}

function shown(request: FastifyRequest, parts: SessionRouteParts): Session {
  const given = bearerOf(request)
  const key = keysOf(parts).find((each) => isSame(given, each)) ?? null
  const token = tokenOf(request.raw)
  const session = token === null ? null : parts.sessions.find(token, keysOf(parts))
  return sessionOf(parts, key, session?.key === key ? (session?.untilMs ?? null) : null)
}

function sessionOf({ keys, adminKey }: SessionRouteParts, key: string | null, untilMs: number | null): Session {
  return {
    keyRequired: keys.length > 0,
    signedInAs: key === null ? null : key === adminKey ? 'admin' : 'api',
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
  }
}

function keysOf({ keys, adminKey }: Pick<SessionRouteParts, 'keys' | 'adminKey'>): readonly string[] {
  return adminKey === undefined ? keys : [...keys, adminKey]
}
