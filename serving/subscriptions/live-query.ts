/**
 * One query that is read live: it is computed once per change, compared with the answer before, and what changed is written once,
 * however many read it. A reader that was full, or comes back, gets the events that it missed if they are still known; otherwise the
 * newest answer.
 */
import { AnswerTooLargeError, PositionNotReachedError } from '../answers/query-error.ts'
import { problemOfError } from '../http/problems.ts'
import type { KeptAnswer } from '../live/answer-cache.ts'
import type { AskedQuery, LiveAnswers } from '../live/live-answers.ts'
import type { WorkShare } from '../live/work-share.ts'
import { type AnswerState, answerEvent, answerStateOf, changeEvent, noticeBytes } from './answer-events.ts'
import { EventHistory, type LiveEvent } from './event-history.ts'
import type { LiveReader } from './live-reader.ts'
import { LiveSeats, type Notice, type ReadFrom, type Wanted } from './live-seats.ts'
import type { SubscriptionLimits } from './subscription-limits.ts'

export interface LiveQueryParts {
  readonly live: LiveAnswers
  readonly asked: AskedQuery
  /** @throws what keeps the answer from being given, by what its readers require */
  readonly check: (live: LiveAnswers, kept: KeptAnswer) => void
  /** of all queries */
  readonly share: WorkShare
  /** bounds how many compute at the same time */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  readonly limits: SubscriptionLimits
}

/** while nothing changes: how often it is checked whether the log can still be read, and who waits too long */
const LOOK_MS = 1_000

export class LiveQuery {
  readonly #parts: LiveQueryParts
  readonly #seats = new LiveSeats()
  readonly #stopping = new AbortController()
  #state: AnswerState | null = null
  #history: EventHistory | null = null
  /** of the state */
  #answer: LiveEvent | null = null
  #problem: Notice | null = null
  /** the state is not one of before a time without readers */
  #isRecent = false
  #triedAtMs = Number.NEGATIVE_INFINITY
  #sentAtMs = Number.NEGATIVE_INFINITY
  #wake: () => void = () => {}
  #loop: Promise<void> | null = null

  constructor(parts: LiveQueryParts) {
    this.#parts = parts
  }

  get readers(): Iterable<LiveReader> {
    return this.#seats.readers
  }

  get isRead(): boolean {
    return this.#seats.size > 0
  }

  join(reader: LiveReader, from: ReadFrom): void {
    this.#seats.add(reader, from)
    this.#parts.live.countReaders(1)
    this.wake()
    this.#begin()
  }

  leave(reader: LiveReader): void {
    this.#seats.remove(reader)
    this.#parts.live.countReaders(-1)
    this.wake()
  }

  /** Looks at once whether a reader can be given something. */
  wake(): void {
    this.#wake()
  }

  /** Ends all streams, after what was sent. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#seats.end()
    this.wake()
    await this.#loop
  }

  #begin(): void {
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null
      // One that came while the last one left.
      if (this.isRead) this.#begin()
    })
  }

  async #run(): Promise<void> {
    while (this.isRead) {
      if (!this.#hasNews()) this.#isRecent = true
      else if (this.#waitMs() <= 0) await this.#renew()
      else if (this.#isWithinPause) this.#isRecent = true
      this.#serve()
      if (this.isRead) await this.#pause()
    }
    this.#isRecent = false
  }

  #hasNews(): boolean {
    const { live, asked } = this.#parts
    if (this.#state === null || this.#problem !== null) return true
    const { kept, meta } = this.#state
    return !live.isNewest(kept, asked, Date.now()) || JSON.stringify(live.whyMissing(kept)) !== meta.get('liveMissing')
  }

  /** Until it may be computed again, ms. */
  #waitMs(): number {
    const { share, limits } = this.#parts
    const nowMs = performance.now()
    const pauseMs = this.#problem === null ? limits.eventPauseMs : limits.retryPauseMs
    return Math.max(this.#triedAtMs + pauseMs - nowMs, share.usedUpMs(nowMs))
  }

