import type { OffsetRange } from '#core/offsets.ts'
import type { GateLimits } from '../http/query-gate.ts'

/** A question that can not be answered as asked: which part of it, and what would do. */
export class QueryError extends Error {
  /** the query parameter */
  readonly field: string
  /** names that are allowed there, where there is a list */
  readonly allowed: readonly string[]
  constructor(field: string, message: string, allowed: readonly string[] = []) {
    super(`${field}: ${message}`)
    this.name = 'QueryError'
    this.field = field
    this.allowed = allowed
  }
}

/** A view that the dataset does not have. */
export class UnknownViewError extends QueryError {}

/** The view's definition is newer than what is stored: mixing the two would be wrong. */
export class NeedsBackfillError extends Error {
  constructor({ dataset, name }: { readonly dataset: string; readonly name: string }) {
    super(
      `view '${name}' of '${dataset}' was changed and its history is not recomputed yet; run \`watershed backfill ${dataset}\``,
    )
    this.name = 'NeedsBackfillError'
  }
}

/** A rollback went back behind segments that were compacted since: their partials are gone, their raw events are not. */
export class PartialsCompactedError extends Error {
  constructor(view: { readonly dataset: string; readonly name: string }, range: OffsetRange) {
    super(
      `view '${view.name}' of '${view.dataset}', partition ${range.partition}: the partials of offsets [${range.start}, ${range.end}) were compacted away, and the current generation has not counted them; run \`watershed batch run --full\``,
    )
    this.name = 'PartialsCompactedError'
  }
}

/** More queries than the limit wait. */
export class TooManyQueriesError extends Error {
  constructor({ queriesMax, queriesWaitingMax }: GateLimits) {
    super(
      `queriesMax = ${queriesMax} queries are running and queriesWaitingMax = ${queriesWaitingMax} wait for their turn; ask again in a second`,
    )
    this.name = 'TooManyQueriesError'
  }
}

export class QueryTimeoutError extends Error {
  constructor(ms: number) {
    super(
      `the query ran longer than queryMsMax = ${ms} ms and was stopped; ask for a shorter range or fewer dimensions`,
    )
    this.name = 'QueryTimeoutError'
  }
}
