/**
 * Runs one sink: waits until the answer differs from the one that the receiver has, and delivers what changed until it is taken. While a
 * delivery fails nothing queues up: the next one leads to the answer that is the newest then.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '#core/backoff.ts'
import { isReached } from '#core/log-position.ts'
import type { SinkDefinition } from '#core/sink-definition.ts'
import type { HeldLock } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import { keyMembersOf } from '../answers/answer-columns.ts'
import { AnswerTooLargeError } from '../answers/query-error.ts'
import type { KeptAnswer } from '../live/answer-cache.ts'
import type { AskedQuery, LiveAnswers } from '../live/live-answers.ts'
import { eventIdOf, positionOfEventId } from '../subscriptions/event-ids.ts'
import { deliveryOf, type SinkIdentity } from './delivery-of.ts'
import type { SinkAnswer, SinkState, SinkStateText } from './sink-state.ts'
import { SinkFault, type SinkTarget } from './sink-target.ts'

export const SINK_STATES = ['running', 'failing', 'refused', 'elsewhere', 'stopped'] as const

export interface SinkStatus {
  readonly dataset: string
  readonly sink: string
  readonly kind: SinkDefinition['kind']
  readonly view: string
  /** elsewhere: another process delivers */
  readonly state: (typeof SINK_STATES)[number]
  readonly reason: string | null
  readonly deliveries: number
  /** id of the answer that the receiver has; null: none */
  readonly delivered: string | null
  readonly lastDeliveryMs: number | null
  /** for how long the receiver has not taken the delivery that is being made; null: none is */
  readonly waitingMs: number | null
}

export interface SinkParts {
  readonly dataset: string
  readonly definition: Pick<SinkDefinition, 'name' | 'kind' | 'view'>
  readonly live: LiveAnswers
  readonly asked: AskedQuery
  readonly target: SinkTarget
  readonly file: SinkStateText
  readonly everyMs: number
  readonly emit: Emit
  readonly tryLock: () => Promise<HeldLock | null>
  /** hides secrets */
  readonly mask?: (text: string) => string
  readonly limits?: Partial<SinkLimits>
}

export interface SinkLimits {
  readonly queryMsMax: number
  /** bytes of the rows of an answer */
  readonly sinkAnswerBytesMax: number
  readonly waitMsFirst: number
  readonly waitMsMax: number
  readonly lockEveryMs: number
}

export const DEFAULT_SINK_LIMITS: SinkLimits = {
  queryMsMax: 10_000,
  sinkAnswerBytesMax: 2 * 1024 * 1024,
  waitMsFirst: 500,
  waitMsMax: 60_000,
  lockEveryMs: 2_000,
}

const LOOK_MS = 1_000

export class SinkRunner {
  readonly #parts: SinkParts
  readonly #limits: SinkLimits
  readonly #identity: SinkIdentity
  readonly #stopping = new AbortController()
  #loop: Promise<void> | null = null
  #state: SinkStatus['state'] = 'stopped'
  #reason: string | null = null
  #kept: SinkState | null = null
  /** monotonic, ms */
  #waitingSinceMs: number | null = null

  constructor(parts: SinkParts) {
    this.#parts = parts
    this.#limits = { ...DEFAULT_SINK_LIMITS, ...parts.limits }
    const { plan } = parts.asked
    const keyMembers = keyMembersOf(plan)
    this.#identity = { dataset: parts.dataset, sink: parts.definition.name, view: plan.name, keyMembers }
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
    await this.#parts.target.close()
    this.#state = 'stopped'
  }

  status(): SinkStatus {
    const { dataset, definition } = this.#parts
    const { name: sink, kind, view } = definition
    const kept = this.#kept
    return {
      ...{ dataset, sink, kind, view, state: this.#state, reason: this.#reason },
      deliveries: kept?.deliveries ?? 0,
      delivered: kept?.delivered?.id ?? null,
      lastDeliveryMs: kept?.lastDeliveryMs ?? null,
      waitingMs: this.#waitingSinceMs === null ? null : Math.round(performance.now() - this.#waitingSinceMs),
    }
  }

  get #over(): boolean {
    return this.#stopping.signal.aborted
  }

  async #run(): Promise<void> {
    for (let failed = 0; !this.#over; ) {
      try {
        const lock = await this.#parts.tryLock()
        if (lock === null) {
          this.#state = 'elsewhere'
          await this.#sleep(this.#limits.lockEveryMs)
          continue
        }
        this.#state = 'running'
        await this.#deliverAll(lock).finally(() => lock.release())
      } catch (error) {
        if (!this.#over) await this.#fail(error, ++failed)
      }
    }
  }

