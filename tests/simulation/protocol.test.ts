/**
 * The protocol of docs/architecture.md under thousands of random schedules: two owners of one partition, a batch worker and
 * a reader run the real functions (PartitionOwner, planRun, publishGeneration, takeSnapshot) on ports in memory, one step
 * at a time, and are killed between any two steps. Every read must hold, per key, exactly the offsets before its position.
 * A failure prints its seed: SIMULATION_SEED=<seed> repeats it alone.
 */
import { expect, test } from 'vitest'
import { planRun } from '#batch-layer/plan-run.ts'
import { publishGeneration } from '#batch-layer/publish-generation.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { Random } from '#datasets/random.ts'
import { type ServedDataset, takeSnapshot } from '#serving/answers/snapshot.ts'
import { PartitionOwner } from '#speed-layer/partition-owner.ts'
import { DEFAULT_STREAM_LIMITS } from '#speed-layer/stream-limits.ts'
import { MemoryLake, memoryLakeFolder } from '#storage/lake/memory/memory-lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore, memorySpeedContents } from '#storage/speed-store/memory/memory-speed-store.ts'
import type { PartialRow, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { LiveReader, type TailFault } from './live-reader.ts'
import { type KeyState, OffsetFold, VIEW } from './offset-fold.ts'
import { type Actor, Scheduler } from './scheduler.ts'

const dataset = {
  name: 'd',
  views: new Map([[VIEW.name, VIEW]]),
  dictionaries: [],
  lateAfterMs: 0,
} as unknown as CompiledDataset
const KEYS = ['a', 'b', 'c']
const SCHEDULES = 2_000
const TURNS = 260

type Pause = () => Promise<void>

/** put in on purpose */
interface Faults {
  readonly breakIdentity?: boolean
  readonly tailFault?: TailFault
}

class World {
  readonly random: Random
  readonly scheduler: Scheduler
  readonly records = memoryLogRecords({ partitions: 1, dataset: 'd' })
  readonly folder = memoryLakeFolder()
  readonly contents = memorySpeedContents()
  readonly keys: string[] = []
  readonly breakIdentity: boolean
  readonly tailFault: TailFault | null
  reads = 0
  liveReads = 0
  now = 0

  constructor(seed: number, { breakIdentity = false, tailFault }: Faults) {
    this.tailFault = tailFault ?? null
    this.random = new Random(seed)
    this.scheduler = new Scheduler(this.random)
    this.breakIdentity = breakIdentity
  }

  async produce(): Promise<void> {
    const log = new MemoryLog({ records: this.records, clock: () => ++this.now })
    const keys = Array.from({ length: 1 + this.random.below(3) }, () => this.random.pick(KEYS))
    await log.append([
      { partition: 0, lines: Buffer.from(keys.map((k) => `{"k":"${k}"}\n`).join('')), count: keys.length },
    ])
    this.keys.push(...keys)
  }

  lake(pause: Pause): MemoryLake {
    return new MemoryLake({ dataset: 'd', folder: this.folder, step: pause, pause })
  }

  store(pause: Pause): SpeedStore {
    const store = new MemorySpeedStore({ contents: this.contents, step: pause, pause })
    return this.breakIdentity ? withoutSegmentStart(store) : store
  }

  async own(pause: Pause): Promise<void> {
    const [log, lake] = [new MemoryLog({ records: this.records, pause }), this.lake(pause)]
    const limits = {
      ...DEFAULT_STREAM_LIMITS,
      batchRecordsMax: 1 + this.random.below(3),
      segmentRecordsMax: 3 + this.random.below(5),
    }
    const owner = new PartitionOwner({
      dataset: 'd',
      partition: 0,
      log,
      lake,
      store: this.store(pause),
      fold: new OffsetFold(lake, log.identity, pause),
      limits,
      emit: silent,
      step: pause,
      clock: () => ++this.now,
    })
    await owner.open()
    for (;;) {
      await pause()
      const choice = this.random.below(5)
      if (choice <= 1) await owner.fill()
      else if (choice <= 3) await owner.flush()
      else await owner.close()
    }
  }

  async batch(pause: Pause): Promise<void> {
    for (;;) {
      await pause()
      const lake = this.lake(pause)
      const chains = await lake.chains(1)
      const generations = await lake.generations()
      if (generations.length > 1 && this.random.chance(0.2)) {
        await lake.setCurrent(this.random.pick(generations).id)
        continue
      }
      if (chains[0]!.end === 0) continue
      const base = await lake.current()
      const mode = this.random.chance(0.5) ? 'full' : 'incremental'
      const log = chains[0]!.segments[0]!.log
      const plan = planRun({
        dataset,
        mode,
        logIdentity: log,
        base,
        closed: chains,
        compacted: await lake.chains(1, { compacted: true }),
      })
      const statesOf = (file: LakeFile): KeyState[] => JSON.parse(lake.get(file)) as KeyState[]
      const write = async (path: string, files: readonly LakeFile[]): Promise<number> => {
        await pause()
        const merged = mergeStates(files.flatMap(statesOf))
        lake.put(path, JSON.stringify([...merged].map(([k, offsets]) => ({ k, offsets }))))
        // As many rows as make planRun extend the base at one time and merge it at another.
        return files.length > 2 || mode === 'full' ? 12 : merged.size
      }
      await publishGeneration({
        dataset,
        lake,
        plan,
        logIdentity: log,
        startedAtMs: ++this.now,
        clock: () => ++this.now,
        step: pause,
        onProgress: () => {},
        emit: silent,
        compute: {
          recount: (_view, segments, path) =>
            write(
              path,
              segments.flatMap((segment) => (segment.events ? [segment.events] : [])),
            ),
          merge: (_view, files, path) => write(path, files),
        },
        pinning: { changed: async () => false, pin: async () => null },
      })
    }
  }

  async read(pause: Pause): Promise<void> {
    for (;;) {
      await pause()
      const lake = this.lake(pause)
      const served = { dataset, lake, store: this.store(pause), partitions: 1 } as unknown as ServedDataset
      const snapshot = await takeSnapshot(served)
      const files = [
        ...(snapshot.generation ? snapshot.generation.views[VIEW.name]!.files : []),
        ...snapshot.segments.map((segment) => segment.partials[VIEW.name]!.file),
      ]
      const open = (snapshot.open.get(VIEW.hash) ?? []).map((row) => JSON.parse(row) as KeyState)
      this.check(
        mergeStates([...files.flatMap((file) => JSON.parse(lake.get(file)) as KeyState[]), ...open]),
        snapshot.partitions[0]!.position,
      )
      this.reads++
    }
  }

  /** A reader that keeps what it read, and follows lake and log. */
  async follow(pause: Pause): Promise<void> {
    const [lake, log] = [this.lake(pause), new MemoryLog({ records: this.records, pause })]
    const served = { dataset, lake, store: this.store(pause), log, partitions: 1 } as unknown as ServedDataset
    const reader = new LiveReader(served, log, 1 + this.random.below(6), this.tailFault)
    for (;;) {
      await pause()
      const { state, open, position } = await reader.read()
      const files = [
        ...(state.generation ? state.generation.views[VIEW.name]!.files : []),
        ...state.segments.map((segment) => segment.partials[VIEW.name]!.file),
      ]
      const states = [...files.flatMap((file) => JSON.parse(lake.get(file)) as KeyState[]), ...open]
      this.checkExactly(mergeStates(states), position)
      this.liveReads++
    }
  }

  /** Every offset before the position once, and none after it. */
  checkExactly(merged: ReadonlyMap<string, readonly number[]>, position: number): void {
    for (const key of KEYS) {
      const got = [...(merged.get(key) ?? [])].sort((a, b) => a - b)
      const wanted = this.keys.flatMap((k, offset) => (k === key && offset < position ? [offset] : []))
      if (JSON.stringify(got) !== JSON.stringify(wanted))
        throw new Error(`resident, key ${key} at position ${position}: counted ${got}, wanted ${wanted}`)
    }
  }

  /** Within one flush a key may be newer than the marker, never older; and what it holds has neither holes nor doubles. */
  check(merged: ReadonlyMap<string, readonly number[]>, position: number): void {
    for (const key of KEYS) {
      const got = [...(merged.get(key) ?? [])].sort((a, b) => a - b)
      const reach = Math.max(position, (got.at(-1) ?? -1) + 1)
      const wanted = this.keys.flatMap((k, offset) => (k === key && offset < reach ? [offset] : []))
      if (JSON.stringify(got) !== JSON.stringify(wanted))
        throw new Error(`key ${key} at position ${position}: counted ${got}, wanted ${wanted}`)
    }
  }
}

function mergeStates(states: readonly KeyState[]): Map<string, number[]> {
  const merged = new Map<string, number[]>()
  for (const { k, offsets } of states) merged.set(k, [...(merged.get(k) ?? []), ...offsets])
  return merged
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

async function simulate(seed: number, faults: Faults = {}): Promise<World> {
  const world = new World(seed, faults)
  const roles = [world.own, world.own, world.batch, world.read, world.follow].map((role) => role.bind(world))
  const actors: Actor[] = roles.map((role) => world.scheduler.start(role))
  await world.produce()
  for (let turn = 0; turn < TURNS; turn++) {
    if (world.random.chance(0.06)) await world.produce()
    if (world.random.chance(0.02)) {
      const victim = world.random.below(actors.length)
      world.scheduler.kill(actors[victim]!)
      actors[victim] = world.scheduler.start(roles[victim]!)
    }
    await world.scheduler.turn()
  }
  return world
}

test('every read is exact, whatever the order and whoever dies', async () => {
  const only = process.env.SIMULATION_SEED
  const seeds = only === undefined ? Array.from({ length: SCHEDULES }, (_, seed) => seed + 1) : [Number(only)]
  let [reads, liveReads, generations, segments] = [0, 0, 0, 0]
  for (const seed of seeds) {
    try {
      const world = await simulate(seed)
      reads += world.reads
      liveReads += world.liveReads
      generations += world.folder.generations.size
      segments += (await world.lake(async () => {}).chains(1))[0]!.segments.length
    } catch (error) {
      throw new Error(`SIMULATION_SEED=${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  // The schedules must have got somewhere, or the reads prove nothing.
  expect(reads).toBeGreaterThan(seeds.length)
  expect(liveReads).toBeGreaterThan(seeds.length)
  if (only === undefined) {
    expect(segments).toBeGreaterThan(seeds.length)
    expect(generations).toBeGreaterThan(seeds.length / 4)
  }
  console.log(
    `${seeds.length} schedules, ${reads} reads, ${liveReads} resident ones, ${segments} segments, ${generations} generations: all exact`,
  )
})

test('the same simulation finds the fault when the segment start is left out of a partial’s identity', async () => {
  const wrong: number[] = []
  for (let seed = 1; seed <= 200; seed++) await simulate(seed, { breakIdentity: true }).catch(() => wrong.push(seed))
  expect(wrong.length).toBeGreaterThan(10)
})

test.each<TailFault>([
  'a record is skipped',
  'a batch is applied twice',
  'rows of a closed segment are kept',
  'rows behind a closed segment are dropped with it',
  'a kept answer is given at another position',
])('the same simulation finds the fault when %s', async (tailFault) => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 100; seed++)
    await simulate(seed, { tailFault }).catch((error: Error) => wrong.push(error.message))
  expect(wrong.filter((message) => message.includes('resident')).length).toBeGreaterThan(10)
})
