/** Faults of an Elasticsearch server, with messages that an operator can act on; none exposes the client's types. */

/**
 * Why a request failed: 'unavailable' (down, overloaded or too slow, for longer than the deadline), 'refused' (it does not accept
 * the request, or its sender), 'missing' (an index does not exist), 'version' (server and client have different major versions),
 * 'replaced' (an index was deleted or restored while it was in use), 'too-large' (a result exceeds its limit),
 * 'damaged' (a stored row differs from the one that was written), 'closed'.
 */
export type ElasticsearchFaultReason =
  | 'unavailable'
  | 'refused'
  | 'missing'
  | 'version'
  | 'replaced'
  | 'too-large'
  | 'damaged'
  | 'closed'

export class ElasticsearchError extends Error {
  readonly reason: ElasticsearchFaultReason
  /** HTTP status; null without a response */
  readonly status: number | null
  constructor(reason: ElasticsearchFaultReason, message: string, status: number | null = null, cause?: unknown) {
    super(message, { cause })
    this.name = 'ElasticsearchError'
    this.reason = reason
    this.status = status
  }

  /** whether the same request can succeed later without intervention */
  get retryable(): boolean {
    return this.reason === 'unavailable' || this.reason === 'replaced'
  }
}

export function isReason(error: unknown, reason: ElasticsearchFaultReason): boolean {
  return error instanceof ElasticsearchError && error.reason === reason
}

/** The server's error body: `{ error: { type, reason } }`, `{ error: 'text' }`, or the text of a proxy. */
export interface FaultBody {
  readonly error?: string | FaultDetail
}

export interface FaultDetail {
  readonly type?: string
  readonly reason?: string
  readonly caused_by?: { readonly reason?: string }
}

/** Type, reason and the deeper cause, at most `REASON_CHARS_MAX` long. */
export function reasonText(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as FaultBody
  if (typeof error === 'object' && error !== null) return detailText(error)
  return String(error ?? body ?? 'no reason given').slice(0, REASON_CHARS_MAX)
}

/** The server repeats the whole document after "at [Source": that part is omitted. */
export function detailText({ type, reason, caused_by }: FaultDetail): string {
  const parts = [type, reason, caused_by?.reason].map((part) => part?.split(/\s+at \[Source/)[0])
  return parts.filter(Boolean).join(': ').slice(0, REASON_CHARS_MAX)
}

const REASON_CHARS_MAX = 1_000
