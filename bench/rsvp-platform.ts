/** The embedded parts with the RSVP dataset in a folder of their own: what several benchmarks build on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import type { StreamLimits } from '#speed-layer/stream-limits.ts'
import { type PartitionStatus, StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { type Emit, silent } from '#telemetry/emit.ts'

export const PARTITIONS = 4
const RAW = process.env.BENCH_RAW === 'drop' ? 'drop' : 'keep'
/** records in one append, of one partition */
export const APPEND = 2_000

export class RsvpPlatform {
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly dataset: CompiledDataset
  readonly log: SqliteLog
  readonly lake: LocalLake
  readonly store: SqliteSpeedStore
  readonly generator = new RsvpGenerator({
    seed: 1,
    startMs: 1_700_000_000_000,
    eventsPerSecond: 1_000,
    malformedShare: 0,
  })
  #appends = 0

  static async open(): Promise<RsvpPlatform> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
    const engine = await DuckDbEngine.open({
      folders: [folder],
      threads: 1,
      memoryLimit: '2GB',
      statementsAtOnce: availableParallelism(),
    })
    const dataset = await compileDataset({ ...rsvps, raw: RAW }, await engine.connect())
    const log = await SqliteLog.open({
      file: join(folder, 'log.sqlite'),
      dataset: dataset.name,
      partitions: PARTITIONS,
    })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: dataset.name })
    const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: dataset.name })
    return new RsvpPlatform({ folder, engine, dataset, log, lake, store })
  }

  private constructor(parts: Pick<RsvpPlatform, 'folder' | 'engine' | 'dataset' | 'log' | 'lake' | 'store'>) {
    this.folder = parts.folder
    this.engine = parts.engine
    this.dataset = parts.dataset
    this.log = parts.log
    this.lake = parts.lake
    this.store = parts.store
  }

  /** Appends `events` generated answers, an APPEND at a time to one partition after the other; returns what was appended. */
  async append(events: number, keep?: Buffer[]): Promise<void> {
    for (let at = 0; at < events; at += APPEND) {
      const lines = Buffer.from(Array.from({ length: APPEND }, () => `${this.generator.next()}\n`).join(''))
      keep?.push(lines)
      await this.log.append([{ partition: this.#appends++ % PARTITIONS, lines, count: APPEND }])
    }
  }

  stream(limits: Partial<StreamLimits> = {}, emit: Emit = silent): StreamRole {
    const { dataset, log, lake, store, engine, folder } = this
    return new StreamRole({ dataset, log, lake, store, engine, scratchFolder: join(folder, 'scratch'), limits, emit })
  }

  /** Runs a stream role until everything in the log is in the lake or the speed store; with `closed`, in closed segments. */
  async catchUp(closed = false): Promise<void> {
    const ranges = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => this.log.range(partition)))
    const done = Promise.withResolvers<void>()
    // A segment's age is looked at when the log has nothing new, so this closes the last ones and no others early.
    const role = this.stream(closed ? { segmentAgeMsMax: 2_000 } : {})
    const isDone = ({ position, segmentStart, partition }: PartitionStatus): boolean =>
      (closed ? segmentStart : position) >= ranges[partition]!.end
    const timer = setInterval(() => {
      const statuses = role.status()
      // A partition has none until its owner has begun.
      if (statuses.length === PARTITIONS && statuses.every(isDone)) done.resolve()
    }, 20)
    await role.start()
    await done.promise
    clearInterval(timer)
    await role.stop()
  }

  async close(): Promise<void> {
    await this.log.close()
    await this.store.close()
    this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!
