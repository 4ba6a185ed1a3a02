/**
 * A connection to Redis that reconnects automatically: while Redis is unavailable, requests fail within seconds with a clear message; when it
 * is available again they succeed without a restart.
 */
import { Redis, type RedisOptions } from 'ioredis'
import { backoffMs } from '#core/backoff.ts'
import { RedisFault, redisFault } from './redis-fault.ts'

/** how long one request may take */
export const REDIS_REQUEST_MS_MAX = 10_000
const CONNECT_MS_MAX = 5_000
/** on how many new connections a request is retried before it fails */
const RETRIES_MAX = 2
const RECONNECT_WAITS = { waitMsFirst: 100, waitMsMax: 300 }

export interface RedisConnectionOptions {
  /** redis://[[user]:password@]host[:port][/database], or rediss:// for TLS */
  readonly url: string
  /** called at the first connection and after each reconnection */
  readonly onReady?: () => void
  /** called if the connection is lost or cannot be made; once until it is ready again */
  readonly onLost?: (message: string) => void
}

/**
 * Starts to connect, and does not wait for it.
 * @throws RedisFault 'refused' if the URL is invalid
 */
export function connectRedis(options: RedisConnectionOptions, own: RedisOptions = {}): Redis {
  const client = new Redis(checkedUrl(options.url), {
    maxRetriesPerRequest: RETRIES_MAX,
    commandTimeout: REDIS_REQUEST_MS_MAX,
    connectTimeout: CONNECT_MS_MAX,
    retryStrategy: (tries) => backoffMs(tries, RECONNECT_WAITS),
    ...own,
  })
  let lost = false
  const tellLost = (error: Error | null): void => {
    if (!lost) options.onLost?.(redisFault(options.url, 'connecting', error ?? new Error('connection closed')).message)
    lost = true
  }
  client.on('ready', () => {
    lost = false
    options.onReady?.()
  })
  client.on('error', tellLost)
  client.on('close', () => {
    if (client.status !== 'end') tellLost(null)
  })
  client.on('end', () => client.removeAllListeners('close'))
  return client
}

/** Host and port of a URL, without user and password, for messages. */
export function redisPlace(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname.replace(/^\/$/, '')}`
}

function checkedUrl(url: string): string {
  const protocol = URL.canParse(url) ? new URL(url).protocol : null
  if (protocol === 'redis:' || protocol === 'rediss:') return url
  throw new RedisFault(
    'refused',
    'the address of Redis is not a redis:// or rediss:// URL (example: redis://127.0.0.1:6379)',
  )
}
