/** Every error that an answer can be, as RFC 9457 problem documents: a closed table. docs/reference/errors.md is compared with it. */
import { LakeError } from '#storage/lake/lake-error.ts'
import {
  NeedsBackfillError,
  PartialsCompactedError,
  QueryError,
  QueryTimeoutError,
  TooManyQueriesError,
  UnknownViewError,
} from '../answers/query-error.ts'
import { SnapshotError } from '../answers/snapshot.ts'

export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request can not be read', retryable: false },
  'bad-query': { status: 400, title: 'The query does not fit the view', retryable: false },
  'all-rejected': { status: 400, title: 'No event could be used', retryable: false },
  unauthorized: { status: 401, title: 'An API key is needed', retryable: false },
  forbidden: { status: 403, title: 'The request comes from elsewhere', retryable: false },
  'not-found': { status: 404, title: 'There is no such thing here', retryable: false },
  'wrong-method': { status: 405, title: 'The method does not fit the path', retryable: false },
  'needs-backfill': { status: 409, title: 'The view was changed; its history must be recomputed', retryable: false },
  'too-large': { status: 413, title: 'The request is larger than the limit', retryable: false },
  'unsupported-type': { status: 415, title: 'The content type is not understood', retryable: false },
  busy: { status: 429, title: 'Too much at once', retryable: true },
  'storage-fault': { status: 503, title: 'A part can not do its work now', retryable: true },
  'query-timeout': { status: 503, title: 'The query took too long', retryable: false },
  internal: { status: 500, title: 'Something unexpected happened', retryable: false },
} as const

export type ProblemType = keyof typeof PROBLEMS

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly [more: string]: unknown
}

/** An error that is a problem already. */
export class ProblemError extends Error {
  readonly problem: Problem
  constructor(type: ProblemType, detail: string, more: Readonly<Record<string, unknown>> = {}) {
    super(detail)
    this.problem = problemOf(type, detail, more)
  }
}

export function problemOf(type: ProblemType, detail: string, more: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title, retryable } = PROBLEMS[type]
  return { type: `urn:watershed:problem:${type}`, title, status, detail, retryable, ...more }
}

/** Faults of logs and stores, by the names that the drivers' errors have: no driver is loaded to know them. */
const STORAGE_FAULT = /^((Log|Storage|Kafka|SchemaRegistry|Elasticsearch)\w*Error|RedisFault)$/

/** A file, folder or service can not do its work now. */
export function isStorageFault(error: unknown): boolean {
  return error instanceof LakeError || (error instanceof Error && STORAGE_FAULT.test(error.name))
}

/** Which problem an error is. Unknown ones do not tell their text: it may hold what is not for the asker. */
export function problemOfError(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof QueryError) {
    return problemOf(error instanceof UnknownViewError ? 'not-found' : 'bad-query', error.message, {
      field: error.field,
      allowed: error.allowed,
    })
  }
  if (error instanceof NeedsBackfillError || error instanceof PartialsCompactedError)
    return problemOf('needs-backfill', error.message)
  if (error instanceof TooManyQueriesError) return problemOf('busy', error.message)
  if (error instanceof QueryTimeoutError) return problemOf('query-timeout', error.message)
  if (error instanceof SnapshotError) return problemOf('storage-fault', error.message)
  const { name, code, message, statusCode } = error as Error & { code?: string; statusCode?: number }
  if (name === 'IntakeBusyError') return problemOf('busy', message)
  if (name === 'OfferTooLargeError') return problemOf('too-large', message)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return problemOf('too-large', 'the body has more bytes than the limit requestBytesMax; send it in smaller parts')
  if (name === 'BodyError') return problemOf('bad-request', message)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return problemOf('unsupported-type', 'send application/json or application/x-ndjson')
  if (isStorageFault(error)) return problemOf('storage-fault', message)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problemOf('bad-request', message)
  return problemOf('internal', 'the server log says more')
}
