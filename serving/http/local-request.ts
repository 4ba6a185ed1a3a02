/**
 * Whether a request that carries no key comes from this machine's own programs and people. Where no keys are set the platform
 * listens on this machine only, but a browser here takes requests of any web page along: to write events it needs no answer,
 * and a page whose name comes to mean 127.0.0.1 may read answers, too.
 */
import type { FastifyRequest } from 'fastify'

/** Why a request is not answered without a key; null when it is. */
export function whyForeign({ method, headers }: FastifyRequest): string | null {
  const { host, origin } = headers
  if (host !== undefined && !isLocal(host))
    return `without API keys only names of this machine are answered, such as 127.0.0.1 and localhost, not '${host}'`
  // A link on another site may lead here: who follows it sees the answer, the site does not.
  const followed = method === 'GET' && headers['sec-fetch-mode'] === 'navigate'
  const foreign = headers['sec-fetch-site'] === 'cross-site' || (origin !== undefined && isForeign(origin))
  return foreign && !followed ? 'without API keys web pages of other sites are not answered' : null
}

/** Browsers that tell no site tell the origin of a request that writes. */
function isForeign(origin: string): boolean {
  const [, host] = /^https?:\/\/(.*)$/.exec(origin) ?? []
  return origin === 'null' || (host !== undefined && !isLocal(host))
}

/** localhost, app.localhost, 127.0.0.1, [::1]; with any port. */
function isLocal(host: string): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return name === '[::1]' || /^(.+\.)?localhost\.?$/.test(name) || /^127(\.\d{1,3}){3}$/.test(name)
}
