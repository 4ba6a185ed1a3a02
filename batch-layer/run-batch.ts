/**
 * One batch run: from closed segments to a published generation, in an order that keeps the old one served in every case:
 *   1. take the lock; 2. plan from manifests; 3. write the files of views and dictionaries, invisible to readers; 4. publish the generation's
 *   manifest; 5. switch CURRENT with one rename; 6. after a full run, summarize raw events that are past their horizon; 7. let the open
 *   tables follow; 8. remove what no kept generation needs.
 * After a crash in any step a complete generation is current, and the next run starts again from the manifests.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { ConnectOptions, DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { IdleConnections } from '#storage/engine/idle-connections.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { isUnreadable } from '#storage/lake/lake-error.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { GroupedCompute, type GroupedOptions } from './grouped-recount.ts'
import { followWithTables } from './open-tables.ts'
import { DuckDbPinning } from './pin-dictionaries.ts'
import { type BatchMode, planFromLake } from './plan-run.ts'
import { publishGeneration } from './publish-generation.ts'
import type { RecountEngine, StartedRecounts } from './recount-engine.ts'
import { removeUnneeded } from './retention.ts'
import type { BatchProgress } from './run-progress.ts'
import { type SummarizeOptions, summarizeOld } from './summarize.ts'
import { ToldRun } from './told-run.ts'
import { viewsAtOnce } from './views-at-once.ts'

export type { BatchProgress }

export interface BatchRunOptions {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly dictionary: DictionaryStore
  readonly engine: DuckDbEngine
  /** of the log */
  readonly partitions: number
  readonly logIdentity: string
  readonly mode: BatchMode
  /** lets changed views count from the first raw event that is kept, where earlier ones were removed; by default that is an error */
  readonly fromKept?: boolean
  /** publishes a generation even if nothing is new; a full run always does */
  readonly force?: boolean
  /** number of newest generations kept besides the current one; default 5 */
  readonly keepGenerations?: number
  /** how long a reader may use what it found; default 10 minutes */
  readonly readersGraceMs?: number
  readonly step?: StepHook
  readonly onProgress?: (progress: BatchProgress) => void
  /** called with a bounded number of keys that a dictionary lacks, to be fetched for a later run */
  readonly onUnknownKeys?: (dictionary: string, keys: readonly string[]) => void
  readonly emit?: Emit
  /** stops the running statement; the run rejects and nothing is published */
  readonly signal?: AbortSignal
  readonly clock?: () => number
  /** how much is recounted at a time, and by whom */
  readonly recount?: Pick<GroupedOptions, 'groupRows' | 'workers'>
  /** recounts views instead of this process's engine */
  readonly recountEngine?: RecountEngine
  /** about how large the files of a view with panes become, before they are cut; default 32 MiB */
  readonly stateFileBytes?: number
}

/**
 * Computes and publishes a generation. If the dataset has none yet, an incremental run is a full one.
 *
 * @returns the current generation: the new one, or the existing one if nothing was new; null if another run holds the lock
 * @throws LakeError if files are damaged, foreign or cannot be written; the old generation stays current
 */
export async function runBatch(options: BatchRunOptions): Promise<GenerationManifest | null> {
  const { lake, dataset, emit = silent } = options
  options.signal?.throwIfAborted()
  const lock = await lake.tryLock('batch')
  if (lock === null) {
    emit({
      name: 'batch-locked',
      level: 'info',
      dataset: dataset.name,
      message: `batch run of '${dataset.name}' skipped: another run holds the lock; it is retried at the next due time`,
    })
    return null
  }
  try {
    return await runLocked(options)
  } finally {
    await lock.release()
  }
}

