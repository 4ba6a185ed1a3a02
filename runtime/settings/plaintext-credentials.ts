/** Credentials that would cross a network unencrypted: whoever can read along there has them. */
import { SECRET_NAME } from '#core/secret-names.ts'
import { isLoopback } from './loopback.ts'
import type { Configuration } from './settings.ts'

/** Protocols without encryption, and their encrypted counterparts. */
const ENCRYPTED: Readonly<Record<string, string>> = { 'http:': 'https', 'redis:': 'rediss', 'ws:': 'wss' }

/** The problems of settings in use, each with the setting's name; none if `plaintextCredentials` allows them. */
export function plaintextProblems(configuration: Configuration): string[] {
  if (configuration.plaintextCredentials) return []
  return [...addressesOf(configuration)].flatMap(([name, address, hasLogin]) => {
    const place = plaintextPlace(address, hasLogin)
    return place === null ? [] : [problemOf(name, place)]
  })
}

/** Host and the protocol to use instead, if credentials would be sent there unencrypted; null if they would not. */
export function plaintextPlace(
  address: string,
  hasLogin: boolean,
): { readonly host: string; readonly use: string } | null {
  if (!URL.canParse(address)) return null
  const url = new URL(address)
  const use = ENCRYPTED[url.protocol]
  const secret = [...url.searchParams].some(([name, value]) => SECRET_NAME.test(name) && !value.includes('{key}'))
  if (use === undefined || isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) return null
  return hasLogin || url.username !== '' || url.password !== '' || secret
    ? { host: url.hostname, use: `${use}://` }
    : null
}

export function problemOf(name: string, { host, use }: { readonly host: string; readonly use: string }): string {
  return `${name}: credentials would be sent to ${host} unencrypted; use ${use}, or set plaintextCredentials=true if you trust every network in between`
}

/** Name, address and whether other settings have credentials for it, of each service in use. */
function* addressesOf(configuration: Configuration): Generator<[name: string, address: string, hasLogin: boolean]> {
  const { elasticsearch, redis, kafka } = configuration
  if (configuration.speedStore === 'elasticsearch' || configuration.presented === 'elasticsearch')
    yield ['elasticsearch.node', elasticsearch.node, (elasticsearch.apiKey ?? elasticsearch.password) !== undefined]
  if (configuration.dictionary === 'redis' || configuration.schedule === 'bullmq') yield ['redis.url', redis.url, false]
  const { batchEngine, trino } = configuration
  if (batchEngine === 'trino') yield ['trino.url', trino.url, (trino.password ?? trino.token) !== undefined]
  if (configuration.log === 'kafka') {
    const login = kafka.saslPassword !== undefined && !kafka.ssl
    for (const broker of kafka.brokers)
      if (login) yield ['kafka.brokers (with kafka.ssl=false)', `http://${broker}`, true]
    if (kafka.registryUrl !== undefined)
      yield ['kafka.registryUrl', kafka.registryUrl, kafka.registryPassword !== undefined]
  }
  for (const [dictionary, url] of Object.entries(configuration.dictionarySources))
    yield [`dictionarySources, ${dictionary}`, url, false]
}
