/**
 * Where the sources of a log are: their cursors, stored in the log itself, so that a cursor and the events before it are both there or
 * neither. Only the newest claim of a source may append for it: an older holder is refused, however long it was frozen.
 */
import type { OffsetRange } from '#core/offsets.ts'
import type { AppendBatch } from './append-batch.ts'

/** What is stored of a source. */
export interface SourcePosition {
  /** unique within the dataset */
  readonly source: string
  /** grows with each claim and each change; appends of an older one are refused */
  readonly epoch: number
  /** where to go on, in the source's own words; null: from where a new source begins */
  readonly cursor: string | null
  /** whether a person paused it; null: nobody decided, its definition does */
  readonly paused: boolean | null
  /** records that were appended for it, including those that become dead letters */
  readonly events: number
  /** of the newest append with records, epoch ms; null: none yet */
  readonly atMs: number | null
}

/** An append by the holder of a claim. */
export interface SourceAppend {
  readonly source: string
  /** of the claim */
  readonly epoch: number
  /** where to go on after these records */
  readonly cursor: string
}

/** What a person decides about a source; what is absent stays. */
export interface SourceChange {
  readonly cursor?: string | null
  readonly paused?: boolean
}

export interface SourceLedger {
  /** Every source that was claimed or changed before, by name. */
  list(): Promise<readonly SourcePosition[]>
  /** Makes the caller the only one that may append for the source, from its position on. */
  claim(source: string): Promise<SourcePosition>
  /** Changes a source. Its holder is refused from here on, and has to claim it anew. */
  change(source: string, change: SourceChange): Promise<SourcePosition>
  /**
   * Appends all batches and stores the cursor, both or neither. Without batches it stores the cursor only.
   * @throws SourceMovedError: nothing was appended, and nothing will be under this claim; RangeError as `EventLog.append`. After any other
   * rejection a new claim tells by its cursor whether the append took place.
   */
  append(batches: readonly AppendBatch[], by: SourceAppend): Promise<readonly OffsetRange[]>
}

/** The source was claimed or changed by somebody else. */
export class SourceMovedError extends Error {
  constructor(source: string) {
    super(`source '${source}': another process took it over, or it was paused, resumed or reset; nothing was appended`)
    this.name = 'SourceMovedError'
  }
}

/** larger cursors are refused before anything is appended */
export const CURSOR_CHARS_MAX = 512 * 1024

/** @throws RangeError */
export function assertCursor(source: string, cursor: string): void {
  if (cursor.length > CURSOR_CHARS_MAX)
    throw new RangeError(
      `source '${source}': its cursor has ${cursor.length} characters, but the limit is ${CURSOR_CHARS_MAX}`,
    )
}

/** Of a source that is not stored yet. */
export function newPosition(source: string): SourcePosition {
  return { source, epoch: 0, cursor: null, paused: null, events: 0, atMs: null }
}

/** The position after a change. */
export function changed(position: SourcePosition, { cursor, paused }: SourceChange): SourcePosition {
  return {
    ...position,
    epoch: position.epoch + 1,
    cursor: cursor === undefined ? position.cursor : cursor,
    paused: paused ?? position.paused,
  }
}

/** The position after an append. */
export function advanced(position: SourcePosition, cursor: string, records: number, atMs: number): SourcePosition {
  return { ...position, cursor, events: position.events + records, atMs: records > 0 ? atMs : position.atMs }
}

/** records of all batches */
export function recordsOf(batches: readonly AppendBatch[]): number {
  return batches.reduce((sum, { count }) => sum + count, 0)
}