  async #deliverAll({ lost }: HeldLock): Promise<void> {
    const { file, asked } = this.#parts
    // Rows of other dimensions have other keys, although the query is the same.
    this.#kept = await file.read(JSON.stringify([asked.text, asked.plan.dimensions]))
    for (let failed = 0; !this.#over && !lost?.aborted; ) {
      try {
        const state: SinkState = this.#kept
        this.#kept = state.pending === null ? await this.#next(state) : await this.#deliver(state, state.pending)
        failed = 0
      } catch (error) {
        if (!this.#over) await this.#fail(error, ++failed)
      }
    }
  }

  /** Waits for another answer, and writes down that it is to be delivered. */
  async #next(state: SinkState): Promise<SinkState> {
    const { file, everyMs } = this.#parts
    // By a clock that was set back since then, the last delivery is in the future.
    await this.#sleep(Math.min(everyMs, (state.lastDeliveryMs ?? 0) + everyMs - Date.now()))
    const pending = await this.#changed(state.delivered)
    if (pending === null) return state
    const next = { ...state, pending }
    await file.write(next)
    return next
  }

  async #deliver(state: SinkState, pending: SinkAnswer): Promise<SinkState> {
    this.#waitingSinceMs ??= performance.now()
    await this.#parts.target.deliver(deliveryOf(this.#identity, state.delivered, pending), this.#stopping.signal)
    const { deliveries } = state
    const next: SinkState = {
      ...state,
      delivered: pending,
      pending: null,
      deliveries: deliveries + 1,
      lastDeliveryMs: Date.now(),
    }
    await this.#parts.file.write(next)
    if (this.#state === 'failing') this.#tell('sink-recovered', 'info', 'delivers again')
    this.#state = 'running'
    this.#reason = null
    this.#waitingSinceMs = null
    return next
  }

  /** @returns null if it is stopped before */
  async #changed(delivered: SinkAnswer | null): Promise<SinkAnswer | null> {
    const { live, asked } = this.#parts
    const { queryMsMax, sinkAnswerBytesMax } = this.#limits
    const { signal } = this.#stopping
    while (!this.#over) {
      const nowMs = Date.now()
      const kept = await live.newest(asked, { nowMs, queryMsMax, signal })
      if (this.#state === 'failing' && delivered?.rowsJson === kept.rowsJson) this.#state = 'running'
      if (kept.rowsJson.length > sinkAnswerBytesMax)
        throw new AnswerTooLargeError(sinkAnswerBytesMax, 'sinkAnswerBytesMax')
      if (this.#isNext(delivered, kept)) return answerOf(live, kept, nowMs)
      await this.#news(kept)
    }
    return null
  }

  /** Never an answer from before the one that the receiver has, unless the log has lost that. */
  #isNext(delivered: SinkAnswer | null, kept: KeptAnswer): boolean {
    if (delivered === null) return true
    if (delivered.rowsJson === kept.rowsJson) return false
    const position = positionOfEventId(delivered.id)
    return position === null || isReached(position, kept.meta.position) || this.#parts.live.isBeyondLog(position, kept)
  }

  /** Until there may be another answer. */
  async #news(kept: KeptAnswer): Promise<void> {
    const { live, asked } = this.#parts
    const nowMs = Date.now()
    live.keepUp(asked)
    if (!live.isNewest(kept, asked, nowMs)) return this.#sleep(LOOK_MS / 10)
    const windowMs = (live.nextWindowMs(asked, nowMs) ?? Number.POSITIVE_INFINITY) - nowMs
    const over = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(Math.min(LOOK_MS, Math.max(1, windowMs)))])
    await live.changed(over)
  }

  async #fail(error: unknown, failed: number): Promise<void> {
    const { mask = (text) => text } = this.#parts
    const { message } = error as Error
    this.#reason = mask(message)
    if (this.#state !== 'failing') this.#tell('sink-failing', 'warn', `fails: ${this.#reason}; it is tried again`)
    this.#state = 'failing'
    const askedMs = error instanceof SinkFault ? (error.retryAfterMs ?? 0) : 0
    await this.#sleep(Math.max(askedMs, backoffMs(failed, this.#limits)))
  }

  #tell(name: string, level: 'info' | 'warn', what: string): void {
    const { dataset, definition, emit } = this.#parts
    const message = `dataset '${dataset}', sink '${definition.name}' ${what}`
    emit({ name, level, dataset, message, fields: { sink: definition.name } })
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }
}

function answerOf(live: LiveAnswers, kept: KeptAnswer, nowMs: number): SinkAnswer {
  const metaJson = `${kept.metaJson},${live.ageJson(kept, nowMs).slice(1)}`
  return { id: eventIdOf(kept), rowsJson: kept.rowsJson, metaJson }
}
