/**
 * Who may change what the platform does: jobs, generations, sources, dead letters. API keys send events and query; operations need the
 * admin key. Without any key they are allowed from this machine only, and not by pages of other sites.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { ProblemError } from '#serving/http/problems.ts'

export interface OperatorKeys {
  /** API keys; empty: requests need none, and come from this machine */
  readonly keys: readonly string[]
  readonly adminKey: string | undefined
}

/** Reading is no operation. Called after the check of API keys, or of the request's origin. @throws ProblemError 'forbidden', 'operator-only' */
export function checkOperator(request: FastifyRequest, { keys, adminKey }: OperatorKeys): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  if (adminKey !== undefined) {
    if (isSame(bearerOf(request), adminKey)) return
    throw new ProblemError('operator-only', 'send the header Authorization: Bearer <adminKey>; API keys cannot operate')
  }
  if (keys.length > 0)
    throw new ProblemError(
      'operator-only',
      'set `adminKey` (WATERSHED_ADMIN_KEY) to operate over HTTP; API keys send events and query only',
    )
  const site = request.headers['sec-fetch-site'] ?? 'same-origin'
  if (site !== 'same-origin')
    throw new ProblemError('forbidden', 'operations are refused to pages of other sites and of other ports')
}

/** The key of the header Authorization: Bearer; empty if there is none. */
export function bearerOf({ headers }: FastifyRequest): string {
  return /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
}

/** Compares in constant time, so that the duration does not reveal how much of the key matched. */
export function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
