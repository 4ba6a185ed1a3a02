/**
 * What an owner asks before it counts: do log, lake, generation and speed store of its partition belong together? It asks the lake and
 * the log when it opens, and the speed store before the first flush or close: a partition opens, and its segments close, also while
 * the speed store is unavailable.
 */
import {
  BARRIER_THROUGH,
  countedRecords,
  isLogLoss,
  type KnownOpenSegment,
  type KnownParts,
  type LogVerdict,
  logAgreement,
} from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { recordsAt } from '#storage/log/record-prints.ts'
import { barrierOver } from '#storage/speed-store/barrier.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { refusalOf } from './stream-refusals.ts'

export interface AgreementParts {
  readonly dataset: string
  readonly partition: number
  readonly log: EventLog
  readonly lake: Lake
  readonly store: SpeedStore
  /** epoch ms */
  readonly clock?: () => number
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

  /** @throws LogReplacedError, LogLossError, LakeCutError; LakeError if a manifest that no generation counts is damaged */
  async opening(): Promise<Opening> {
    this.#held = false
    this.#storeAway = false
    const { lake, log, partition } = this.#parts
    // Before the chain: what a generation has counted then, the chain that is read later can only reach or pass.
    const generation = await newestGeneration(lake)
    const chain = await lake.chain(partition, generation?.boundary[partition] ?? 0)
    const refusal = (await lake.refusals()).get(partition) ?? null
    const logRange = await log.range(partition)
    const records = await recordsAt(log, partition, countedRecords({ lake: chain }))
    const known = { partition, logIdentity: log.identity, logRange, lake: chain, generation, records, refusal }
    let verdict = await this.#assertNotRefused(known)
    if (verdict.kind === 'gap-or-lake-cut')
      verdict = await this.#assertNotRefused({ ...known, marker: await this.#marker() })
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
    const { log, partition } = this.#parts
    const logRange = await log.range(partition)
    const records = await recordsAt(log, partition, countedRecords({ marker }))
    await this.#assertNotRefused({ partition, logRange, marker, records })
    this.#held = true
  }

  /**
   * The error for a log that ends before what is folded; null where it does not. The refusal stays, and where the speed store counts more
   * than the log holds, a barrier, too: soon the log may be as long again, with other events under the same offsets.
   */
  async cutFault(logRange: OffsetRange, folded: KnownOpenSegment): Promise<Error | null> {
    const { partition } = this.#parts
    const lake = { segments: [], end: folded.segmentStart }
    const verdict = logAgreement({ partition, logRange, lake, folded })
    if (verdict.kind === 'log-cut') await this.#leaveBarrier(logRange, folded.segmentStart)
    await this.#remember(verdict)
    return refusalOf(verdict, this.#where)
  }

  /** The error for a log that has other records before `at` than those that were read. The refusal stays. */
  async divergedFault(at: Offset, { start }: { readonly start: Offset }): Promise<Error> {
    const counted = at > start ? 'open' : 'closed'
    const verdict: LogVerdict = { kind: 'log-diverged', offset: at - 1, counted }
    await this.#remember(verdict)
    return refusalOf(verdict, this.#where)!
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

  async #assertNotRefused(known: KnownParts): Promise<LogVerdict> {
    const verdict = logAgreement(known)
    await this.#remember(verdict)
    const refusal = refusalOf(verdict, this.#where)
    if (refusal !== null) throw refusal
    return verdict
  }

  /** A log that lost records must not be read again because it has grown meanwhile. */
  async #remember(verdict: LogVerdict): Promise<void> {
    // A barrier is taken away by the repair that put it there, or by the next one.
    if (!isLogLoss(verdict) || (verdict.kind === 'log-cut' && verdict.through === BARRIER_THROUGH)) return
    const { lake, partition, clock = Date.now } = this.#parts
    // Refused all the same: as long as the lake cannot be written, no segment is closed either.
    await lake.refuse({ partition, why: verdictText(verdict), atMs: clock() }).catch(() => {})
  }

  get #where(): string {
    return `dataset '${this.#parts.dataset}', partition ${this.#parts.partition}`
  }
}

/** A current generation that cannot be read must not keep events from being counted: what an older one has counted, it has, too. */
async function newestGeneration(lake: Lake): Promise<GenerationManifest | null> {
  try {
    return await lake.current()
  } catch (error) {
    if (!(error instanceof LakeError)) throw error
    return (await lake.generations()).at(-1) ?? null
  }
}
