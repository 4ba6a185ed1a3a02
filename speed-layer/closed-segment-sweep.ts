/** Takes away what closed segments no longer need: their partials after the readers' grace, their records after the log's retention. */
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { StreamLimits } from './stream-limits.ts'

export interface SweepParts {
  readonly dataset: string
  readonly partition: number
  readonly log: EventLog
  readonly store: SpeedStore
  readonly limits: Pick<StreamLimits, 'readerGraceMs' | 'logRetentionMs' | 'cleanUpRowsMax'>
  readonly emit: Emit
  /** epoch ms, on which the log dates its records */
  readonly clock?: () => number
  /** monotonic ms, for how long a segment has been closed */
  readonly elapsed?: () => number
}

/** what cannot be cleaned up is tried again after this long: it may take a person to allow it */
const REST_MS = 60_000
const DROPPING = "dropping the log's records"
const DELETING = 'deleting partials'
/** how often the records of an idle partition are looked at, some of which may have become old enough to be dropped */
const TRIMS_PER_RETENTION = 6
const TRIM_MS_MIN = 1_000

export class ClosedSegmentSweep {
  readonly #parts: SweepParts
  readonly #clock: () => number
  readonly #elapsed: () => number
  /** open-segment starts with the moment since which the segments before them are closed, oldest first */
  #closed: { readonly start: Offset; readonly sinceMs: number }[] = []
  #committedEnd: Offset = 0
  /** where the log began after it was trimmed last, and when that was */
  #trimmed = { to: 0, atMs: Number.NEGATIVE_INFINITY }
  /** by what was tried */
  readonly #restUntilMs = new Map<string, number>()

  constructor(parts: SweepParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? Date.now
    this.#elapsed = parts.elapsed ?? (() => performance.now())
  }

  /** Every segment that ends at or before `start` has a manifest. */
  closedUpTo(start: Offset): void {
    if (start <= this.#committedEnd) return
    this.#committedEnd = start
    this.#closed.push({ start, sinceMs: this.#elapsed() })
  }

  /** How long until there is something to do, if no other segment closes before. */
  get dueInMs(): number {
    const nowMs = this.#elapsed()
    const { readerGraceMs, logRetentionMs } = this.#parts.limits
    const restMs = (doing: string): number => (this.#restUntilMs.get(doing) ?? 0) - nowMs
    const oldest = this.#closed[0]
    const partialsMs = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sinceMs + readerGraceMs - nowMs
    const isTrimmed = this.#trimmed.to >= this.#committedEnd
    const everyMs = Math.max(TRIM_MS_MIN, logRetentionMs / TRIMS_PER_RETENTION)
    const trimMs = isTrimmed ? Number.POSITIVE_INFINITY : this.#trimmed.atMs + everyMs - nowMs
    return Math.min(Math.max(partialsMs, restMs(DELETING)), Math.max(trimMs, restMs(DROPPING)))
  }

  /** One bounded step of each kind. One that fails is told and rests for a while: nothing that counts depends on it. */
  async run(): Promise<void> {
    const { log, partition, limits } = this.#parts
    if (this.#committedEnd > 0)
      await this.#attempt(DROPPING, async () => {
        this.#trimmed = { ...this.#trimmed, atMs: this.#elapsed() }
        const to = await log.trim(partition, this.#committedEnd, this.#clock() - limits.logRetentionMs)
        this.#trimmed = { ...this.#trimmed, to }
      })
    const oldMs = this.#elapsed() - limits.readerGraceMs
    const due = this.#closed.findLastIndex((entry) => entry.sinceMs <= oldMs)
    if (due >= 0) await this.#attempt(DELETING, () => this.#deletePartials(due))
  }

  async #deletePartials(due: number): Promise<void> {
    const { store, partition, limits } = this.#parts
    const deleted = await store.deleteClosed(partition, this.#closed[due]!.start, limits.cleanUpRowsMax)
    if (deleted === 0) this.#closed = this.#closed.slice(due + 1)
  }

  async #attempt(doing: string, step: () => Promise<unknown>): Promise<void> {
    if (this.#elapsed() < (this.#restUntilMs.get(doing) ?? 0)) return
    try {
      await step()
    } catch (error) {
      this.#restUntilMs.set(doing, this.#elapsed() + REST_MS)
      const { dataset, partition, emit } = this.#parts
      emit({
        name: 'clean-up-failed',
        level: 'warn',
        dataset,
        message: `partition ${partition}: ${doing} of closed segments failed: ${(error as Error).message}; trying again in ${REST_MS} ms, everything else goes on`,
        fields: { partition },
      })
    }
  }
}
