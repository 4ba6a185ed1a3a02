/**
 * The stream role of one dataset: an owner per assigned partition, each with an engine connection of its own so that they run
 * side by side. Owners come and go with the assignment; where one starts is the lake's to say. Memory is bounded by a budget over all of them: a slow sink slows the reading.
 */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import { endsWithin } from '#core/ends-within.ts'
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { AllPartitions, type PartitionAssignment } from '#storage/log/partition-assignment.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import { ClosedSegmentSweep } from './closed-segment-sweep.ts'
import { Heartbeat } from './heartbeat.ts'
import { LogWatch } from './log-watch.ts'
import { OpenBudget } from './open-budget.ts'
import { GATHERED_RECORDS, type OpenSince, PartitionOwner } from './partition-owner.ts'
import { RowsFold } from './rows-fold.ts'
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from './stream-limits.ts'
import { isRefusal } from './stream-refusals.ts'

/** an owner without records looks at itself at least this often, without asking the log or the speed store */
const LOOK_AGAIN_MS = 1_000

export interface StreamRoleParts {
  readonly dataset: CompiledDataset
  readonly log: EventLog
  readonly lake: Lake
  readonly store: SpeedStore
  readonly engine: DuckDbEngine
  /** a folder that the engine may use, for files that live for one micro-batch */
  readonly scratchFolder: string
  /** which partitions are ours; default: all of them */
  readonly assignment?: PartitionAssignment
  readonly limits?: Partial<StreamLimits>
  /** shared by the roles of one process; default: one of its own */
  readonly budget?: OpenBudget
  readonly step?: StepHook
  readonly emit: Emit
}

export interface PartitionStatus {
  readonly partition: number
  /** 'refused': log and lake do not belong together, or the lake has lost manifests; a person must act. 'retrying': a fault; it starts again by itself */
  readonly state: 'starting' | 'running' | 'retrying' | 'refused' | 'stopped'
  readonly position: Offset
  readonly segmentStart: Offset
  readonly logEnd: Offset
  readonly fault: string | null
}

/** An owner's loop. `lost`: its partition was given to another worker, or we stop. */
interface Owning {
  readonly lost: AbortController
  readonly ended: Promise<void>
}

export class StreamRole {
  readonly #parts: StreamRoleParts
  readonly #limits: StreamLimits
  readonly #budget: OpenBudget
  readonly #watch: LogWatch
  readonly #heartbeat = new Heartbeat()
  readonly #assignment: PartitionAssignment
  /** of the partitions that are ours, or were when we stopped */
  readonly #statuses = new Map<number, PartitionStatus>()
  readonly #owned = new Map<number, Owning>()
  /** loops that end: each partition has one after the other */
  readonly #ending = new Map<number, Promise<void>>()
  /** owners that open; null once the role runs */
  #starting: Promise<void>[] | null = []
  #stopped = false

  constructor(parts: StreamRoleParts) {
    this.#parts = parts
    this.#limits = { ...DEFAULT_STREAM_LIMITS, ...parts.limits }
    this.#watch = new LogWatch(parts.log, this.#limits)
    this.#budget = parts.budget ?? new OpenBudget(this.#limits.openBytesMax)
    this.#assignment = parts.assignment ?? new AllPartitions(parts.log)
  }

