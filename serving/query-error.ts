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

/** The view's definition is newer than what is stored: mixing the two would be wrong. */
export class NeedsBackfillError extends Error {
  constructor(dataset: string, view: string) {
    super(
      `view '${view}' of '${dataset}' was changed and its history is not recomputed yet; run \`watershed backfill ${dataset}\``,
    )
    this.name = 'NeedsBackfillError'
  }
}

/** More queries than the limit wait. */
export class TooManyQueriesError extends Error {
  constructor(limit: number) {
    super(`more than queriesMax = ${limit} queries are running; ask again in a second`)
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
