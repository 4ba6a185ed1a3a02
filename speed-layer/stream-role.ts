/**
 * The stream role of one dataset: an owner per partition, each with an engine connection of its own so that they run side
 * by side. Memory is bounded by one micro-batch and one open segment per partition: a slow sink slows the reading.
 */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { DuckDbEngine, EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import { ClosedSegmentSweep } from './closed-segment-sweep.ts'
import { LogReplacedError, PartitionOwner } from './partition-owner.ts'
import { RowsFold } from './rows-fold.ts'
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from './stream-limits.ts'

export interface StreamRoleParts {
  readonly dataset: CompiledDataset
  readonly log: EventLog
  readonly lake: Lake
  readonly store: SpeedStore
  readonly engine: DuckDbEngine
  /** a folder that the engine may use, for files that live for one micro-batch */
  readonly scratchFolder: string
  readonly limits?: Partial<StreamLimits>
  readonly step?: StepHook
  readonly emit: Emit
}

export interface PartitionStatus {
  readonly partition: number
  /** 'refused': the log is not the lake's; a person must act. 'retrying': a fault; it starts again by itself */
  readonly state: 'starting' | 'running' | 'retrying' | 'refused' | 'stopped'
  readonly position: Offset
  readonly segmentStart: Offset
  readonly logEnd: Offset
  readonly fault: string | null
}

export class StreamRole {
  readonly #parts: StreamRoleParts
  readonly #limits: StreamLimits
  readonly #statuses: PartitionStatus[]
  readonly #stopping = new AbortController()
  #loops: Promise<void>[] = []

  constructor(parts: StreamRoleParts) {
    this.#parts = parts
    this.#limits = { ...DEFAULT_STREAM_LIMITS, ...parts.limits }
    this.#statuses = Array.from({ length: parts.log.partitions }, (_, partition) => ({
      partition,
      state: 'starting',
      position: 0,
      segmentStart: 0,
      logEnd: 0,
      fault: null,
    }))
  }

  /** Starts the owners. Resolves when each has opened its partition or met its first fault. */
  async start(): Promise<void> {
    await mkdir(this.#parts.scratchFolder, { recursive: true })
    const started: Promise<void>[] = []
    for (const { partition } of this.#statuses) {
      const opened = Promise.withResolvers<void>()
      started.push(opened.promise)
      this.#loops.push(this.#own(partition, opened.resolve))
    }
    await Promise.all(started)
  }

  /** Flushes what was folded and stops. Open segments stay open: the next start replays them. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#loops)
    this.#loops = []
  }

  status(): readonly PartitionStatus[] {
    return this.#statuses
  }

  async #own(partition: number, opened: () => void): Promise<void> {
    let waitMs = this.#limits.retryMsFirst
    while (!this.#stopping.signal.aborted) {
      const connection = await this.#parts.engine.connect()
      const progressed = { yes: false }
      try {
        await this.#run(partition, connection, () => {
          progressed.yes = true
          opened()
        })
      } catch (error) {
        if (progressed.yes) waitMs = this.#limits.retryMsFirst
        this.#faulted(partition, error as Error, waitMs)
        opened()
        await this.#pause(waitMs)
        waitMs = Math.min(waitMs * 2, this.#limits.retryMsMax)
      } finally {
        connection.close()
      }
    }
    this.#note(partition, { state: 'stopped' })
    opened()
  }

  async #run(partition: number, connection: EngineConnection, opened: () => void): Promise<void> {
    const { dataset, log, lake, store, scratchFolder, step, emit } = this.#parts
    const fold = new RowsFold({ dataset, partition, logIdentity: log.identity, connection, lake, scratchFolder, step })
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
    })
    const sweep = new ClosedSegmentSweep({ partition, log, store, limits: this.#limits })
    await owner.open()
    opened()
    sweep.closedUpTo(owner.openStart)
    while (!this.#stopping.signal.aborted) {
      const more = await owner.fill()
      if (owner.closeDue) {
        await owner.close()
        sweep.closedUpTo(owner.openStart)
      }
      if (owner.flushDue) {
        await owner.flush()
        await this.#observe(partition, owner)
        await sweep.run()
      }
      if (!more) await this.#pause(this.#limits.pollEveryMs)
    }
    await owner.flush()
    await this.#observe(partition, owner)
  }

  async #observe(partition: number, owner: PartitionOwner): Promise<void> {
    const { end } = await this.#parts.log.range(partition)
    this.#note(partition, {
      state: 'running',
      position: owner.position,
      segmentStart: owner.openStart,
      logEnd: end,
      fault: null,
    })
  }

  #faulted(partition: number, error: Error, waitMs: number): void {
    const refused = error instanceof LogReplacedError
    this.#note(partition, { state: refused ? 'refused' : 'retrying', fault: error.message })
    this.#parts.emit({
      name: refused ? 'stream-refused' : 'stream-fault',
      level: 'error',
      dataset: this.#parts.dataset.name,
      message: `partition ${partition}: ${error.message}; trying again in ${waitMs} ms, nothing is lost`,
      fields: { partition, waitMs, error: error.name },
    })
  }

  #note(partition: number, change: Partial<PartitionStatus>): void {
    this.#statuses[partition] = { ...this.#statuses[partition]!, ...change }
  }

  /** Waits, or returns at once when stopping. */
  #pause(ms: number): Promise<unknown> {
    const { signal } = this.#stopping
    if (signal.aborted) return Promise.resolve()
    return sleep(ms, undefined, { signal }).catch(() => {})
  }
}