async function runLocked(options: BatchRunOptions): Promise<GenerationManifest> {
  const { dataset, lake, engine, logIdentity, signal, emit = silent, clock = Date.now } = options
  const startedAtMs = clock()
  const base = await baseOf(options)
  // Another worker can have detected an added partition before this one, and published a generation that includes it.
  const partitions = Math.max(options.partitions, base?.boundary.length ?? 0)
  const { mode, fromKept } = options
  const wanted = { lake, partitions, dataset, mode, logIdentity, base, fromKept, clockMs: startedAtMs }
  const plan = await planFromLake(wanted)
  const connections: EngineConnection[] = []
  const connect = async (how?: ConnectOptions): Promise<EngineConnection> => {
    const opened = await engine.connect(how)
    connections.push(opened)
    return opened
  }
  const connection = await connect()
  const stop = (): void => {
    for (const each of connections) each.stop()
  }
  signal?.addEventListener('abort', stop)
  let told: ToldRun | null = null
  let elsewhere: StartedRecounts | null = null
  try {
    const pinning = new DuckDbPinning({
      connection,
      dataset,
      store: options.dictionary,
      lake,
      emit,
      onUnknownKeys: options.onUnknownKeys,
    })
    const repin = await pinning.changed(base)
    if (base && plan.mode === 'incremental' && !plan.changed && !repin && !options.force) {
      const inUse = await followWithTables({ ...options, connection, generation: base, plan: null, emit, clock })
      if (inUse !== null) await removeUnneeded({ ...options, emit, clock }, base, { inUse, thorough: false })
      return base
    }
    told = new ToldRun(lake, plan, startedAtMs, clock)
    const atOnce = viewsAtOnce(plan, engine.threads)
    const [all, small]: [EngineConnection[], EngineConnection[]] = [[connection], []]
    while (all.length < atOnce) all.push(await connect())
    while (plan.mode === 'incremental' && small.length < atOnce) small.push(await connect({ oneThread: true }))
    const statements = new IdleConnections(all)
    const oneThread = small.length === 0 ? statements : new IdleConnections(small)
    const own = new DuckDbCompute(statements, dataset, (file) => lake.resolve(file), oneThread)
    const grouped = new GroupedCompute(own, { ...options.recount, signal, emit })
    elsewhere = options.recountEngine?.start({ lake, connection, own: grouped, merging: own, signal, emit }) ?? null
    const generation = await publishGeneration({
      dataset,
      lake,
      plan,
      compute: elsewhere?.compute ?? grouped,
      viewsAtOnce: atOnce,
      pinning,
      logIdentity,
      startedAtMs,
      clock,
      step: options.step ?? noSteps,
      onProgress: (progress) => {
        told?.tell(progress)
        options.onProgress?.(progress)
      },
      signal,
      emit,
      stateFileBytes: options.stateFileBytes,
      readersGraceMs: options.readersGraceMs,
    })
    if (generation.mode === 'full')
      await removeOldRaw({ dataset, lake, compute: grouped, generation, emit, clock, signal })
    const inUse = await followWithTables({ ...options, connection, generation, plan, emit, clock })
    const thorough = generation.mode === 'full'
    if (inUse !== null) await removeUnneeded({ ...options, emit, clock }, base, { inUse, thorough })
    return generation
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    await elsewhere?.close()
    await told?.end()
    for (const each of connections) each.close()
  }
}

/** A failure is emitted and retried after the next full run: the new generation is published already. */
async function removeOldRaw(options: SummarizeOptions): Promise<void> {
  const { dataset, emit, signal } = options
  try {
    await summarizeOld(options)
  } catch (error) {
    signal?.throwIfAborted()
    emit({
      name: 'raw-removal-failed',
      level: 'warn',
      dataset: dataset.name,
      message: `raw events of '${dataset.name}' that are past keep.raw could not be removed: ${error instanceof Error ? error.message : error}; retried after the next full run`,
    })
  }
}

/** A full run reads nothing of the current generation, so it can take the place of one that is damaged or gone. */
async function baseOf({ lake, mode, emit = silent }: BatchRunOptions): Promise<GenerationManifest | null> {
  try {
    return await lake.current()
  } catch (error) {
    if (mode !== 'full' || !isUnreadable(error)) throw error
    const message = `the full run of '${lake.dataset}' builds on no generation: ${error.message}`
    emit({ name: 'generation-unreadable', level: 'warn', dataset: lake.dataset, message })
    return null
  }
}