  /** Starts the owners. Resolves when each has opened its partition or met its first fault. */
  async start(): Promise<void> {
    await mkdir(this.#parts.scratchFolder, { recursive: true })
    await this.#assignment.start((partitions) => this.#assign(partitions))
    await Promise.all(this.#starting ?? [])
    this.#starting = null
  }

  /**
   * Flushes what was folded, stops, and gives the partitions up. Open segments stay open: the next owner replays them. Owners that
   * wait for a part that is away are left waiting after `stopMsMax`: closing the log and the speed store ends them.
   */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const { lost } of this.#owned.values()) lost.abort()
    await endsWithin(this.ended(), this.#limits.stopMsMax)
    await this.#assignment.stop()
  }

  /** Resolves when no owner is at work any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.#owned.values()].map(({ ended }) => ended))
    await Promise.all(this.#ending.values())
  }

  /** Of the partitions that this process owns. */
  status(): readonly PartitionStatus[] {
    return [...this.#statuses.values()].toSorted((a, b) => a.partition - b.partition)
  }

  #assign(partitions: readonly number[]): void {
    if (this.#stopped) return
    for (const [partition, owning] of this.#owned) if (!partitions.includes(partition)) this.#giveUp(partition, owning)
    for (const partition of partitions) if (!this.#owned.has(partition)) this.#takeUp(partition)
  }

  #takeUp(partition: number): void {
    const opened = Promise.withResolvers<void>()
    const lost = new AbortController()
    this.#statuses.set(partition, {
      partition,
      state: 'starting',
      position: 0,
      segmentStart: 0,
      logEnd: 0,
      fault: null,
    })
    const before = this.#ending.get(partition) ?? Promise.resolve()
    const ended = before.then(() => this.#own(partition, lost.signal, opened.resolve))
    this.#owned.set(partition, { lost, ended })
    this.#starting?.push(opened.promise)
    if (this.#starting === null) this.#tell('partition-taken', `partition ${partition} is ours now`, partition)
  }

  #giveUp(partition: number, { lost, ended }: Owning): void {
    lost.abort()
    this.#owned.delete(partition)
    this.#statuses.delete(partition)
    const gone = ended.then(() => {
      if (this.#ending.get(partition) === gone) this.#ending.delete(partition)
    })
    this.#ending.set(partition, gone)
    this.#tell('partition-given-up', `partition ${partition} belongs to another worker now`, partition)
  }

  #tell(name: string, message: string, partition: number): void {
    this.#parts.emit({ name, level: 'info', dataset: this.#parts.dataset.name, message, fields: { partition } })
  }

  async #own(partition: number, lost: AbortSignal, opened: () => void): Promise<void> {
    let waitMs = this.#limits.retryMsFirst
    const openSince: OpenSince = { start: -1, atMs: 0 }
    this.#note(partition, { state: 'starting' })
    while (!lost.aborted) {
      const progressed = { yes: false }
      try {
        await this.#run(partition, lost, openSince, {
          opened,
          flushed: () => {
            progressed.yes = true
          },
        })
      } catch (error) {
        if (lost.aborted) {
          this.#leftUnflushed(partition, error as Error)
          continue
        }
        if (progressed.yes) waitMs = this.#limits.retryMsFirst
        this.#faulted(partition, error as Error, waitMs)
        opened()
        await pause(waitMs, lost)
        waitMs = Math.min(waitMs * 2, this.#limits.retryMsMax)
      }
    }
    this.#note(partition, { state: 'stopped' })
    opened()
  }

  async #run(
    partition: number,
    lost: AbortSignal,
    openSince: OpenSince,
    tell: { opened(): void; flushed(): void },
  ): Promise<void> {
    const { log, engine } = this.#parts
    const connection = await engine.connect()
    const fold = new RowsFold({
      ...this.#parts,
      partition,
      logIdentity: log.identity,
      connection,
      limits: this.#limits,
    })
    try {
      await this.#foldAll(partition, fold, lost, openSince, tell)
    } finally {
      await fold.close().finally(() => connection.close())
    }
  }

