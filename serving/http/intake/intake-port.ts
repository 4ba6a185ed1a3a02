/** What the routes need to accept events. */
import type { BodyFormat } from '#core/body-format.ts'
import type { OffsetRange } from '#core/offsets.ts'
import type { BodyRoom } from './body-room.ts'

export interface EventVerdict {
  readonly index: number
  /** of CSV: the line of the body where the record begins */
  readonly line?: number
  readonly status: 'accepted' | 'rejected'
  readonly partition?: number
  readonly offset?: number
  readonly reason?: string
}

/** Accepts events; the composition root passes the ingest tier's intake. */
export interface IntakePort {
  /** for one body, while it is received; an offered one counts by itself */
  room(): BodyRoom
  /** @param verdicts rows that get a verdict; @param key under which the body counts once, however often it is offered */
  offerBody(body: Buffer, format: BodyFormat, verdicts: 'all' | 'rejected', key?: string): Promise<OfferResult>
}

/** Values of accepted events that could not be converted. */
export interface ColumnWarning {
  readonly column: string
  /** events concerned */
  readonly events: number
  readonly examples: readonly { readonly index: number; readonly value: string }[]
}

export interface OfferResult {
  readonly verdicts: readonly EventVerdict[]
  readonly accepted: number
  readonly rejected: number
  readonly warnings: readonly ColumnWarning[]
  /** where the accepted events are in the log */
  readonly appended: readonly OffsetRange[]
  /** they were there before */
  readonly repeated: boolean
}