  /** A reader that stayed would have no newer answer: one that comes, as when a page is reloaded, need not wait for the next. */
  get #isWithinPause(): boolean {
    return performance.now() - this.#triedAtMs < this.#parts.limits.eventPauseMs
  }

  async #renew(): Promise<void> {
    const { live, asked, check, inTurn, limits, share } = this.#parts
    const [began, nowMs, signal] = [performance.now(), Date.now(), this.#stopping.signal]
    try {
      const { queryMsMax, liveAnswerBytesMax } = limits
      const kept = await inTurn(() => live.newest(asked, { nowMs, queryMsMax, signal }))
      check(live, kept)
      if (kept.rowsJson.length > liveAnswerBytesMax)
        throw new AnswerTooLargeError(liveAnswerBytesMax, 'liveAnswerBytesMax')
      const computedMs = performance.now()
      this.#give(answerStateOf(live, asked, kept, this.#state))
      if (kept.doneAtMs >= began) share.useBeside(kept.doneAtMs - kept.tookMs, kept.doneAtMs)
      share.useBeside(computedMs, performance.now())
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    } finally {
      this.#triedAtMs = performance.now()
    }
  }

  #give(state: AnswerState): void {
    const before = this.#state
    const isHealed = this.#problem !== null
    this.#problem = null
    this.#isRecent = true
    if (before === null) {
      this.#history = new EventHistory(state.id, this.#parts.limits)
      this.#state = state
    } else if (isHealed || before.id !== state.id || before.meta.get('liveMissing') !== state.meta.get('liveMissing')) {
      const event = changeEvent(before, state)
      if (event.hasRows || isHealed || this.#mayTellPosition(state)) this.#publish(state, event)
    }
  }

  /** Events that only say how far the answer counts are sent less often, unless a reader waits for that. */
  #mayTellPosition({ kept }: AnswerState): boolean {
    const isDue = performance.now() - this.#sentAtMs >= this.#parts.limits.positionPauseMs
    return isDue || this.#seats.isWaitedFor(kept.meta.position)
  }

  #publish(state: AnswerState, event: LiveEvent): void {
    this.#state = state
    this.#answer = null
    this.#history!.add(event)
    this.#sentAtMs = performance.now()
    this.#seats.publish(event)
  }

  #fail(error: unknown): void {
    const problem = problemOfError(error)
    const text = `${problem.type} ${problem.detail}`
    if (this.#problem?.text !== text) this.#problem = { text, bytes: noticeBytes('problem', problem) }
  }

  #serve(): void {
    const [problem, state, history] = [this.#problem, this.#state, this.#history]
    if (problem !== null) this.#seats.tell(problem)
    else if (state !== null && history !== null && this.#isRecent && this.#seats.isAnswerNeeded)
      this.#bringUpToDate(state, history)
  }

  #bringUpToDate(state: AnswerState, history: EventHistory): void {
    this.#answer ??= answerEvent(state)
    this.#seats.bringUpToDate({ state, history, answer: this.#answer }, (wanted) => this.#found(wanted, state.kept))
  }

  #found({ position, isSeen, waitedMs }: Wanted, kept: KeptAnswer): Notice | 'wait' | 'lost' {
    const { live, limits } = this.#parts
    if (waitedMs < limits.waitMsMax) return 'wait'
    // The log has lost what the reader has seen: it would wait for ever.
    if (isSeen && live.isBeyondLog(position, kept)) return 'lost'
    const problem = problemOfError(new PositionNotReachedError(position, kept.meta.position, limits.waitMsMax))
    return { text: problem.type, bytes: noticeBytes('problem', problem) }
  }

  /** Until something may have changed. */
  async #pause(): Promise<void> {
    const { live, asked } = this.#parts
    const over = new AbortController()
    const end = (): void => over.abort()
    this.#wake = end
    const hasNews = this.#hasNews()
    const windowMs = (live.nextWindowMs(asked, Date.now()) ?? Number.POSITIVE_INFINITY) - Date.now()
    const timer = setTimeout(end, Math.max(1, Math.min(LOOK_MS, hasNews ? this.#waitMs() : windowMs)))
    const ended = new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }))
    await (hasNews ? ended : live.changed(over.signal))
    clearTimeout(timer)
    end()
    this.#wake = () => {}
    live.keepUp(asked)
  }
}
