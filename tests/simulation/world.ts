/**
 * The world of the simulation: owners, a batch worker, readers and an operator who repairs run the real functions (PartitionOwner, planRun,
 * publishGeneration, removeUnneeded, takeSnapshot, disagreements, …) on ports in memory, one step at a time.
 */
import type { BatchCompute } from '#batch-layer/batch-compute.ts'
import { describeCompacted, groupSmall } from '#batch-layer/compact.ts'
import { planRun } from '#batch-layer/plan-run.ts'
import { publishGeneration } from '#batch-layer/publish-generation.ts'
import { keptBoundary, removeUnneeded } from '#batch-layer/retention.ts'
import { type SummarizeOptions, summarizeOld } from '#batch-layer/summarize.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { Random } from '#datasets/random.ts'
import { type ServedDataset, SnapshotError, takeSnapshot } from '#serving/answers/snapshot.ts'
import { ClosedSegmentSweep } from '#speed-layer/closed-segment-sweep.ts'
import { PartitionOwner } from '#speed-layer/partition-owner.ts'
import { DEFAULT_STREAM_LIMITS } from '#speed-layer/stream-limits.ts'
import { isRefusal } from '#speed-layer/stream-refusals.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { MemoryLake, memoryLakeFolder } from '#storage/lake/memory/memory-lake.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { LogRangeError } from '#storage/log/event-log.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore, memorySpeedContents } from '#storage/speed-store/memory/memory-speed-store.ts'
import type { PartialRow, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { disagreements } from '#verification/disagreements.ts'
import { Histories, type KeyState, type SimulatedRecord } from './histories.ts'
import { LiveReader, type TailFault } from './live-reader.ts'
import { OffsetFold, VIEW } from './offset-fold.ts'
import { type Actor, Scheduler } from './scheduler.ts'

export const PARTITIONS = 2
const KEYS = ['a', 'b', 'c']
const dataset = {
  name: 'd',
  views: new Map([[VIEW.name, VIEW]]),
  dictionaries: [],
  lateAfterMs: 0,
} as unknown as CompiledDataset
const COMPACTED_ROWS = 1_000
/** on the simulation's clock, which moves by one with each look at it: longer than any read takes */
const GRACE = 1_000_000
const SKEW = 50

type Pause = () => Promise<void>

export interface SimulationOptions {
  /** the log is trimmed and cut, writes fail, clocks differ */
  readonly disasters?: boolean
  /** a fault put in on purpose */
  readonly breakIdentity?: boolean
  readonly tailFault?: TailFault
  /** another one: manifests and markers do not tell what they counted last, and no refusal stays */
  readonly byLengthAlone?: boolean
}

class InjectedFault extends Error {}

/** What was seen in one schedule, or in several. */
export interface Seen {
  reads: number
  liveReads: number
  cuts: number
  trims: number
  refusals: number
  repairs: number
  compactions: number
  /** segments whose raw events were removed */
  summarized: number
}

export class World {
  readonly random: Random
  readonly folder = memoryLakeFolder()
  readonly seen: Seen = {
    reads: 0,
    liveReads: 0,
    cuts: 0,
    trims: 0,
    refusals: 0,
    repairs: 0,
    compactions: 0,
    summarized: 0,
  }
  readonly #options: SimulationOptions
  readonly #scheduler: Scheduler
  readonly #records = memoryLogRecords({ partitions: PARTITIONS, dataset: 'd' })
  readonly #contents = memorySpeedContents()
  readonly #histories = new Histories(PARTITIONS)
  readonly #roles: ((pause: Pause) => Promise<void>)[]
  readonly #unseenCuts = new Set<number>()
  #actors: Actor[] = []
  #now = 0
  #ids = 0

  constructor(seed: number, options: SimulationOptions) {
    this.#options = options
    this.random = new Random(seed)
    this.#scheduler = new Scheduler(this.random)
    const owners = [0, 0, 1].map((partition) => (pause: Pause) => this.#own(partition, pause))
    this.#roles = [
      ...owners,
      (pause) => this.#batch(pause),
      (pause) => this.#read(pause),
      (pause) => this.#follow(pause),
      ...(options.disasters ? [(pause: Pause) => this.#repair(pause)] : []),
    ]
  }

  async run(turns: number): Promise<void> {
    const { disasters } = this.#options
    this.#actors = this.#roles.map((role) => this.#scheduler.start(role))
    for (let partition = 0; partition < PARTITIONS; partition++) await this.#produce(partition)
    for (let turn = 0; turn < turns; turn++) {
      if (this.random.chance(0.08)) await this.#produce(this.random.below(PARTITIONS))
      if (this.random.chance(disasters ? 0.01 : 0.02)) this.#restart(this.random.below(this.#actors.length))
      if (disasters && this.random.chance(0.004)) this.#trim()
      if (disasters && this.random.chance(0.003)) await this.#cut()
      await this.#scheduler.turn()
    }
  }

  lake(pause: Pause = async () => {}): MemoryLake {
    const lake = new MemoryLake({ dataset: 'd', folder: this.folder, step: pause, pause })
    return this.#options.byLengthAlone ? withoutPrints(lake) : lake
  }

  #restart(index: number): void {
    this.#scheduler.kill(this.#actors[index]!)
    this.#actors[index] = this.#scheduler.start(this.#roles[index]!)
  }

  #log(pause?: Pause): MemoryLog {
    return new MemoryLog({ records: this.#records, clock: () => ++this.#now, pause })
  }

  #store(pause: Pause): SpeedStore {
    const store = new MemorySpeedStore({ contents: this.#contents, step: pause, pause })
    if (this.#options.breakIdentity) return withoutSegmentStart(store)
    if (!this.#options.disasters) return store
    // One transaction, as in the embedded store: of a flush that was half written when the log lost records, no marker tells.
    const atOnce = new MemorySpeedStore({ contents: this.#contents })
    const flush: SpeedStore['flush'] = async (partials, marker) => {
      await pause()
      const { last: _, ...unprinted } = marker
      await atOnce.flush(partials, this.#options.byLengthAlone ? unprinted : marker)
      await pause()
    }
    return Object.assign(store, { flush })
  }

  async #produce(partition: number): Promise<void> {
    const records = Array.from({ length: 1 + this.random.below(3) }, (): SimulatedRecord => {
      return { k: this.random.pick(KEYS), id: ++this.#ids }
    })
    const lines = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    await this.#log().append([{ partition, lines, count: records.length }])
    this.#histories.append(partition, records)
  }

  /** The log's own retention, which asks nobody. What it takes after a cut and before anybody looked, nobody can tell from what was counted. */
  #trim(): void {
    const partition = this.random.below(PARTITIONS)
    if (this.#unseenCuts.has(partition) || this.folder.refusals.has(partition)) return
    const { start, end } = this.#records.partitions[partition]!
    this.#log().dropBefore(partition, start + this.random.below(end - start + 1))
    this.seen.trims++
  }

  /** A restore from an older copy, while nothing runs; other producers may append before anybody looks. */
  async #cut(): Promise<void> {
    const partition = this.random.below(PARTITIONS)
    const { start, end } = this.#records.partitions[partition]!
    if (end === start) return
    const to = start + this.random.below(end - start)
    this.#log().cut(partition, to)
    this.#histories.begin(partition, this.#histories.newest(partition).slice(0, to))
    for (const index of this.#actors.keys()) this.#restart(index)
    for (let appends = this.random.below(4); appends > 0; appends--) await this.#produce(partition)
    this.#unseenCuts.add(partition)
    this.seen.cuts++
  }

  /** A pause at which a write can fail, and a clock that is not the others'. */
  #machine(pause: Pause): { readonly pause: Pause; readonly clock: () => number } {
    if (!this.#options.disasters) return { pause, clock: () => ++this.#now }
    const skew = this.random.below(2 * SKEW) - SKEW
    const failing = async (): Promise<void> => {
      await pause()
      if (this.random.chance(0.003)) throw new InjectedFault('a write failed')
    }
    return { pause: failing, clock: () => ++this.#now + SKEW + skew }
  }

  /** As the roles do: what fails begins again. */
  async #again(pause: Pause, work: () => Promise<void>): Promise<void> {
    for (;;) {
      await pause()
      try {
        await work()
      } catch (error) {
        if (!this.#options.disasters || !isExpected(error)) throw error
        if (isRefusal(error)) this.seen.refusals++
      }
    }
  }

  #own(partition: number, pause: Pause): Promise<void> {
    return this.#again(pause, async () => {
      const machine = this.#machine(pause)
      const [log, lake] = [this.#log(machine.pause), this.lake(machine.pause)]
      const limits = {
        ...DEFAULT_STREAM_LIMITS,
        batchRecordsMax: 1 + this.random.below(3),
        segmentRecordsMax: 3 + this.random.below(5),
        readerGraceMs: GRACE,
        logRetentionMs: this.random.below(200),
      }
      const parts = { dataset: 'd', partition, log, limits, store: this.#store(machine.pause), emit: silent }
      const fold = new OffsetFold(lake, partition, log.identity, machine.pause)
      const owner = new PartitionOwner({ ...parts, lake, fold, step: machine.pause, clock: machine.clock })
      const sweep = new ClosedSegmentSweep({ ...parts, clock: machine.clock, elapsed: () => this.#now })
      await owner.open()
      this.#unseenCuts.delete(partition)
      for (;;) {
        await pause()
        const choice = this.random.below(6)
        if (choice <= 1) await owner.fill()
        else if (choice <= 3) await owner.flush()
        else if (choice === 4) await owner.close()
        else if (this.#options.disasters) {
          sweep.closedUpTo(owner.openStart)
          await sweep.run()
        }
      }
    })
  }

  #batch(pause: Pause): Promise<void> {
    return this.#again(pause, async () => {
      const machine = this.#machine(pause)
      const lake = this.lake(machine.pause)
      const chains = await lake.chains(PARTITIONS)
      const generations = await lake.generations()
      if (generations.length > 1 && this.random.chance(0.2)) {
        await lake.setCurrent(this.random.pick(generations).id)
        return
      }
      const first = chains.flatMap(({ segments }) => segments)[0]
      if (first === undefined) return
      const base = await lake.current()
      const published = await this.#publish(lake, machine, { base, chains, log: first.log })
      if (!this.#options.disasters) return
      if (this.random.chance(0.5)) await this.#compact(lake, machine.clock)
      // Horizons are short, so that many segments are past theirs.
      const kept = { ...dataset, rawKeptMs: 1 + this.random.below(100) }
      if (published.generation.mode === 'full')
        this.seen.summarized += await summarizeOld({
          ...published,
          dataset: kept,
          lake,
          emit: silent,
          clock: machine.clock,
        })
      const { clock } = machine
      await removeUnneeded({ lake, partitions: PARTITIONS, keepGenerations: 2, emit: silent, clock }, base)
    })
  }

  async #publish(
    lake: MemoryLake,
    { pause, clock }: { readonly pause: Pause; readonly clock: () => number },
    {
      base,
      chains,
      log,
    }: {
      readonly base: Awaited<ReturnType<MemoryLake['current']>>
      readonly chains: Awaited<ReturnType<MemoryLake['chains']>>
      readonly log: string
    },
  ): Promise<Pick<SummarizeOptions, 'generation' | 'compute'>> {
    const mode = this.random.chance(0.5) ? 'full' : 'incremental'
    const compacted = await lake.chains(PARTITIONS, { compacted: true })
    const plan = planRun({ dataset, mode, logIdentity: log, base, closed: chains, compacted })
    const write = async (path: string, files: readonly LakeFile[]): Promise<number> => {
      await pause()
      const merged = mergeStates(files.flatMap((file) => statesOf(lake, file)))
      lake.put(path, JSON.stringify(merged))
      // As many rows as make planRun extend the base at one time and merge it at another.
      return files.length > 2 || mode === 'full' ? 12 : merged.length
    }
    const compute: BatchCompute = {
      recount: (_view, segments, states, path) =>
        write(path, [...segments.flatMap(({ events }) => events ?? []), ...states]),
      merge: (_view, files, path) => write(path, files),
    }
    const generation = await publishGeneration({
      dataset,
      lake,
      plan,
      logIdentity: log,
      startedAtMs: clock(),
      clock,
      step: pause,
      onProgress: () => {},
      emit: silent,
      compute,
      pinning: { changed: async () => false, pin: async () => null },
    })
    return { generation, compute }
  }

  async #compact(lake: MemoryLake, clock: () => number): Promise<void> {
    const boundary = await keptBoundary(lake, PARTITIONS)
    for (const { partition, segments } of await lake.chains(PARTITIONS, { compacted: true })) {
      const counted = segments.filter(({ end }) => end <= (boundary[partition] ?? 0))
      for (const group of groupSmall(counted, COMPACTED_ROWS)) {
        const staged = await lake.stageSegmentFile(partition, group[0]!.start, 'events')
        const events = group.flatMap((segment) => segment.events ?? [])
        lake.put(staged.writePath, JSON.stringify(mergeStates(events.flatMap((file) => statesOf(lake, file)))))
        const rows = group.reduce((sum, segment) => sum + segment.rows, 0)
        const file = await staged.finish(rows)
        await lake.commitCompacted(describeCompacted(group, file, null, null, clock()))
        this.seen.compactions++
      }
    }
  }

  #read(pause: Pause): Promise<void> {
    return this.#again(pause, async () => {
      const [lake, log] = [this.lake(pause), this.#log(pause)]
      const served = { dataset, lake, store: this.#store(pause), partitions: PARTITIONS } as unknown as ServedDataset
      const compared = this.#options.disasters && !this.#options.byLengthAlone
      const snapshot = await takeSnapshot(compared ? { ...served, log } : served)
      const files = countedFiles(snapshot)
      const open = (snapshot.open.get(VIEW.hash) ?? []).map((row) => JSON.parse(row) as KeyState)
      const states = [...files.flatMap((file) => statesOf(lake, file)), ...open]
      this.#histories.check(states, snapshot.partitions, snapshot.gaps, { name: 'a snapshot', isExact: false })
      this.seen.reads++
    })
  }

  /** A reader that keeps what it read, and follows lake and log. */
  #follow(pause: Pause): Promise<void> {
    return this.#again(pause, async () => {
      const [lake, log] = [this.lake(pause), this.#log(pause)]
      const served = { dataset, lake, store: this.#store(pause), log, partitions: PARTITIONS }
      const { tailFault = null } = this.#options
      const parts = served as unknown as ServedDataset
      const reader = new LiveReader(parts, log, 1 + this.random.below(6), tailFault)
      for (;;) {
        await pause()
        const { state, open, places } = await reader.read()
        const states = [...countedFiles(state).flatMap((file) => statesOf(lake, file)), ...open]
        this.#histories.check(states, places, state.gaps, { name: 'resident', isExact: true })
        this.seen.liveReads++
      }
    })
  }

  /** Somebody runs `watershed doctor --repair --accept-log-loss` where the platform refuses. */
  #repair(pause: Pause): Promise<void> {
    return this.#again(pause, async () => {
      const machine = this.#machine(pause)
      const [log, lake] = [this.#log(machine.pause), this.lake(machine.pause)]
      if ((await lake.refusals()).size === 0 || this.random.chance(0.5)) return
      const moveRecords: MemoryLog['moveRecords'] = async (partition, from, to) => {
        await log.moveRecords(partition, from, to)
        const own = this.#histories.newest(partition)
        const kept = this.#closed(partition).slice(0, to)
        this.#histories.begin(partition, [...kept, ...own.slice(from)])
      }
      const compared = {
        ...{ dataset, lake, store: this.#store(machine.pause), partitions: PARTITIONS },
        log: { ...bound(log), moveRecords },
        countedArrivals: async () => new Map<Offset, number>(),
      }
      for (const { repair } of await disagreements(compared, { acceptLogLoss: true })) {
        await repair?.()
        this.seen.repairs++
      }
    })
  }

  /** What the closed segments count, by offset; a gap is filled with what was lost. */
  #closed(partition: number): SimulatedRecord[] {
    const lake = this.lake()
    const records: SimulatedRecord[] = []
    for (const manifest of this.folder.manifests.values()) {
      const file = manifest.kind === 'summary' ? manifest.partials[VIEW.name]?.file : manifest.events
      if (manifest.partition !== partition || !file) continue
      for (const { k, records: own } of statesOf(lake, file))
        for (const [offset, id] of own) records[offset] = { k, id }
    }
    return Array.from({ length: Math.max(0, ...ends(this.folder.manifests.values(), partition)) }, (_, offset) => {
      return records[offset] ?? { k: 'lost', id: 0 }
    })
  }
}

function ends(manifests: Iterable<SegmentManifest>, partition: number): Offset[] {
  return [...manifests].filter((manifest) => manifest.partition === partition).map(({ end }) => end)
}

/** What happens to roles when the log loses records, a write fails, or a file was removed under a reader. */
function isExpected(error: unknown): boolean {
  if (error instanceof InjectedFault || error instanceof SnapshotError || error instanceof LogRangeError) return true
  if (error instanceof LakeError) return error.retryable
  return isRefusal(error) || (error as { reason?: string }).reason === 'replaced'
}

function bound(log: MemoryLog) {
  return {
    identity: log.identity,
    range: (partition: number) => log.range(partition),
    read: (...asked: Parameters<MemoryLog['read']>) => log.read(...asked),
  }
}

function countedFiles({
  generation,
  segments,
}: Pick<Awaited<ReturnType<typeof takeSnapshot>>, 'generation' | 'segments'>): LakeFile[] {
  const partials = segments.filter(({ kind }) => kind !== 'gap').map(({ partials }) => partials[VIEW.name]!.file)
  return [...(generation === null ? [] : generation.views[VIEW.name]!.files), ...partials]
}

function statesOf(lake: MemoryLake, file: LakeFile): KeyState[] {
  return JSON.parse(lake.get(file)) as KeyState[]
}

/** The records of a key in the order of their offsets; of another partition they may have the same. */
function mergeStates(states: readonly KeyState[]): KeyState[] {
  const merged = new Map<string, KeyState['records']>()
  for (const { k, records } of states) merged.set(k, [...(merged.get(k) ?? []), ...records])
  return [...merged].map(([k, records]) => ({ k, records }))
}

/** A store that forgets the segment start in a partial's identity: the design says that this must go wrong. */
function withoutSegmentStart(store: SpeedStore): SpeedStore {
  const forgetful = (row: PartialRow): PartialRow => ({ ...row, segmentStart: 0 })
  return {
    flush: (partials, marker) => store.flush(partials.map(forgetful), marker),
    read: async (views, starts) => ({
      markers: (await store.read(views, starts)).markers,
      rows: (await store.read(views, new Map([...starts].map(([partition]) => [partition, 0])))).rows,
    }),
    markers: () => store.markers(),
    deleteClosed: (partition, before, limit) => store.deleteClosed(partition, before, limit),
    close: () => store.close(),
  }
}

/** A lake as it was: manifests say only how far they reach, and a refusal is forgotten. */
function withoutPrints(lake: MemoryLake): MemoryLake {
  return Object.assign(lake, {
    commitSegment: ({ last: _, ...manifest }: SegmentManifest) =>
      MemoryLake.prototype.commitSegment.call(lake, manifest),
    refuse: async () => {},
  })
}
