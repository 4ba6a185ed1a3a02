/** Faults of Redis, in words that a person can act on. */

/**
 * Why Redis did not do what it was asked: 'unreachable' (down, starting, too slow), 'refused' (address, user or password),
 * 'full' (its memory limit), 'read-only' (a replica, or its disk is full), 'failing' (anything else that it answers).
 */
export type RedisFaultReason = 'unreachable' | 'refused' | 'full' | 'read-only' | 'failing'

const ADVICE = {
  unreachable: 'check that it runs and can be reached; it is used again by itself as soon as it answers',
  refused: 'check user and password in its address',
  full: 'give it more memory (maxmemory), with maxmemory-policy noeviction',
  'read-only': 'connect to the primary, and check its disk',
  failing: 'look into the log of Redis',
} as const satisfies Record<RedisFaultReason, string>

/** what Redis's error texts begin with, https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
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

  /** the same request can succeed later without anybody's doing */
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
  // The client speaks of its own setting there.
  const why = /max retries per request/i.test(said) ? 'it can not be reached' : said
  return new RedisFault(reason, `Redis at ${host}: ${doing}: ${why}; ${ADVICE[reason]}`, error)
}

/** A transaction that was given up says only that it was; why is in the errors before. */
function firstOf(error: unknown): unknown {
  const { previousErrors } = error as { readonly previousErrors?: unknown }
  return Array.isArray(previousErrors) && previousErrors.length > 0 ? previousErrors[0] : error
}
