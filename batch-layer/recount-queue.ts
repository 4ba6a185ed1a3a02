/**
 * Groups of a recount as jobs on Redis: every process with the batch role takes them, reads the lake, and hands its states over by the lake,
 * so that they work together in a shared folder and on machines that share only a bucket. Redis only hands the groups out: one that nobody returned
 * in time is computed by who asked.
 */
import { Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { endsWithin } from '#core/ends-within.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { rowFiles } from '#storage/lake/typed-rows.ts'
import { connectRedis } from '#storage/redis/redis-connection.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { BATCH_QUEUE_PREFIX } from './bullmq-queue.ts'
import type { GroupStates, RecountWorkers } from './grouped-recount.ts'

/** how many groups of a view wait in Redis at a time */
const GROUPS_AT_ONCE = 64
/** a group that took longer, waiting included, is computed by who asked for it */
const GROUP_MS_MAX = 600_000
/** a job of a worker that was silent for this long is given to another one */
const WORKER_SILENT_MS_MAX = 30_000
/** of a job whose worker failed, not died */
const ATTEMPTS_MAX = 2
/** number of worker deaths that a job survives */
const WORKER_DEATHS_MAX = 5
/** finished jobs are kept for so long, so that who asked can read their result */
const KEPT_SECONDS = 3_600
/** how long a stop waits to return its job to Redis; otherwise another worker gets the job after workerSilentMsMax */
const CLOSE_MS_MAX = 5_000

interface GroupJob {
  readonly view: string
  readonly hash: string
  /** names of manifests */
  readonly segments: readonly string[]
}

interface GroupResult {
  readonly file: LakeFile
}

export interface RecountQueueOptions {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly url: string
  readonly prefix?: string
  readonly workerSilentMsMax?: number
  readonly groupMsMax?: number
  readonly emit?: Emit
}

/** The name of a dataset's queue in BullMQ, also for the job board. */
export function recountQueueName(dataset: string): string {
  return `recount-${dataset}`
}

/** Asks for groups. */
export class RecountQueue implements RecountWorkers {
  readonly groupsAtOnce = GROUPS_AT_ONCE
  readonly #options: RecountQueueOptions
  readonly #clients: readonly Redis[]
  readonly #queue: Queue<GroupJob, GroupResult>
  readonly #events: QueueEvents

  /** Does not wait for Redis. @throws RedisFault 'refused' if the URL is invalid */
  constructor(options: RecountQueueOptions) {
    this.#options = options
    const { url, dataset, prefix = BATCH_QUEUE_PREFIX } = options
    const name = recountQueueName(dataset.name)
    const [asking, hearing] = [connectRedis({ url }), connectRedis({ url }, PATIENT)]
    this.#clients = [asking, hearing]
    this.#queue = new Queue(name, { connection: asking, prefix })
    this.#events = new QueueEvents(name, { connection: hearing, prefix })
    // The connection reports its faults itself; an error event without a listener would end the process.
    this.#queue.on('error', () => {})
    this.#events.on('error', () => {})
    // One for each group that is waited for, which GROUPS_AT_ONCE bounds.
    for (const emitter of [this.#queue, this.#events]) emitter.setMaxListeners(0)
  }

  async recount(view: CompiledView, segments: readonly SegmentManifest[]): Promise<GroupStates> {
    const { lake, groupMsMax = GROUP_MS_MAX } = this.#options
    const asked = { view: view.name, hash: view.hash, segments: segments.map(segmentManifestName) }
    const kept = { age: KEPT_SECONDS }
    const job = await this.#queue.add(view.name, asked, {
      ...{ attempts: ATTEMPTS_MAX, removeOnComplete: kept, removeOnFail: kept },
    })
    const { file } = await job.waitUntilFinished(this.#events, groupMsMax).catch(async (error: Error) => {
      await job.remove().catch(() => {})
      throw error
    })
    await lake.check([file])
    return { path: lake.resolve(file), rows: file.rows, remove: () => lake.removeHandoff(file) }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await Promise.allSettled([this.#queue.close(), this.#events.close()])
  }
}

/** requests wait while Redis is unavailable */
const PATIENT = { maxRetriesPerRequest: null, commandTimeout: undefined }

export interface RecountWorkerOptions extends RecountQueueOptions {
  readonly engine: DuckDbEngine
}

/** Computes groups that were asked for, one at a time. */
export class RecountWorker {
  readonly #options: RecountWorkerOptions
  readonly #client: Redis
  readonly #worker: Worker<GroupJob, GroupResult>
  readonly #stopping = new AbortController()

  /** Begins at once, and does not wait for Redis. @throws as RecountQueue */
  constructor(options: RecountWorkerOptions) {
    this.#options = options
    const { url, dataset, prefix = BATCH_QUEUE_PREFIX, workerSilentMsMax = WORKER_SILENT_MS_MAX } = options
    this.#client = connectRedis({ url }, { ...PATIENT, connectionName: 'watershed-recount' })
    this.#worker = new Worker(recountQueueName(dataset.name), ({ data }) => this.#recount(data), {
      connection: this.#client,
      prefix,
      concurrency: 1,
      lockDuration: workerSilentMsMax,
      stalledInterval: workerSilentMsMax,
      maxStalledCount: WORKER_DEATHS_MAX,
    })
    this.#worker.on('error', () => {})
  }

  /** A group that is being computed is left to another worker. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the worker was stopped'))
    await endsWithin(this.#worker.close(this.#client.status !== 'ready'), CLOSE_MS_MAX)
    this.#client.disconnect()
  }

  async #recount({ view: name, hash, segments: names }: GroupJob): Promise<GroupResult> {
    const { dataset, lake, engine, emit = silent } = this.#options
    const { signal } = this.#stopping
    const view = dataset.views.get(name)
    if (view?.hash !== hash) throw new UnrecoverableError(`this worker has another definition of view '${name}'`)
    const segments = await this.#segments(names)
    await lake.check(rowFiles(dataset, segments))
    signal.throwIfAborted()
    // One that was taken for dead may still write: no two write one file.
    const staged = await lake.stageHandoff(name)
    const connection = await engine.connect()
    const stop = (): void => connection.stop()
    signal.addEventListener('abort', stop)
    try {
      const compute = new DuckDbCompute(connection, dataset, (file) => lake.resolve(file))
      const rows = await compute.recount(view, segments, [], staged.writePath)
      const file = await staged.finish(rows)
      const message = `recounted ${segments.length} segments of view '${name}' for a batch run`
      emit({ name: 'group-recounted', level: 'debug', dataset: dataset.name, message, fields: { rows } })
      return { file }
    } catch (error) {
      await staged.discard()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
      connection.close()
    }
  }

  /** @throws if this worker does not see one of them */
  async #segments(names: readonly string[]): Promise<SegmentManifest[]> {
    const chains = await this.#options.lake.chains(0, { compacted: true })
    const known = new Map(
      chains.flatMap((chain) => chain.segments.map((segment) => [segmentManifestName(segment), segment] as const)),
    )
    return names.map((name) => {
      const segment = known.get(name)
      if (segment === undefined) throw new Error(`this worker does not see the segment '${name}' in its lake`)
      return segment
    })
  }
}
