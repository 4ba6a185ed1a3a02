/** What one page of raw events may read. */
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { EventsLimits } from './events-query.ts'

/** What a page read. */
export interface EventsRead {
  /** of closed segments */
  readonly files: number
  /** events that these files hold */
  readonly rows: number
  /** records of the log behind the closed segments */
  readonly openRecords: number
}

export type EventsLimit = 'eventFilesMax' | 'eventRowsMax' | 'openEventsMax'

export class EventsBudget {
  readonly #limits: EventsLimits
  #files = 0
  #rows = 0
  #openRecords = 0

  constructor(limits: EventsLimits) {
    this.#limits = limits
  }

  get read(): EventsRead {
    return { files: this.#files, rows: this.#rows, openRecords: this.#openRecords }
  }

  /** The limit that is reached; null: none is. */
  get over(): EventsLimit | null {
    if (this.#files >= this.#limits.eventFilesMax) return 'eventFilesMax'
    if (this.#rows >= this.#limits.eventRowsMax) return 'eventRowsMax'
    return this.#openRecords >= this.#limits.openEventsMax ? 'openEventsMax' : null
  }

  get filesLeft(): number {
    return this.#limits.eventFilesMax - this.#files
  }

  useOpen(records: number): void {
    this.#openRecords += records
  }

  useClosed(segments: readonly SegmentManifest[]): void {
    this.#files += segments.length
    this.#rows += segments.reduce((sum, { rows }) => sum + rows, 0)
  }
}
