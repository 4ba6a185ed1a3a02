/**
 * A session stands for the key that its owner signed in with: a request that carries its cookie goes on as if it had that key in the header
 * `Authorization`, so every later check knows keys only. A browser also attaches cookies to requests of other ports of the same host, so
 * what changes something must come from a page of this very address.
 */
import type { IncomingMessage } from 'node:http'
import { ProblemError } from '#serving/http/problems.ts'
import type { SessionLedger } from '#storage/sessions/session-ledger.ts'
import { tokenOf } from './session-cookie.ts'

/** As `carrySession`, also for a session that is not known yet. */
export async function learnSession(
  request: IncomingMessage,
  sessions: SessionLedger,
  keys: readonly string[],
): Promise<void> {
  const { headers } = request
  if (headers.authorization !== undefined || headers.cookie === undefined || !isOwnPage(request)) return
  const token = tokenOf(request)
  if (token !== null) await sessions.learn(token)
  carrySession(request, sessions, keys)
}

/** For a session that is known. A header that was given is not replaced: scripts go on as before. */
export function carrySession(request: IncomingMessage, sessions: SessionLedger, keys: readonly string[]): void {
  const { headers } = request
  if (headers.authorization !== undefined || headers.cookie === undefined || !isOwnPage(request)) return
  const token = tokenOf(request)
  const session = token === null ? null : sessions.find(token, keys)
  if (session !== null) headers.authorization = `Bearer ${session.key}`
}

/** Whether a request comes from a page of this address, or reads something that the user opened. */
export function isOwnPage({ method, headers }: IncomingMessage): boolean {
  const reads = method === 'GET' || method === 'HEAD'
  const { origin, host } = headers
  if (origin !== undefined && !isOf(origin, host)) return false
  const site = headers['sec-fetch-site']
  if (site === 'same-origin') return true
  if (reads) return site === undefined || site === 'none' || headers['sec-fetch-mode'] === 'navigate'
  return site === undefined && origin !== undefined
}

/** @throws ProblemError: another page must not change anything here. Programs, which send neither header, may. */
export function assertOwnPage(request: IncomingMessage): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  if ((origin !== undefined || site !== undefined) && !isOwnPage(request))
    throw new ProblemError('forbidden', 'this is possible on the page of this server only, not on other pages')
}

/** A proxy may speak TLS, so only the host is compared. */
function isOf(origin: string, host: string | undefined): boolean {
  return /^https?:\/\/(.+)$/.exec(origin)?.[1] === host
}
