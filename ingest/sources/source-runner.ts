/**
 * Runs one source: holds its lock, claims it, reads, and appends what it reads together with the cursor.
 *
 *  1. One process runs a source at a time: the holder of its lock. The lock is released automatically when the process dies.
 *  2. Only the newest claim can append. A process that was frozen while another one took over appends nothing more.
 *  3. Records and cursor are appended together, so a restart reads on behind the last record in the log.
 *  4. After an append that failed, the source is claimed anew; the cursor then tells whether the append took place. It is repeated only if it did not.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '#core/backoff.ts'
import type { HeldLock } from '#storage/lake/lake.ts'
import type { SourceLedger, SourcePosition } from '#storage/log/source-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Intake } from '../intake.ts'
import { type EventSource, SourceFault, type SourceLimits } from './event-source.ts'
import { Pace } from './pace.ts'
import { SourceAppends, SourceMovedOn } from './source-appends.ts'
import { type SourceState, type SourceStatus, shownCursor } from './source-state.ts'
import { WaitingRecords } from './waiting-records.ts'

export interface SourceRunnerParts {
  readonly dataset: string
  /** unique within the dataset */
  readonly name: string
  /** for people: http-stream, polling … */
  readonly kind: string
  readonly source: EventSource
  readonly intake: Pick<Intake, 'offer' | 'limits'>
  readonly ledger: SourceLedger
  /** takes the source's lock; null: another process has it */
  readonly tryLock: () => Promise<HeldLock | null>
  readonly emit: Emit
  /** whether it waits for a person to resume it first */
  readonly startsPaused?: boolean
  /** events per second at the most; default: no limit */
  readonly eventsPerSecondMax?: number
  /** removes secrets from a text that leaves the source */
  readonly mask?: (text: string) => string
  readonly timing?: Partial<SourceTiming>
}

export interface SourceTiming {
  /** how long records wait for others before they are appended together */
  readonly lingerMs: number
  /** between two looks for the lock, or for what a person changed */
  readonly lookEveryMs: number
  readonly retryMsFirst: number
  readonly retryMsMax: number
}

export const DEFAULT_SOURCE_TIMING: SourceTiming = {
  lingerMs: 100,
  lookEveryMs: 1_000,
  retryMsFirst: 500,
  retryMsMax: 60_000,
}

/** Read and not in the log yet; the same again is in the append that is under way. */
const WAITING_RECORDS_MAX = 5_000
const WAITING_BYTES_MAX = 4 * 1024 * 1024
const BATCH_RECORDS_MAX = 1_000
/** a connection that lasted this long begins again with the first pause */
const STEADY_MS = 30_000

export class SourceRunner {
  readonly #parts: SourceRunnerParts
  readonly #timing: SourceTiming
  readonly #limits: SourceLimits
  readonly #stopping = new AbortController()
  readonly #pace: Pace
  #running: Promise<void> = Promise.resolve()
  #position: SourcePosition | null = null
  #state: SourceState = 'starting'
  #reason: string | null = null
  #rejected = 0
  #lagMs: number | null = null
  #failures = 0

  constructor(parts: SourceRunnerParts) {
    const { recordBytesMax, rowsMax } = parts.intake.limits
    this.#parts = parts
    this.#timing = { ...DEFAULT_SOURCE_TIMING, ...parts.timing }
    this.#limits = { recordBytesMax, batchRecordsMax: Math.min(BATCH_RECORDS_MAX, Math.ceil(rowsMax / 2)) }
    this.#pace = new Pace(parts.eventsPerSecondMax ?? Number.POSITIVE_INFINITY)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Appends what was read, as far as the log takes it, and releases the source. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  status(): SourceStatus {
    const { dataset, name: source, kind } = this.#parts
    const { events = 0, cursor = null, atMs: lastEventMs = null } = this.#position ?? {}
    const { resumption } = this.#parts.source
    const [state, reason, rejected, lagMs] = [this.#state, this.#reason, this.#rejected, this.#lagMs]
    return {
      ...{ dataset, source, kind, state, reason, events, rejected },
      ...{ cursor: shownCursor(cursor), lastEventMs, lagMs, resumption },
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        const lock = await this.#parts.tryLock()
        if (lock === null) await this.#wait('elsewhere', null, this.#timing.lookEveryMs)
        else await this.#hold(lock).finally(() => lock.release())
      } catch (error) {
        await this.#fail(error as Error)
      }
    }
    this.#enter('stopped', null)
  }

