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

export type EventsLimit = 'eventFilesMax' | 'eventRowsMax' | 'openEventsMax' | 'pageMsMax'

export class EventsBudget {
  readonly #limits: EventsLimits
  readonly #beganAtMs = performance.now()
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
    if (this.#openRecords >= this.#limits.openEventsMax) return 'openEventsMax'
    // A page that read nothing would not get anywhere.
    const isBegun = this.#files + this.#openRecords > 0
    return isBegun && performance.now() - this.#beganAtMs >= this.#limits.pageMsMax ? 'pageMsMax' : null
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
