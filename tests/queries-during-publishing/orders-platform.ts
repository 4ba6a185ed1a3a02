/** The real embedded parts of one dataset, each role with handles of its own as if it were another process. */
import { mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { type Compaction, compactSegments } from '#batch-layer/compact.ts'
import { rollback } from '#batch-layer/rollback.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { StepHook } from '#core/steps.ts'
import { Random } from '#datasets/random.ts'
import { Intake } from '#ingest/intake.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { orders, PARTITIONS } from './orders.ts'

/** Everything is small, so that everything happens often. */
const STREAM_LIMITS = {
  pollEveryMs: 2,
  flushEveryMs: 25,
  flushBehindEveryMs: 25,
  batchRecordsMax: 30,
  segmentRecordsMax: 60,
  segmentAgeMsMax: 150,
  readerGraceMs: 20,
  cleanUpRowsMax: 120,
  logRetentionMs: 50,
}
const LIVE_LIMITS = {
  refreshRecordsMax: 40,
  refreshPauseMs: 2,
  refreshPauses: 0.2,
  coldEveryMs: 100,
  generationFileBytesMax: 3_000,
  closedBytesMax: 30_000,
  reuseMsMax: 20,
  tallyAfterAnswers: 1,
  tallyRowsMax: 1_000,
}
const KEEP_GENERATIONS = 3
/** files stay as long as this for readers that began before: longer than a query takes here, shorter than the test */
const LAKE_GRACE_MS = 1_500
const COMPACTED_ROWS = 400
const PAUSE_TURNS_MAX = 12
const READER_PAUSE_MS_MAX = 250

export type ServedOrders = ServedDataset & { readonly log: EventLog }

/** Faults put in on purpose, to see that the test finds them. */
export interface Sabotage {
  /** changes what the resident side reads of the log */
  readonly tail?: (log: EventLog) => Pick<EventLog, 'range' | 'read' | 'identity'>
  readonly store?: (store: SpeedStore) => SpeedStore
  readonly served?: (served: ServedOrders) => ServedOrders
}

interface Handles {
  readonly engine: DuckDbEngine
  readonly dataset: CompiledDataset
  readonly lake: LocalLake
  readonly log: SqliteLog
  readonly store: SpeedStore
}

export class OrdersPlatform {
  readonly folder: string
  readonly random: Random
  readonly events: PlatformEvent[] = []
  readonly #sabotage: Sabotage
  readonly #closers: (() => Promise<void> | void)[] = []
  #front: Handles | null = null
  #batch: Handles | null = null
  #dictionary: SqliteDictionary | null = null
  #app: FastifyInstance | null = null
  #roles = 0
  readonly #resident: boolean
  /** null: answers come from the stores */
  live: LiveAnswers | null = null
  intake: Intake | null = null

  /** @param resident answers come from resident states */
  static async open(seed: number, resident: boolean, sabotage: Sabotage = {}): Promise<OrdersPlatform> {
    const folder = await mkdtemp(join(tmpdir(), 'watershed-publishing-'))
    const platform = new OrdersPlatform(folder, seed, resident, sabotage)
    await platform.#open()
    return platform
  }

  private constructor(folder: string, seed: number, resident: boolean, sabotage: Sabotage) {
    this.folder = folder
    this.#resident = resident
    this.random = new Random(seed)
    this.#sabotage = sabotage
  }

  /** Listens, for clients that follow answers. @returns the address */
  listen(): Promise<string> {
    return this.app.listen({ host: '127.0.0.1', port: 0 })
  }

  get app(): FastifyInstance {
    return this.#app!
  }

  /** Names of the platform events of one kind, so far. */
  count(name: string): number {
    return this.events.filter((event) => event.name === name).length
  }

  /** Starts a stream role over all partitions; there may be one already. */
  async startStream(): Promise<{ stop(): Promise<void> }> {
    const handles = await this.#handles(2)
    const role = new StreamRole({
      ...handles,
      scratchFolder: join(this.folder, `scratch-${++this.#roles}`),
      limits: { ...STREAM_LIMITS, segmentRecordsMax: 40 + this.random.below(40) },
      step: this.#step(),
      emit: (event) => this.events.push(event),
    })
    await role.start()
    this.#closers.push(() => role.stop())
    return role
  }

  publish(mode: 'full' | 'incremental'): Promise<GenerationManifest | null> {
    const { log, ...handles } = this.#batch!
    return runBatch({
      ...handles,
      mode,
      dictionary: this.#dictionary!,
      partitions: PARTITIONS,
      logIdentity: log.identity,
      keepGenerations: KEEP_GENERATIONS,
      readersGraceMs: LAKE_GRACE_MS,
      step: this.#step(),
      emit: (event) => this.events.push(event),
    })
  }

  compact(): Promise<Compaction | null> {
    const { lake, engine } = this.#batch!
    const emit = (event: PlatformEvent): void => void this.events.push(event)
    const step = this.#step()
    return compactSegments({ lake, engine, partitions: PARTITIONS, rowsTarget: COMPACTED_ROWS, step, emit })
  }

  /** Goes back to one of the kept generations. */
  async rollBack(): Promise<void> {
    const { lake } = this.#batch!
    const kept = await lake.generations()
    if (kept.length === 0) return
    await rollback({ lake, id: this.random.pick(kept).id, emit: (event) => this.events.push(event) })
  }

  /** First offsets that the log still holds. */
  async logStarts(): Promise<readonly number[]> {
    const { log } = this.#batch!
    return Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => (await log.range(partition)).start))
  }

  async close(): Promise<void> {
    await this.#app?.close()
    for (const close of this.#closers.splice(0).reverse()) await close()
    await rm(this.folder, { recursive: true, force: true })
  }

  async #open(): Promise<void> {
    this.#front = await this.#handles(1)
    this.#batch = await this.#handles(1)
    this.#dictionary = await SqliteDictionary.open({ file: join(this.folder, 'dictionary.sqlite') })
    this.#closers.push(() => this.#dictionary!.close())
    const { dataset, log } = this.#front
    this.intake = new Intake({ dataset, log })
    const slow = { ...this.#front, store: this.#slow(this.#front.store), partitions: PARTITIONS }
    const served = this.#sabotage.served?.(slow) ?? slow
    if (this.#resident) this.live = this.#startLive(served)
    this.#app = buildServeApp({
      datasets: new Map([[orders.name, { ...served, ...(this.live === null ? {} : { live: this.live }) }]]),
      intakes: null,
      parts: async () => [],
      scratchFolder: this.folder,
      limits: { eventPauseMs: 150 },
      metrics: new Metrics(),
      emit: (event) => this.events.push(event),
    })
  }

  #startLive(served: ServedOrders): LiveAnswers {
    const log = this.#sabotage.tail?.(served.log) ?? served.log
    const scratchFolder = join(this.folder, 'scratch-serve')
    mkdirSync(scratchFolder)
    const live = new LiveAnswers(new LiveDataset({ ...served, log, scratchFolder, limits: LIVE_LIMITS }))
    live.start()
    this.#closers.push(() => live.stop())
    return live
  }

  async #handles(threads: number): Promise<Handles> {
    const { folder } = this
    const step = this.#step()
    const engine = await DuckDbEngine.open({ folders: [folder], threads })
    const dataset = await compileDataset(orders, await engine.connect())
    const { name } = orders
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: name, step })
    const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: name, partitions: PARTITIONS, step })
    const file = join(folder, 'speed.sqlite')
    const store = await SqliteSpeedStore.open({ file, dataset: name, log: log.identity, step })
    this.#closers.push(
      () => engine.close(),
      () => log.close(),
      () => store.close(),
    )
    return { engine, dataset, lake, log, store: this.#sabotage.store?.(store) ?? store }
  }

  /** A reader that is held up between the manifests and the partials, now and then for longer than partials of closed segments stay. */
  #slow(store: SpeedStore): SpeedStore {
    const random = new Random(this.random.below(2 ** 32))
    return {
      flush: (partials, marker) => store.flush(partials, marker),
      read: async (views, starts) => {
        if (random.chance(0.3)) await sleep(random.belowSkewed(READER_PAUSE_MS_MAX))
        return store.read(views, starts)
      },
      markers: () => store.markers(),
      deleteClosed: (partition, before, limit) => store.deleteClosed(partition, before, limit),
      close: () => store.close(),
    }
  }

  /** Lets others go on between two steps of the protocol, for a random while. */
  #step(): StepHook {
    const random = new Random(this.random.below(2 ** 32))
    return async () => {
      for (let turns = random.below(PAUSE_TURNS_MAX); turns > 0; turns--) await turn()
    }
  }
}
