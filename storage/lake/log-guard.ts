/**
 * Tells whether a log has lost records that closed segments count, or was refused before: an event that is appended to it would get an
 * offset that the lake has counted already, or be lost when a newer copy of the log is put in place.
 *
 * Compares log and lake at the first look and as long as it refuses; in between it looks only for refusals that others have recorded.
 */

import { endsWithin } from '#core/ends-within.ts'
import { countedRecords, isLogLoss, type LogVerdict, logAgreement } from '#core/log-agreement.ts'
import type { EventLog } from '../log/event-log.ts'
import { LogLossError } from '../log/log-loss-error.ts'
import { recordsAt } from '../log/record-prints.ts'
import type { Lake } from './lake.ts'
import { LakeError } from './lake-error.ts'

export interface LogGuardParts {
  readonly dataset: string
  readonly log: Pick<EventLog, 'range' | 'read' | 'partitions'>
  readonly lake: Pick<Lake, 'chains' | 'refusals'>
  /** monotonic, ms */
  readonly clock?: () => number
  /** default: LOOK_MS_MAX */
  readonly lookMsMax?: number
}

const LOOK_EVERY_MS = 1_000
/** how long an append waits for a look at a lake that was compared before: one that does not answer says nothing against the log */
const LOOK_MS_MAX = 2_000

export class LogGuard {
  readonly #parts: LogGuardParts
  readonly #clock: () => number
  #loss: LogLossError | null = null
  #compared = false
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | null = null
  /** whether somebody has waited for it in vain */
  #isLate = false

  constructor(parts: LogGuardParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? (() => performance.now())
  }

  /** why the log is refused, as far as it is known; else null */
  get refusal(): string | null {
    return this.#loss?.message ?? null
  }

  /** @throws LogLossError; what the log throws if it cannot be compared */
  async assertHolds(): Promise<void> {
    if (this.#clock() - this.#lookedAtMs >= LOOK_EVERY_MS) await this.#lookInTime()
    if (this.#loss !== null) throw this.#loss
  }

  async #lookInTime(): Promise<void> {
    const look = this.look()
    if (!this.#compared) return look
    const { lookMsMax = LOOK_MS_MAX } = this.#parts
    // After the timeout the look continues in the background.
    if (!this.#isLate && !(await endsWithin(look, lookMsMax))) {
      this.#isLate = true
      look.catch(() => {})
    }
  }

  /** Concurrent calls share one look. @throws what the log throws if it cannot be compared */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
      this.#isLate = false
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { lake } = this.#parts
    try {
      if (this.#compared && (await lake.refusals()).size === 0) return
      this.#loss = await this.#compare()
      this.#compared = this.#loss === null
    } catch (error) {
      // A lake that cannot be read says nothing against the log, and events are durable without it.
      if (!(error instanceof LakeError)) throw error
    } finally {
      this.#lookedAtMs = this.#clock()
    }
  }

  async #compare(): Promise<LogLossError | null> {
    const { dataset, log, lake } = this.#parts
    // Only where they end matters, and the last record.
    const after = Array.from({ length: log.partitions }, () => Number.MAX_SAFE_INTEGER)
    const chains = (await lake.chains(log.partitions, { after })).slice(0, log.partitions)
    const refusals = await lake.refusals()
    for (const chain of chains) {
      const { partition } = chain
      const logRange = await log.range(partition)
      const records = await recordsAt(log, partition, countedRecords({ lake: chain }))
      const refusal = refusals.get(partition) ?? null
      const verdict = logAgreement({ partition, logRange, lake: chain, records, refusal })
      if (isRefused(verdict)) return new LogLossError(`dataset '${dataset}', partition ${partition}`, verdict)
    }
    return null
  }
}

function isRefused(verdict: LogVerdict): boolean {
  return isLogLoss(verdict) || verdict.kind === 'log-refused'
}
