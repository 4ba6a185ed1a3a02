/** Takes away what closed segments no longer need: their partials after the readers' grace, their records after the log's retention. */
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { StreamLimits } from './stream-limits.ts'

export interface SweepParts {
  readonly partition: number
  readonly log: EventLog
  readonly store: SpeedStore
  readonly limits: Pick<StreamLimits, 'readerGraceMs' | 'logRetentionMs' | 'cleanUpRowsMax'>
  readonly clock?: () => number
}

export class ClosedSegmentSweep {
  readonly #parts: SweepParts
  readonly #clock: () => number
  /** open-segment starts with the moment since which the segments before them are closed, oldest first */
  #closed: { readonly start: Offset; readonly sinceMs: number }[] = []
  #committedEnd: Offset = 0

  constructor(parts: SweepParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? Date.now
  }

  /** Every segment that ends at or before `start` has a manifest. */
  closedUpTo(start: Offset): void {
    if (start <= this.#committedEnd) return
    this.#committedEnd = start
    this.#closed.push({ start, sinceMs: this.#clock() })
  }

  /** One bounded step of each kind. */
  async run(): Promise<void> {
    const { store, log, partition, limits } = this.#parts
    const now = this.#clock()
    if (this.#committedEnd > 0) await log.trim(partition, this.#committedEnd, now - limits.logRetentionMs)
    const due = this.#closed.findLastIndex((entry) => entry.sinceMs <= now - limits.readerGraceMs)
    if (due < 0) return
    const deleted = await store.deleteClosed(partition, this.#closed[due]!.start, limits.cleanUpRowsMax)
    if (deleted === 0) this.#closed = this.#closed.slice(due + 1)
  }
}
