/**
 * What an owner asks before it counts: do log, lake, generation and speed store of its partition belong together? It asks the lake and
 * the log when it opens, and the speed store before the first flush or close: a partition opens, and its segments close, also while
 * the speed store is unavailable.
 */
import {
  BARRIER_THROUGH,
  type KnownOpenSegment,
  type KnownParts,
  type LogVerdict,
  logAgreement,
} from '#core/log-agreement.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { barrierOver } from '#storage/speed-store/barrier.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { refusalOf } from './stream-refusals.ts'

export interface AgreementParts {
  readonly dataset: string
  readonly partition: number
  readonly log: EventLog
  readonly lake: Lake
  readonly store: SpeedStore
}

/** Where an owner begins. */
export interface Opening {
  /** end of the lake's last segment */
  readonly start: Offset
  /** what the log no longer holds from `start` on */
  readonly gap: OffsetRange | null
}

export class OwnerAgreement {
  readonly #parts: AgreementParts
  /** the log was seen to hold everything that the speed store counts */
  #held = false
  /** the speed store did not answer: segments close all the same, until a flush has asked it */
  #storeAway = false

  constructor(parts: AgreementParts) {
    this.#parts = parts
  }

  /** @throws LogReplacedError, LakeCutError */
  async opening(): Promise<Opening> {
    this.#held = false
    this.#storeAway = false
    const { lake, log, partition } = this.#parts
    // Before the chain: what a generation has counted then, the chain that is read later can only reach or pass.
    const generation = await lake.current()
    const chain = (await lake.chains(Math.max(log.partitions, partition + 1)))[partition]!
    const logRange = await log.range(partition)
    const known = { partition, logIdentity: log.identity, logRange, lake: chain, generation }
    let verdict = this.#assertNotRefused(known)
    if (verdict.kind === 'gap-or-lake-cut') verdict = this.#assertNotRefused({ ...known, marker: await this.#marker() })
    return {
      start: chain.end,
      gap: verdict.kind === 'gap' ? { partition, start: verdict.start, end: verdict.end } : null,
    }
  }

  /** Before a flush. @throws LogCutError */
  async assertLogHolds(): Promise<void> {
    if (!this.#held) await this.#assertHolds(await this.#marker())
  }

  /** Before a close: without an answer of the speed store the segment closes. @throws LogCutError */
  async assertLogHoldsIfKnown(): Promise<void> {
    if (this.#held || this.#storeAway) return
    const marker = await this.#marker().catch(() => undefined)
    this.#storeAway = marker === undefined
    if (marker !== undefined) await this.#assertHolds(marker)
  }

  async #assertHolds(marker: Marker | null): Promise<void> {
    // After the marker: a log that lost nothing holds what was counted then.
    const logRange = await this.#parts.log.range(this.#parts.partition)
    this.#assertNotRefused({ partition: this.#parts.partition, logRange, marker })
    this.#held = true
  }

  /**
   * The error for a log that ends before what is folded; null where it does not. Where the speed store counts more than the log holds, a barrier stays there:
   * soon the log may be as long again, with other events under the same offsets.
   */
  async cutFault(logRange: OffsetRange, folded: KnownOpenSegment): Promise<Error | null> {
    const { partition } = this.#parts
    const lake = { segments: [], end: folded.segmentStart }
    const verdict = logAgreement({ partition, logRange, lake, folded })
    if (verdict.kind === 'log-cut') await this.#leaveBarrier(logRange, folded.segmentStart)
    return refusalOf(verdict, this.#where)
  }

  async #leaveBarrier(logRange: OffsetRange, lakeEnd: Offset): Promise<void> {
    const { partition, store } = this.#parts
    try {
      const marker = await this.#marker()
      if (marker === null || marker.through === BARRIER_THROUGH) return
      if (logAgreement({ partition, logRange, marker }).kind === 'log-cut')
        await store.flush([], barrierOver(marker, lakeEnd))
    } catch {
      // Refused all the same: the speed store is not needed to see it.
    }
  }

  async #marker(): Promise<Marker | null> {
    return (await this.#parts.store.markers()).get(this.#parts.partition) ?? null
  }

  #assertNotRefused(known: KnownParts): LogVerdict {
    const verdict = logAgreement(known)
    const refusal = refusalOf(verdict, this.#where)
    if (refusal !== null) throw refusal
    return verdict
  }

  get #where(): string {
    return `dataset '${this.#parts.dataset}', partition ${this.#parts.partition}`
  }
}
