/** Appends the records of one claim with their cursors, each once, whatever the log answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '#core/backoff.ts'
import { type SourceLedger, SourceMovedError, type SourcePosition } from '#storage/log/source-ledger.ts'
import { type Intake, IntakeBusyError } from '../intake.ts'
import type { SourceCursor } from './event-source.ts'
import type { TakenRecords } from './waiting-records.ts'

export interface SourceAppendParts {
  readonly intake: Pick<Intake, 'offer'>
  readonly ledger: SourceLedger
  /** of the claim */
  readonly position: SourcePosition
  readonly onRejected: (count: number) => void
}

/** What is stored as the cursor. */
interface StoredCursor {
  readonly at: SourceCursor
  /** number of the append: two appends never store the same text */
  readonly n: number
}

/** Another process claimed the source, or a person changed it: what was read under the claim is given up. */
export class SourceMovedOn extends Error {}

const RETRY_WAITS = { waitMsFirst: 100, waitMsMax: 5_000 }

export class SourceAppends {
  readonly #parts: SourceAppendParts
  #position: SourcePosition
  #at: SourceCursor
  #count: number
  #moved = false

  constructor(parts: SourceAppendParts) {
    const { at, n } = storedCursor(parts.position.cursor)
    this.#parts = parts
    this.#position = parts.position
    this.#at = at
    this.#count = n
  }

  /** as it is stored */
  get position(): SourcePosition {
    return this.#position
  }

  /** where to read on */
  get cursor(): SourceCursor {
    return this.#at
  }

  /** @throws SourceMovedOn */
  assertHeld(): void {
    if (this.#moved) throw new SourceMovedOn()
  }

  /** The claim is known to be lost. */
  moveOn(): void {
    this.#moved = true
  }

  /**
   * Resolves when the records are in the log. A log that does not take them is tried again, until the signal.
   * @param onFault told why the log did not take them
   * @throws SourceMovedOn
   */
  async append(taken: TakenRecords, signal: AbortSignal, onFault: (error: Error) => void): Promise<void> {
    this.assertHeld()
    const at = taken.cursor ?? this.#at
    if (taken.rows.length === 0 && JSON.stringify(at) === JSON.stringify(this.#at)) return
    const cursor = JSON.stringify({ at, n: this.#count + 1 } satisfies StoredCursor)
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#appendOnce(taken, cursor)
        break
      } catch (error) {
        if (error instanceof SourceMovedError) throw new SourceMovedOn()
        onFault(error as Error)
        if (signal.aborted) throw error
        await sleep(backoffMs(attempt, RETRY_WAITS), undefined, { signal }).catch(() => {})
        if (!(error instanceof IntakeBusyError) && (await this.#tookPlace(cursor, onFault))) break
      }
    }
    this.#at = at
    this.#count++
  }

  async #appendOnce({ rows }: TakenRecords, cursor: string): Promise<void> {
    const { source, epoch } = this.#position
    const by = { source, epoch, cursor }
    const { accepted, rejected } = await this.#parts.intake.offer(rows, {
      acceptUnusable: true,
      verdicts: 'rejected',
      by,
    })
    if (rejected > 0) this.#parts.onRejected(rejected)
    const atMs = accepted > 0 ? Date.now() : this.#position.atMs
    this.#position = { ...this.#position, cursor, events: this.#position.events + accepted, atMs }
  }

  /** Whether the append that failed is in the log. The claim that tells it ends whatever is still under way. */
  async #tookPlace(cursor: string, onFault: (error: Error) => void): Promise<boolean> {
    const { source, epoch } = this.#position
    try {
      const claimed = await this.#parts.ledger.claim(source)
      if (claimed.epoch !== epoch + 1) throw new SourceMovedOn()
      this.#position = claimed
      return claimed.cursor === cursor
    } catch (error) {
      if (error instanceof SourceMovedOn) throw error
      onFault(error as Error)
      return false
    }
  }
}

function storedCursor(text: string | null): StoredCursor {
  return text === null ? { at: null, n: 0 } : (JSON.parse(text) as StoredCursor)
}
