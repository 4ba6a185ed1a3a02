/** The readers of one live query: which answer each of them has, and what it is sent next. */
import { isReached } from '#core/log-position.ts'
import type { Offset, Positions } from '#core/offsets.ts'
import { type AnswerState, noticeBytes, upToDateEvent } from './answer-events.ts'
import type { EventHistory, LiveEvent } from './event-history.ts'
import { positionOfEventId } from './event-ids.ts'
import type { LiveReader } from './live-reader.ts'

/** Where a reader begins. */
export interface ReadFrom {
  /** id of the answer that it has; null: none */
  readonly lastId: string | null
  /** it gets no answer that does not count everything before this position */
  readonly atLeast: Positions | null
}

interface Seat {
  readonly reader: LiveReader
  readonly sinceMs: number
  lastId: string | null
  atLeast: Positions | null
  /** what it has seen, before it came back: it gets no answer from before that */
  had: Positions | null
  /** it has the newest answer */
  isUpToDate: boolean
  /** it was full, and missed events */
  isLate: boolean
  /** the notice that it got last, unless an event came after it */
  told: string | null
}

/** A problem that every reader is told once. */
export interface Notice {
  readonly text: string
  readonly bytes: Buffer
}

/** What readers are brought up to. */
export interface Newest {
  readonly state: AnswerState
  readonly history: EventHistory
  readonly answer: LiveEvent
}

export class LiveSeats {
  readonly #seats = new Map<LiveReader, Seat>()

  get readers(): Iterable<LiveReader> {
    return this.#seats.keys()
  }

  get size(): number {
    return this.#seats.size
  }

  add(reader: LiveReader, from: ReadFrom): void {
    const had = from.lastId === null ? null : positionOfEventId(from.lastId)
    const state = { isUpToDate: false, isLate: false, told: null }
    this.#seats.set(reader, { reader, ...from, had, sinceMs: performance.now(), ...state })
  }

  remove(reader: LiveReader): void {
    this.#seats.delete(reader)
  }

  /** Ends all streams, after what was sent. */
  end(): void {
    for (const reader of this.#seats.keys()) reader.end()
    this.#seats.clear()
  }

  /** Whether a reader waits for what this position counts. */
  isWaitedFor(position: readonly Offset[]): boolean {
    return [...this.#seats.values()].some(
      ({ atLeast, had }) => (atLeast ?? had) !== null && isCounted(atLeast, position) && isCounted(had, position),
    )
  }

  /** Whether a reader takes more, and does not have the newest answer. */
  get isAnswerNeeded(): boolean {
    return [...this.#seats.values()].some(({ isUpToDate, reader }) => !isUpToDate && !reader.isFull)
  }

  /** To all that have the answer before it. What a full reader misses, it gets when it takes more. */
  publish(event: LiveEvent): void {
    for (const seat of this.#seats.values()) {
      if (!seat.isUpToDate) continue
      if (seat.reader.isFull) Object.assign(seat, { isUpToDate: false, isLate: true })
      else send(seat, event)
    }
  }

  tell(notice: Notice): void {
    for (const seat of this.#seats.values()) if (!seat.reader.isFull) tellOnce(seat, notice)
  }

  /** @param waiting says how it is with a reader that waits for a position */
  bringUpToDate(newest: Newest, waiting: (wanted: Wanted) => Notice | 'wait' | 'lost'): void {
    const { position } = newest.state.kept.meta
    for (const seat of this.#seats.values()) {
      if (seat.isUpToDate || seat.reader.isFull) continue
      const { atLeast, had } = seat
      const missing = !isCounted(atLeast, position) ? atLeast : isCounted(had, position) ? null : had
      if (missing === null) catchUp(seat, newest)
      else {
        const isSeen = missing === had
        const found = waiting({ position: missing, isSeen, waitedMs: performance.now() - seat.sinceMs })
        if (found === 'lost') catchUp(Object.assign(seat, { lastId: null }), newest)
        else if (found !== 'wait') tellOnce(seat, found)
      }
    }
  }
}

/** What a reader waits for. */
export interface Wanted {
  readonly position: Positions
  /** it has seen an answer that counted it */
  readonly isSeen: boolean
  readonly waitedMs: number
}

function isCounted(wanted: Positions | null, position: readonly Offset[]): boolean {
  return wanted === null || isReached(wanted, position)
}

function send(seat: Seat, { id, bytes }: LiveEvent): void {
  seat.reader.send(bytes)
  Object.assign(seat, { lastId: id, told: null })
}

function tellOnce(seat: Seat, { text, bytes }: Notice): void {
  if (seat.told === text) return
  seat.reader.send(bytes)
  seat.told = text
}

/** The events that it missed, if they are known and not larger than the answer; otherwise the answer. */
function catchUp(seat: Seat, { state, history, answer }: Newest): void {
  const missed = seat.lastId === null ? null : history.after(seat.lastId)
  const bytes = missed?.reduce((sum, event) => sum + event.bytes.length, 0) ?? 0
  if (missed !== null && (bytes <= answer.bytes.length || bytes <= seat.reader.bytesMax)) {
    for (const event of missed) send(seat, event)
    if (!seat.isLate) send(seat, upToDateEvent(state))
  } else {
    if (seat.isLate) seat.reader.send(noticeBytes('skipped', { after: seat.lastId }))
    send(seat, answer)
  }
  Object.assign(seat, { isUpToDate: true, isLate: false, atLeast: null, had: null })
}
