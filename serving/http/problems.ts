/** All error responses, as RFC 9457 problem documents: a closed table, which a test compares with docs/reference/errors.md. */
import { visibleText } from '#core/visible-text.ts'
import {
  AnswerTooLargeError,
  BeyondFormatError,
  ClientGoneError,
  CursorExpiredError,
  ExportTooLargeError,
  LiveMissingError,
  NeedsBackfillError,
  PartialsCompactedError,
  PositionNotReachedError,
  QueryError,
  QueryTimeoutError,
  UnknownViewError,
} from '#serving/answers/query-error.ts'
import { SnapshotError } from '#serving/answers/snapshot.ts'
import { TooManyExportsError } from '#serving/http/queries/export-gate.ts'
import { TooManyQueriesError } from '#serving/http/queries/query-gate.ts'
import { TooManyReadersError } from '#serving/subscriptions/too-many-readers.ts'
import { EngineMemoryError } from '#storage/engine/engine-connection.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { withoutPaths } from './without-paths.ts'

export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is malformed', retryable: false },
  'bad-query': { status: 400, title: 'The query is invalid', retryable: false },
  'all-rejected': { status: 400, title: 'All events were rejected', retryable: false },
  unauthorized: { status: 401, title: 'A valid API key or signature is required', retryable: false },
  forbidden: { status: 403, title: 'The origin of the request is not allowed', retryable: false },
  'operator-only': { status: 403, title: 'The operation requires the admin key', retryable: false },
  'not-found': { status: 404, title: 'Not found', retryable: false },
  'wrong-method': { status: 405, title: 'Method not allowed', retryable: false },
  'not-acceptable': { status: 406, title: 'The answer is not available in this format', retryable: false },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', retryable: true },
  'job-ended': { status: 409, title: 'The job has ended', retryable: false },
  'replay-uncertain': { status: 409, title: 'Whether the event was appended is not known', retryable: false },
  'needs-backfill': { status: 409, title: 'The view needs a backfill', retryable: false },
  'too-many-saved': { status: 409, title: 'Too many views are saved', retryable: false },
  'cursor-expired': { status: 410, title: 'The answer is not kept any more', retryable: false },
  'too-large': { status: 413, title: 'The request exceeds a size limit', retryable: false },
  'answer-too-large': { status: 413, title: 'The answer exceeds a size limit', retryable: false },
  'unsupported-type': { status: 415, title: 'Unsupported content type or encoding', retryable: false },
  'expectation-failed': { status: 417, title: 'The expectation cannot be met', retryable: false },
  'key-reused': { status: 422, title: 'The idempotency key belongs to other events', retryable: false },
  busy: { status: 429, title: 'Too many requests in progress', retryable: true },
  'too-many-attempts': { status: 429, title: 'Too many failed attempts', retryable: true },
  'headers-too-large': { status: 431, title: 'The request headers are too large', retryable: false },
  'storage-fault': { status: 503, title: 'A storage dependency is unavailable', retryable: true },
  'out-of-memory': { status: 503, title: 'The query engine is out of memory', retryable: true },
  'query-timeout': { status: 503, title: 'The query exceeded its time limit', retryable: false },
  'position-not-reached': { status: 504, title: 'The position was not reached in time', retryable: true },
  internal: { status: 500, title: 'Internal error', retryable: false },
} as const

export type ProblemType = keyof typeof PROBLEMS

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly [more: string]: unknown
}

/** An error that carries its problem document. */
export class ProblemError extends Error {
  readonly problem: Problem
  constructor(type: ProblemType, detail: string, more: Readonly<Record<string, unknown>> = {}) {
    super(detail)
    this.problem = problemOf(type, detail, more)
  }
}

export function problemOf(type: ProblemType, detail: string, more: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title, retryable } = PROBLEMS[type]
  const shown = visibleText(type === 'storage-fault' ? withoutPaths(detail) : detail)
  return { type: `urn:watershed:problem:${type}`, title, status, detail: shown, retryable, ...more }
}

/** Faults of logs and stores, recognised by error name, so that no driver has to be loaded here. */
const STORAGE_FAULT = /^((Log|Storage|Kafka|SchemaRegistry|Elasticsearch)\w*Error|RedisFault)$/

/** Whether a file, folder or service that stores data is unavailable. */
export function isStorageFault(error: unknown): boolean {
  return error instanceof LakeError || (error instanceof Error && STORAGE_FAULT.test(error.name))
}

const TOO_MANY = [TooManyQueriesError, TooManyExportsError, TooManyReadersError]

/** The problem document for an error. The message of an unknown error is not included: it may contain confidential details. */
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
  if (TOO_MANY.some((each) => error instanceof each)) return problemOf('busy', (error as Error).message)
  if (error instanceof CursorExpiredError) return problemOf('cursor-expired', error.message, { field: 'cursor' })
  if (error instanceof PositionNotReachedError)
    return problemOf('position-not-reached', error.message, { position: error.position })
  if (error instanceof QueryTimeoutError) return problemOf('query-timeout', error.message)
  if (error instanceof AnswerTooLargeError || error instanceof ExportTooLargeError)
    return problemOf('answer-too-large', error.message)
  if (error instanceof BeyondFormatError) return problemOf('answer-too-large', error.message, { field: error.field })
  if (error instanceof EngineMemoryError)
    return problemOf(
      'out-of-memory',
      `${error.message}; request a shorter range or fewer dimensions, or retry when fewer queries run`,
    )
  if (error instanceof SnapshotError || error instanceof LiveMissingError)
    return problemOf('storage-fault', error.message)
  // Nobody is there to read it; it is no fault of ours.
  if (error instanceof ClientGoneError) return problemOf('bad-request', error.message)
  const { name, code, message, statusCode } = error as Error & { code?: string; statusCode?: number }
  if (name === 'KeyReusedError') return problemOf('key-reused', message, { field: 'Idempotency-Key' })
  if (name === 'IntakeBusyError' || name === 'TooManyKeysError') return problemOf('busy', message)
  if (name === 'OfferTooLargeError') return problemOf('too-large', message)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return problemOf('too-large', 'the body exceeds the limit requestBytesMax; send it in smaller parts')
  if (name === 'BodyError') return problemOf('bad-request', message)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return problemOf(
      'unsupported-type',
      'send application/json, application/x-ndjson, text/csv, application/vnd.apache.arrow.stream or application/cloudevents+json; GET /openapi.json lists all types',
    )
  if (error instanceof LakeError) return problemOf('storage-fault', message, { retryable: error.retryable })
  if (isStorageFault(error)) return problemOf('storage-fault', message)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problemOf('bad-request', message)
  return problemOf('internal', 'see the server log for details')
}
