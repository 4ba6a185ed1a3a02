import { positionText } from '#core/log-position.ts'
import type { Offset, OffsetRange, Positions } from '#core/offsets.ts'

/** An invalid query: names the parameter and, where there is a list, its valid values. */
export class QueryError extends Error {
  /** the query parameter */
  readonly field: string
  /** the valid names; empty if there is no list */
  readonly allowed: readonly string[]
  constructor(field: string, message: string, allowed: readonly string[] = []) {
    super(`${field}: ${message}`)
    this.name = 'QueryError'
    this.field = field
    this.allowed = allowed
  }
}

/** The dataset has no view of that name. */
export class UnknownViewError extends QueryError {}

/** The view's definition is newer than its stored states, and the two must not be mixed. */
export class NeedsBackfillError extends Error {
  /**
   * @param why what cannot be answered until then
   * @param isNew there was no view of this name before
   */
  constructor(
    { dataset, name }: { readonly dataset: string; readonly name: string },
    { why, isNew = false }: { readonly why?: string; readonly isNew?: boolean } = {},
  ) {
    const view = `view '${name}' of dataset '${dataset}'`
    const state = isNew
      ? `${view} is new and its history has not been computed`
      : `the definition of ${view} has changed and its history has not been recomputed`
    super(`${state}${why === undefined ? '' : ` (${why})`}; run \`watershed backfill ${dataset}\``)
    this.name = 'NeedsBackfillError'
  }
}

/** After a rollback to a generation before segments that were compacted since: their partials are deleted, their raw events are kept. */
export class PartialsCompactedError extends Error {
  constructor(view: { readonly dataset: string; readonly name: string }, range: OffsetRange) {
    super(
      `view '${view.name}' of dataset '${view.dataset}', partition ${range.partition}: the partials of offsets [${range.start}, ${range.end}) were deleted by compaction, and the current generation does not include these offsets; run \`watershed batch run --full\``,
    )
    this.name = 'PartialsCompactedError'
  }
}

/** An answer by the current definition is required, and the view is still answered by its earlier one. */
export class OutdatedError extends NeedsBackfillError {
  constructor(view: { readonly dataset: string; readonly name: string }) {
    super(view, { why: "without require=current it is answered by its earlier definition, and 'outdated' says so" })
    this.name = 'OutdatedError'
  }
}

/** The rest of the pages is not kept any more. */
export class CursorExpiredError extends Error {
  constructor({ pagedMs, pagedAnswersMax }: { readonly pagedMs: number; readonly pagedAnswersMax: number }) {
    super(
      `the answer that this cursor continues is not kept any more: one is kept for pagedMs = ${pagedMs} ms after its last page, by the process (on the command line: the data folder) that gave it, and at most pagedAnswersMax = ${pagedAnswersMax} at a time; begin again with cursor=start`,
    )
    this.name = 'CursorExpiredError'
  }
}

/** The answer did not count everything before a wanted position in time. */
export class PositionNotReachedError extends Error {
  /** per partition, the offset up to which answers count events now */
  readonly position: readonly Offset[]
  constructor(wanted: Positions, position: readonly Offset[], waitMsMax: number) {
    const missing = new Map([...wanted].filter(([partition, offset]) => (position[partition] ?? 0) < offset))
    const reached = new Map([...missing.keys()].map((partition) => [partition, position[partition] ?? 0]))
    super(
      `after waitMsMax = ${waitMsMax} ms the answer counts events up to ${positionText(reached)}, but not yet up to ${positionText(missing)}; retry, or ask without atLeast`,
    )
    this.name = 'PositionNotReachedError'
    this.position = position
  }
}

/** The live part is required, and the answer may lack it. */
export class LiveMissingError extends Error {
  constructor(why: string) {
    super(
      `${why}; retry, or ask without requiring the live part: the answer then ends with the last position that is known`,
    )
    this.name = 'LiveMissingError'
  }
}

export class QueryTimeoutError extends Error {
  constructor(ms: number) {
    super(
      `the query exceeded queryMsMax = ${ms} ms and was cancelled; request a shorter range or fewer dimensions, or retry when /readyz says that every storage answers`,
    )
    this.name = 'QueryTimeoutError'
  }
}

/** An export took longer, or became larger, than its limits allow. */
export class ExportTooLargeError extends Error {
  constructor(limit: 'exportBytesMax' | 'exportMsMax', value: number) {
    super(
      `the export exceeds ${limit} = ${value} ${limit === 'exportMsMax' ? 'ms' : 'bytes'} and was cancelled; request a shorter range or fewer dimensions or measures`,
    )
    this.name = 'ExportTooLargeError'
  }
}

export class AnswerTooLargeError extends Error {
  constructor(
    bytesMax: number,
    limit: 'answerBytesMax' | 'liveAnswerBytesMax' | 'sinkAnswerBytesMax' = 'answerBytesMax',
  ) {
    super(
      `the rows of the answer exceed ${limit} = ${bytesMax} bytes; request fewer rows (limit), dimensions or measures`,
    )
    this.name = 'AnswerTooLargeError'
  }
}

/** An answer that its format cannot hold: a file of this kind would be damaged, or lack something. */
export class BeyondFormatError extends Error {
  /** the column, or the query parameter, that is too large */
  readonly field: string
  constructor(field: string, message: string) {
    super(`${field}: ${message}`)
    this.name = 'BeyondFormatError'
    this.field = field
  }
}

/** Every client that waited has disconnected. */
export class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection before its answer was computed')
    this.name = 'ClientGoneError'
  }
}
