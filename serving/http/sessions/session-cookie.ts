/** The cookie that holds the token of a session. Scripts of the page cannot read it, and no other site can make a browser send it. */
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

const NAME = 'watershed_session'

/** The token that a request carries; null: none. */
export function tokenOf(request: IncomingMessage): string | null {
  const name = nameOf(request)
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key = '', value = ''] = pair.trim().split('=')
    if (key === name) return value
  }
  return null
}

/** `Set-Cookie` of a session. @param seconds that it lasts; 0 removes the cookie */
export function sessionCookie(request: IncomingMessage, token: string, seconds: number): string {
  const attributes = ['Path=/', `Max-Age=${seconds}`, 'HttpOnly', 'SameSite=Strict']
  if (isSecure(request)) attributes.push('Secure')
  return [`${nameOf(request)}=${token}`, ...attributes].join('; ')
}

/** Cookies are shared by the ports of a host: a second server on it has one of its own. The prefix binds it to this host, over TLS only. */
function nameOf(request: IncomingMessage): string {
  const port = /:(\d+)$/.exec(request.headers.host ?? '')?.[1]
  const name = port === undefined ? NAME : `${NAME}_${port}`
  return isSecure(request) ? `__Host-${name}` : name
}

/** Over TLS, or behind a proxy that speaks it. Who claims the latter wrongly only gets a cookie that is not sent back in plain text. */
function isSecure({ socket, headers }: IncomingMessage): boolean {
  return (socket as TLSSocket).encrypted === true || headers['x-forwarded-proto'] === 'https'
}
