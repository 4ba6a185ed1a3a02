/** For tests: what the actors of the simulation stand on: a log, a lake and a speed store in memory, and machines whose writes fail. */
import type { CompiledDataset } from '#core/compiled.ts'
import { Random } from '#datasets/random.ts'
import { SnapshotError } from '#serving/answers/snapshot.ts'
import { isRefusal } from '#speed-layer/stream-refusals.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { memoryLakeFolder } from '#storage/lake/memory/memory-folder.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { LogRangeError } from '#storage/log/event-log.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore, memorySpeedContents } from '#storage/speed-store/memory/memory-speed-store.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import { withoutPrints, withoutSegmentStart } from './broken-parts.ts'
import { Bucket, BucketLake } from './bucket.ts'
import { Histories, type SimulatedRecord } from './histories.ts'
import type { TailFault } from './live-reader.ts'
import { VIEW } from './offset-fold.ts'
import type { SimulatedLake } from './simulated-lake.ts'

export const PARTITIONS = 2
const KEYS = ['a', 'b', 'c']
export const dataset = {
  name: 'd',
  views: new Map([[VIEW.name, VIEW]]),
  dictionaries: [],
  lateAfterMs: 0,
} as unknown as CompiledDataset
const SKEW = 50
/** what a worker meets whose lock was taken over */
const LOST: readonly string[] = ['lock-lost', 'replaced-meanwhile', 'file-missing', 'generation-unknown']

export type Pause = () => Promise<void>

export interface SimulationOptions {
  /** the log is trimmed and cut, writes fail, clocks differ */
  readonly disasters?: boolean
  /** the lake is in an object store, with two batch workers that can lose their lock */
  readonly bucket?: 'fenced' | 'unfenced'
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
  /** of these, those that left records to a segment that had not closed */
  leftReads: number
  cuts: number
  trims: number
  refusals: number
  repairs: number
  compactions: number
  /** segments whose raw events were removed */
  summarized: number
  /** generations in which keys are removed, and reads of them */
  removals: number
  readsOfLess: number
}

/** One machine: its pauses, at which a write can fail, and its clock. */
export interface Machine {
  readonly pause: Pause
  readonly clock: () => number
}

export class Ground {
  readonly options: SimulationOptions
  readonly random: Random
  /** for what is removed of keys: apart, so that the other choices of a seed stay the same */
  readonly removing: Random
  readonly folder = memoryLakeFolder()
  readonly bucket: Bucket
  readonly seen: Seen = {
    reads: 0,
    liveReads: 0,
    leftReads: 0,
    cuts: 0,
    trims: 0,
    refusals: 0,
    repairs: 0,
    compactions: 0,
    summarized: 0,
    removals: 0,
    readsOfLess: 0,
  }
  readonly records = memoryLogRecords({ partitions: PARTITIONS, dataset: 'd' })
  readonly histories = new Histories(PARTITIONS)
  /** partitions that were cut and that no owner has compared since with what was flushed */
  readonly unseenCuts = new Set<number>()
  readonly #contents = memorySpeedContents()
  #now = 0
  #ids = 0

  constructor(seed: number, options: SimulationOptions) {
    this.options = options
    this.random = new Random(seed)
    this.removing = new Random(seed)
    this.bucket = new Bucket(this.random, () => ++this.#now, options.bucket === 'unfenced')
  }

  /** on the simulation's clock, which moves by one with each look at it */
  now(): number {
    return this.#now
  }

  lake(pause: Pause = async () => {}): SimulatedLake {
    if (this.options.bucket) return new BucketLake(this.bucket, pause)
    const lake = new MemoryLake({ dataset: 'd', folder: this.folder, step: pause, pause })
    return this.options.byLengthAlone ? withoutPrints(lake) : lake
  }

  /** whether the log of a partition is refused */
  isRefused(partition: number): boolean {
    const together = this.bucket.objects.get('REFUSALS')
    if (together !== undefined && `${partition}` in JSON.parse(together.text).refusals) return true
    return this.folder.refusals.has(partition)
  }

  /** numbers given to generations */
  get begun(): number {
    return this.options.bucket ? this.bucket.claimed : this.folder.begun
  }

  log(pause?: Pause): MemoryLog {
    return new MemoryLog({ records: this.records, clock: () => ++this.#now, pause })
  }

  store(pause: Pause): SpeedStore {
    const store = new MemorySpeedStore({ contents: this.#contents, step: pause, pause })
    if (this.options.breakIdentity) return withoutSegmentStart(store)
    if (!this.options.disasters) return store
    // One transaction, as in the embedded store: of a flush that was half written when the log lost records, no marker tells.
    const atOnce = new MemorySpeedStore({ contents: this.#contents })
    const flush: SpeedStore['flush'] = async (partials, marker) => {
      await pause()
      const { last: _, ...unprinted } = marker
      await atOnce.flush(partials, this.options.byLengthAlone ? unprinted : marker)
      await pause()
    }
    return Object.assign(store, { flush })
  }

  async produce(partition: number): Promise<void> {
    const records = Array.from({ length: 1 + this.random.below(3) }, (): SimulatedRecord => {
      return { k: this.random.pick(KEYS), id: ++this.#ids }
    })
    const lines = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    await this.log().append([{ partition, lines, count: records.length }])
    this.histories.append(partition, records)
  }

  /** A pause at which a write can fail, and a clock that is not the others'. */
  machine(pause: Pause): Machine {
    if (!this.options.disasters) return { pause, clock: () => ++this.#now }
    const skew = this.random.below(2 * SKEW) - SKEW
    const failing = async (): Promise<void> => {
      await pause()
      if (this.random.chance(0.003)) throw new InjectedFault('a write failed')
    }
    return { pause: failing, clock: () => ++this.#now + SKEW + skew }
  }

  /** As the roles do: what fails begins again. */
  async again(pause: Pause, work: () => Promise<void>): Promise<void> {
    for (;;) {
      await pause()
      try {
        await work()
      } catch (error) {
        const isLost = error instanceof LakeError && LOST.includes(error.code)
        if (isLost && this.options.bucket) continue
        if (!this.options.disasters || !isExpected(error)) throw error
        if (isRefusal(error)) this.seen.refusals++
      }
    }
  }
}

/** What happens to roles when the log loses records, a write fails, or a file was removed under a reader. */
function isExpected(error: unknown): boolean {
  if (error instanceof InjectedFault || error instanceof SnapshotError || error instanceof LogRangeError) return true
  if (error instanceof LakeError) return error.retryable
  return isRefusal(error) || (error as { reason?: string }).reason === 'replaced'
}
