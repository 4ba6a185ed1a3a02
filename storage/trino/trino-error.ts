/** Why Trino did not answer a statement. */

/** What Trino says of a failed statement: https://trino.io/docs/current/develop/client-protocol.html */
export interface TrinoFailure {
  readonly message: string
  readonly errorName: string
  readonly errorType: string
}

/**
 * - `unreachable`: nobody answers, or only with 5xx, for longer than a request waits
 * - `refused`: wrong credentials, or the user may not do this
 * - `failed`: the statement; the same again would fail again
 * - `lost`: the statement, because of a worker or of too little memory; the same again may succeed
 * - `unexpected`: an answer that is not Trino's, or larger than the limit
 */
export type TrinoErrorKind = 'unreachable' | 'refused' | 'failed' | 'lost' | 'unexpected'

export class TrinoError extends Error {
  readonly kind: TrinoErrorKind
  /** Trino's name, for example TABLE_NOT_FOUND; null where Trino named none */
  readonly errorName: string | null

  constructor(kind: TrinoErrorKind, message: string, options: ErrorOptions & { readonly errorName?: string } = {}) {
    super(message, options)
    this.name = 'TrinoError'
    this.kind = kind
    this.errorName = options.errorName ?? null
  }
}

/** Failures of type INTERNAL_ERROR that have nothing to do with a worker. */
const LASTING = new Set(['COMPILER_ERROR', 'GENERIC_INTERNAL_ERROR', 'FUNCTION_IMPLEMENTATION_ERROR'])
/** Failures of other types that come of a worker that went away or is stopping. */
const PASSING = new Set(['SERVER_SHUTTING_DOWN', 'SERVER_STARTING_UP', 'ABANDONED_TASK'])
const REFUSING = new Set(['PERMISSION_DENIED'])

/** @param where address and id of the statement, for the message */
export function failureOf({ message, errorName, errorType }: TrinoFailure, where: string): TrinoError {
  const isPassing =
    PASSING.has(errorName) ||
    errorType === 'INSUFFICIENT_RESOURCES' ||
    (errorType === 'INTERNAL_ERROR' && !LASTING.has(errorName))
  const kind = REFUSING.has(errorName) ? 'refused' : isPassing ? 'lost' : 'failed'
  return new TrinoError(kind, `${where}: ${errorName}: ${message}`, { errorName })
}
