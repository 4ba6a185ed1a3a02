/**
 * What the tail leaves to the stream role. Where the log's end is far ahead, because a file is loaded or after a downtime, the records
 * are about to come in closed segments, with their states: the tail then waits for these instead of decoding and folding the same records.
 * What is counted stays decided by offsets alone; only when the tail reads on is decided here.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import type { LiveLimits } from './live-limits.ts'

type LeftLimits = Pick<LiveLimits, 'leftRecordsMin' | 'closedRecordsMin' | 'leftMsMax'>

/** Of a partition: `[start, end)` is what the tail has read of it. */
export interface ReadPart {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
}

/** what will have come by then counts as if it were there */
const SOON_MS = 2_000
/** over which the growth of a partition is taken, at the least */
const GROWTH_MS_MIN = 250

interface Growth {
  readonly logEnd: Offset
  readonly atMs: number
  /** records a ms */
  readonly rate: number
}

interface Wait {
  /** of the open segment that is waited for */
  readonly start: Offset
  /** monotonic, ms; null: it took too long, and the records are read */
  readonly sinceMs: number | null
}

export class LeftToSegments {
  readonly #limits: LeftLimits
  readonly #elapsed: () => number
  readonly #waits = new Map<number, Wait>()
  readonly #growths = new Map<number, Growth>()
  readonly #wanted = new Set<Positions>()

  /** @param elapsed monotonic, ms */
  constructor(limits: LeftLimits, elapsed: () => number = () => performance.now()) {
    this.#limits = limits
    this.#elapsed = elapsed
  }

  /** Somebody waits until what is before the position is counted: that is not left. @returns ends the wait */
  want(position: Positions): () => void {
    this.#wanted.add(position)
    return () => this.#wanted.delete(position)
  }

  /** Whether the records from the part's end up to the log's end are not to be read now. */
  leaves({ partition, start, end }: ReadPart, logEnd: Offset): boolean {
    const nowMs = this.#elapsed()
    const unread = logEnd - end
    const soon = unread + SOON_MS * this.#growth(partition, logEnd, nowMs)
    const before = this.#waits.get(partition)
    const wait = before?.start === start ? before : null
    // In vain once is in vain until the segment has closed: there may be no stream role.
    if (wait?.sinceMs === null) return false
    const { leftRecordsMin, closedRecordsMin, leftMsMax } = this.#limits
    if (unread < leftRecordsMin || soon < closedRecordsMin || this.#isWanted(partition, end)) {
      this.#waits.delete(partition)
      return false
    }
    const sinceMs = wait?.sinceMs ?? nowMs
    const isInVain = nowMs - sinceMs >= leftMsMax
    this.#waits.set(partition, { start, sinceMs: isInVain ? null : sinceMs })
    return !isInVain
  }

  /** Records a ms that the partition gets. */
  #growth(partition: number, logEnd: Offset, nowMs: number): number {
    const before = this.#growths.get(partition)
    const passedMs = before === undefined ? 0 : nowMs - before.atMs
    if (before !== undefined && passedMs < GROWTH_MS_MIN) return before.rate
    const rate = before === undefined ? 0 : Math.max(0, logEnd - before.logEnd) / passedMs
    this.#growths.set(partition, { logEnd, atMs: nowMs, rate })
    return rate
  }

  #isWanted(partition: number, end: Offset): boolean {
    return [...this.#wanted].some((position) => (position.get(partition) ?? 0) > end)
  }
}
