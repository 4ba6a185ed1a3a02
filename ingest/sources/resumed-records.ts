/** The records of a stream that resumes by a number in them: which are new, where to go on, and how old the newest is. */
import type { ResumeDefinition } from '#core/source-definition.ts'
import type { LongRecord, SourceBatch, SourceCursor } from './event-source.ts'
import { type PositionOf, positionAt } from './record-position.ts'
import { ResumeWindow, type WindowCursor } from './resume-window.ts'

const OVERLAP_DEFAULT = 1
const MS: Readonly<Record<string, number>> = { s: 1_000, ms: 1, us: 0.001 }

export class ResumedRecords {
  readonly #window: ResumeWindow
  readonly #positionOf: PositionOf
  readonly #resume: ResumeDefinition

  constructor(resume: ResumeDefinition, from: SourceCursor | null) {
    this.#resume = resume
    this.#positionOf = positionAt(resume.from)
    this.#window = new ResumeWindow(windowCursor(from), resume.overlap ?? OVERLAP_DEFAULT)
  }

  /** for the URL */
  get parameters(): Readonly<Record<string, string | null>> {
    const { since } = this.#window
    return { [this.#resume.parameter]: since === null ? null : String(since) }
  }

  batch(records: readonly (Buffer | LongRecord)[]): SourceBatch {
    const admitted = records.filter((record) => this.#isNew(record))
    const cursor = this.#window.cursor()
    return { records: admitted, cursor: cursor as unknown as SourceCursor, newestMs: this.#timeOf(cursor) }
  }

  #isNew(record: Buffer | LongRecord): boolean {
    // Of one over the limit only the beginning is known; that tells it well enough.
    if (!Buffer.isBuffer(record)) return this.#window.admit(record.first, null)
    return record.length === 0 || this.#window.admit(record, this.#positionOf(record))
  }

  #timeOf({ max }: WindowCursor): number | undefined {
    const { unit } = this.#resume
    return max === null || unit === undefined ? undefined : max * MS[unit]!
  }
}

function windowCursor(from: SourceCursor | null): WindowCursor | null {
  const { seen, since = null, max = null } = (from ?? {}) as Partial<WindowCursor>
  return typeof seen === 'string' ? { seen, since, max } : null
}
