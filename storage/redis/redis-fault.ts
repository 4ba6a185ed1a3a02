/** Faults of Redis, with messages that an operator can act on. */

/**
 * Why a request to Redis failed: 'unreachable' (down, starting, too slow), 'refused' (address, user or password),
 * 'full' (its memory limit), 'read-only' (a replica, or its disk is full), 'failing' (anything else that it answers).
 */
export type RedisFaultReason = 'unreachable' | 'refused' | 'full' | 'read-only' | 'failing'

const ADVICE = {
  unreachable: 'check that Redis runs and is reachable; work resumes automatically as soon as it answers',
  refused: 'check the user and password in its address',
  full: 'give it more memory (maxmemory), with maxmemory-policy noeviction',
  'read-only': 'connect to the primary, and check its disk',
  failing: 'see the Redis log',
} as const satisfies Record<RedisFaultReason, string>

/** prefixes of Redis error messages, https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
const PREFIXES: readonly (readonly [RegExp, RedisFaultReason])[] = [
  [/^(NOAUTH|WRONGPASS|NOPERM)|invalid password/, 'refused'],
  [/^OOM/, 'full'],
  [/^(READONLY|MISCONF)/, 'read-only'],
  [/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)/, 'unreachable'],
  [
    /timed? ?out|ECONN|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EPIPE|connection (is )?closed|max retries per request|isn't writeable/i,
    'unreachable',
  ],
]

export class RedisFault extends Error {
  readonly reason: RedisFaultReason

  constructor(reason: RedisFaultReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'RedisFault'
    this.reason = reason
  }

  /** whether the same request can succeed later without intervention */
  get retryable(): boolean {
    return this.reason === 'unreachable'
  }
}

/** What a driver throws for a fault of Redis. `url` may hold a password: the message does not. */
export function redisFault(url: string, doing: string, error: unknown): RedisFault {
  if (error instanceof RedisFault) return error
  const first = firstOf(error)
  const said = first instanceof Error ? first.message || first.name : String(first)
  const reason = PREFIXES.find(([pattern]) => pattern.test(said))?.[1] ?? 'failing'
  const { host } = new URL(url)
  // The client's message refers to its own setting.
  const why = /max retries per request/i.test(said) ? 'it is not reachable' : said
  return new RedisFault(reason, `Redis at ${host}: ${doing}: ${why}; ${ADVICE[reason]}`, error)
}

/** The error of an aborted transaction does not contain the cause; the errors before it do. */
function firstOf(error: unknown): unknown {
  const { previousErrors } = error as { readonly previousErrors?: unknown }
  return Array.isArray(previousErrors) && previousErrors.length > 0 ? previousErrors[0] : error
}