  /** With the lock: one claim after the other. Who has lost it must not claim again what its next holder has claimed. */
  async #hold({ lost }: HeldLock): Promise<void> {
    const { name, ledger, startsPaused = false } = this.#parts
    while (!this.#stopping.signal.aborted && !lost?.aborted) {
      const position = await ledger.claim(name)
      this.#position = position
      if (position.paused ?? startsPaused) await this.#untilChanged(position)
      else await this.#readUnder(position)
    }
  }

  /** Waits until somebody resumes it. */
  async #untilChanged({ source, epoch }: SourcePosition): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#wait('paused', null, this.#timing.lookEveryMs)
      if (await this.#isChanged(source, epoch)) return
    }
  }

  async #isChanged(source: string, epoch: number): Promise<boolean> {
    const found = (await this.#parts.ledger.list()).find((each) => each.source === source)
    return found?.epoch !== epoch
  }

  /** Reads and appends until the claim is lost. */
  async #readUnder(position: SourcePosition): Promise<void> {
    const { signal } = this.#stopping
    const appends = new SourceAppends({ ...this.#parts, position, onRejected: (count) => this.#noteRejected(count) })
    while (!signal.aborted) {
      const beganMs = performance.now()
      try {
        await this.#readOnce(appends)
        if (signal.aborted) return
        this.#failures = performance.now() - beganMs >= STEADY_MS ? 0 : this.#failures
        await this.#fail(new SourceFault('the other side ended the connection'))
      } catch (error) {
        if (error instanceof SourceMovedOn) return
        if (performance.now() - beganMs >= STEADY_MS) this.#failures = 0
        await this.#fail(error as Error)
      }
    }
  }

  /** One connection. @throws SourceMovedOn; what the source throws */
  async #readOnce(appends: SourceAppends): Promise<void> {
    const ending = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, ending.signal])
    const waiting = new WaitingRecords(this.#waitingLimits)
    signal.addEventListener('abort', () => waiting.wake(), { once: true })
    const watching = this.#watchClaim(appends, ending)
    const appending = this.#appendAll(waiting, appends, signal).finally(() => ending.abort())
    // Awaited below; until then its fault only ends the reading.
    appending.catch(() => {})
    try {
      await this.#readInto(waiting, appends, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      ending.abort()
      // Its fault is the one that matters: what was read is not in the log then.
      await appending
      await watching
    }
    appends.assertHeld()
  }

  get #waitingLimits(): { readonly recordsMax: number; readonly bytesMax: number } {
    const recordsMax = Math.min(WAITING_RECORDS_MAX, Math.ceil(this.#parts.intake.limits.rowsMax / 2))
    return { recordsMax, bytesMax: WAITING_BYTES_MAX }
  }

  async #readInto(waiting: WaitingRecords, appends: SourceAppends, signal: AbortSignal): Promise<void> {
    const watch = {
      connected: () => this.#enter('running', null),
      waiting: (why: string) => this.#enter('waiting', why),
    }
    const read = this.#parts.source.read(appends.cursor, { signal, limits: this.#limits, watch })
    for await (const batch of read) {
      if (signal.aborted) return
      if (batch.records.length > 0) this.#failures = 0
      waiting.add(batch, this.#limits.recordBytesMax)
      while (waiting.isFull && !signal.aborted) await waiting.changed
      await this.#pace.take(batch.records.length, signal)
    }
  }

  /** Appends what waits, until the signal, and then the rest. */
  async #appendAll(waiting: WaitingRecords, appends: SourceAppends, signal: AbortSignal): Promise<void> {
    for (;;) {
      while (waiting.isEmpty && !signal.aborted) await waiting.changed
      if (waiting.isEmpty) return
      await waiting.linger(this.#timing.lingerMs, signal)
      const taken = waiting.take()
      await appends.append(taken, this.#stopping.signal, (error) => this.#enter('failing', error.message))
      if (this.#state === 'failing' && !signal.aborted) this.#enter('running', null)
      this.#position = appends.position
      if (taken.newestMs !== null) this.#lagMs = Math.max(0, Date.now() - taken.newestMs)
    }
  }

  /** A person's change takes effect at once, also while nothing is read. */
  async #watchClaim(appends: SourceAppends, ending: AbortController): Promise<void> {
    for (;;) {
      await sleep(this.#timing.lookEveryMs, undefined, { signal: ending.signal }).catch(() => {})
      if (ending.signal.aborted) return
      const { source, epoch } = appends.position
      const isChanged = await this.#isChanged(source, epoch).catch(() => false)
      // A claim that was renewed meanwhile is still this one.
      if (!isChanged || appends.position.epoch !== epoch) continue
      appends.moveOn()
      return ending.abort()
    }
  }

  #noteRejected(count: number): void {
    this.#rejected += count
  }

  async #fail(error: Error): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#failures++
    const { retryMsFirst, retryMsMax } = this.#timing
    const refused = error instanceof SourceFault && error.isRefusal
    const asked = error instanceof SourceFault ? error.retryAfterMs : null
    const own = refused ? retryMsMax : backoffMs(this.#failures, { waitMsFirst: retryMsFirst, waitMsMax: retryMsMax })
    const waitMs = Math.max(own, asked ?? 0)
    const { dataset, name, mask = (text: string) => text, emit } = this.#parts
    const reason = mask(error.message)
    emit({
      name: 'source-failing',
      level: 'warn',
      dataset,
      message: `dataset '${dataset}', source '${name}': ${reason}; it is read again in ${Math.ceil(waitMs)} ms, after what is in the log`,
      fields: { source: name, waitMs: Math.ceil(waitMs) },
    })
    await this.#wait(refused ? 'refused' : 'failing', reason, waitMs)
  }

  async #wait(state: SourceState, reason: string | null, ms: number): Promise<void> {
    this.#enter(state, reason)
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }

  #enter(state: SourceState, reason: string | null): void {
    const { mask = (text: string) => text } = this.#parts
    this.#state = state
    this.#reason = reason === null ? null : mask(reason)
  }
}