  async #foldAll(
    partition: number,
    fold: RowsFold,
    lost: AbortSignal,
    openSince: OpenSince,
    tell: { opened(): void; flushed(): void },
  ): Promise<void> {
    const { dataset, log, lake, store, step, emit } = this.#parts
    const owner = new PartitionOwner({
      dataset: dataset.name,
      partition,
      log,
      lake,
      store,
      fold,
      limits: this.#limits,
      emit,
      step,
      openSince,
      budget: this.#budget,
      heartbeat: this.#heartbeat,
    })
    try {
      await this.#work(partition, owner, lost, tell)
    } finally {
      owner.giveUp()
      log.release?.(partition)
    }
  }

  async #work(
    partition: number,
    owner: PartitionOwner,
    lost: AbortSignal,
    tell: { opened(): void; flushed(): void },
  ): Promise<void> {
    const { dataset, log, store, emit } = this.#parts
    const sweep = new ClosedSegmentSweep({ dataset: dataset.name, partition, log, store, limits: this.#limits, emit })
    await owner.open()
    tell.opened()
    sweep.closedUpTo(owner.openStart)
    for (let mayHaveMore = true; !lost.aborted; ) {
      const more = mayHaveMore && (await owner.fill())
      mayHaveMore = true
      const closed = owner.closeDue
      if (closed) {
        await owner.close()
        sweep.closedUpTo(owner.openStart)
      }
      const flushed = owner.flushDue
      if (flushed) {
        await owner.flush()
        tell.flushed()
      }
      // Also without a flush: who catches up fast closes segments more often than it flushes, and who is idle leaves that to another.
      if (closed || flushed || sweep.dueInMs <= 0) {
        await this.#observe(partition, owner)
        await sweep.run()
      }
      if (owner.behind || closed) continue
      if (more) {
        this.#watch.came(partition)
        await this.#gather(partition, owner, lost)
      } else mayHaveMore = await this.#watch.wait(partition, owner.position, this.#untilNextStep(owner), lost)
    }
    // What was left to gather. What keeps it from being read must not keep the rest from being flushed; the next owner meets it again.
    if (this.#stopped && !owner.behind) await owner.fill().catch(() => {})
    await owner.flush()
    await this.#observe(partition, owner)
  }

  /** Waits until the owner is due to read or to close its segment, which segments of other partitions can cause at any time. */
  async #gather(partition: number, owner: PartitionOwner, lost: AbortSignal): Promise<void> {
    for (let leftMs = owner.readDueInMs; leftMs > 0 && !owner.closeDue; leftMs = owner.readDueInMs) {
      const msMax = Math.min(leftMs, LOOK_AGAIN_MS)
      if (await this.#watch.gather(partition, owner.position, GATHERED_RECORDS, msMax, lost)) return
    }
  }

  /** How long there is nothing to do without new records. Other partitions' segments can make one close at any time. */
  #untilNextStep(owner: PartitionOwner): number {
    const { pollEveryMs } = this.#limits
    if (this.#budget.full) return pollEveryMs
    return Math.max(pollEveryMs, Math.min(owner.flushDueInMs, owner.closeDueInMs, LOOK_AGAIN_MS))
  }

  async #observe(partition: number, owner: PartitionOwner): Promise<void> {
    const { end } = await this.#parts.log.range(partition)
    this.#assignment.progressed(partition, owner.position)
    this.#note(partition, {
      state: 'running',
      position: owner.position,
      segmentStart: owner.openStart,
      logEnd: end,
      fault: null,
    })
  }

  #leftUnflushed(partition: number, { message }: Error): void {
    this.#parts.emit({
      name: 'stream-unflushed',
      level: 'warn',
      dataset: this.#parts.dataset.name,
      message: `partition ${partition}: given up without a last flush (${message}); who takes it up folds it again, nothing is lost`,
      fields: { partition },
    })
  }

  #faulted(partition: number, error: Error, waitMs: number): void {
    const refused = isRefusal(error)
    this.#note(partition, { state: refused ? 'refused' : 'retrying', fault: error.message })
    this.#parts.emit({
      name: refused ? 'stream-refused' : 'stream-fault',
      level: 'error',
      dataset: this.#parts.dataset.name,
      message: `partition ${partition}: ${error.message}; trying again in ${waitMs} ms, nothing is lost`,
      fields: { partition, waitMs, error: error.name },
    })
  }

  /** A partition that was given up has no status any more. */
  #note(partition: number, change: Partial<PartitionStatus>): void {
    const status = this.#statuses.get(partition)
    if (status !== undefined) this.#statuses.set(partition, { ...status, ...change })
  }
}

/** Waits, or returns at once when the partition is lost. */
async function pause(ms: number, lost: AbortSignal): Promise<void> {
  if (!lost.aborted) await sleep(ms, undefined, { signal: lost }).catch(() => {})
}
