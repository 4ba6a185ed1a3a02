/**
 * Decides whether a request without a key originates from this machine. Without keys the platform listens on loopback only, but a local browser
 * also sends requests on behalf of any web page: a page can write events without reading the response (cross-site request), and a page
 * whose host name resolves to 127.0.0.1 can read responses, too (DNS rebinding).
 */
import type { FastifyRequest } from 'fastify'

/** Why a request without a key is refused; null if it is allowed. */
export function whyForeign({ method, headers }: FastifyRequest): string | null {
  const { host, origin } = headers
  if (host !== undefined && !isLocal(host))
    return `the host '${host}' is not a loopback name such as localhost or 127.0.0.1; to serve other hosts, configure API keys`
  // Following a link from another site is allowed: the user sees the response, the site does not.
  const followed = method === 'GET' && headers['sec-fetch-mode'] === 'navigate'
  const site = headers['sec-fetch-site']
  // No site triggers what a user enters in the address bar, which navigates, or what a privileged extension requests, which does not.
  const extended = site === 'none' && headers['sec-fetch-mode'] !== 'navigate'
  const foreign = site === 'cross-site' || extended || (origin !== undefined && isForeign(origin))
  return foreign && !followed
    ? 'requests from web pages of other sites and from browser extensions are refused; to allow them, configure API keys'
    : null
}

/**
 * Browsers that do not send Sec-Fetch-Site send the Origin of a request that writes. Pages of browser extensions have schemes of their own
 * (chrome-extension:, moz-extension:), sandboxed ones the origin null: only a page that this machine serves is not foreign.
 */
function isForeign(origin: string): boolean {
  const [, host] = /^https?:\/\/(.*)$/.exec(origin) ?? []
  return host === undefined || !isLocal(host)
}

/** localhost, app.localhost, 127.0.0.1, [::1]; any port. */
function isLocal(host: string): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return name === '[::1]' || /^(.+\.)?localhost\.?$/.test(name) || /^127(\.\d{1,3}){3}$/.test(name)
}
