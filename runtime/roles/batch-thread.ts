/** The batch role of all datasets in a process or worker thread of its own, with its own engine, so that it does not slow serving. */
import { compactSegments } from '#batch-layer/compact.ts'
import type { RecountEngine } from '#batch-layer/recount-engine.ts'
import { sweepHistory } from '#batch-layer/retention.ts'
import { type BatchProgress, runBatch } from '#batch-layer/run-batch.ts'
import type { BatchSchedule } from '#batch-layer/schedule.ts'
import type { StepHook } from '#core/steps.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { JobLedger } from '#storage/jobs/job-ledger.ts'
import type { JobProgress, JobRecord } from '#storage/jobs/job-record.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import { LogLossError } from '#storage/log/log-loss-error.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Slice } from '#verification/slice.ts'
import type { VerifyReport } from '#verification/verify-dataset.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { DictionaryFetchers } from '../drivers/dictionary-fetchers.ts'
import { keepShipped } from '../drivers/dictionary-shelf.ts'
import { openBatchEngine } from '../drivers/open-batch-engine.ts'
import { closeDataset, type OpenDataset, openDataset } from '../drivers/open-dataset.ts'
import { openDictionary } from '../drivers/open-dictionary.ts'
import { openEngine } from '../drivers/open-engine.ts'
import { type OpenRecount, openRecount } from '../drivers/open-recount.ts'
import { openSchedule } from '../drivers/open-schedule.ts'
import { openTexts } from '../drivers/open-texts.ts'
import { withNextSlice } from '../health/prove-slice.ts'
import { verifyAndTell } from '../health/verify-and-tell.ts'
import { FULL_RUN_OTHERS_MS, unprovedSlice, unverifiedFull, VerifyTurns } from '../health/verify-turns.ts'
import { JobCancelledError, JobRunner, type JobWork } from '../jobs/job-runner.ts'
import { type JobWorkParts, verifyWork, workOf } from '../jobs/job-works.ts'
import { type Configuration, patternOf } from '../settings/settings.ts'
import { batchStatus } from './batch-status.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'

const LOOK_EVERY_MS = 2_000

interface BatchParts {
  readonly open: OpenDataset
  readonly dictionary: DictionaryStore
  readonly fetchers: DictionaryFetchers
  readonly configuration: Configuration
  readonly jobs: JobLedger
  readonly scratchFolder: string
  readonly step: StepHook
  readonly emit: Emit
}

class BatchOfDataset {
  readonly open: OpenDataset
  readonly #parts: BatchParts
  readonly #stopping = new AbortController()
  readonly #verifyTurns: VerifyTurns
  readonly #proofTurns: VerifyTurns
  readonly #guard: LogGuard
  readonly #jobs: JobRunner
  #schedule: BatchSchedule | null = null
  #recount: OpenRecount | null = null
  #recountEngine: RecountEngine | undefined
  #current: GenerationManifest | null = null
  #watch: NodeJS.Timeout | null = null

  constructor(parts: BatchParts) {
    this.#parts = parts
    this.open = parts.open
    this.#jobs = new JobRunner({ ledger: parts.jobs, work: (job) => this.#workOf(job) })
    this.#guard = new LogGuard({ ...parts.open, dataset: parts.open.dataset.name })
    const { lake } = this.open
    const isIdle = (): boolean => this.#schedule?.state().running === null
    this.#verifyTurns = new VerifyTurns({
      due: () => unverifiedFull(lake),
      othersMsMax: FULL_RUN_OTHERS_MS,
      verify: () => this.#verify((...told) => this.#verifyNow(...told)),
      isFree: () => isIdle() && !this.#proofTurns.isRunning,
    })
    this.#proofTurns = new VerifyTurns({
      due: async () => (this.#proofPattern === null ? null : unprovedSlice(lake, this.#proofPattern)),
      verify: () => this.#prove(),
      isFree: () => isIdle() && !this.#verifyTurns.isRunning,
    })
  }

  async start(): Promise<void> {
    const { configuration, emit } = this.#parts
    const { lake } = this.open
    // One that cannot be read is reported by the first run that is due.
    this.#current = await lake.current().catch(() => null)
    this.#recountEngine = await openBatchEngine(configuration, this.open.dataset, this.open.engine)
    this.#recount = await openRecount(configuration, this.#shared)
    this.#schedule = await openSchedule(configuration, {
      lake,
      run: (mode, signal, onProgress) => this.#runNoted(mode, signal, onProgress),
      compact: (signal) => this.#compact(signal),
      afterRun: (generation) => this.#afterRun(generation),
      incrementalPattern: configuration.batchIncrementalCron,
      fullPattern: patternOf(configuration.batchFullCron),
      emit,
    })
    this.#schedule.start()
    this.#jobs.start()
    this.#watch = setInterval(() => void this.#look(), LOOK_EVERY_MS)
  }

  /** A running verification is given up: the next process makes it. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#watch !== null) clearInterval(this.#watch)
    await this.#jobs.stop()
    await this.#schedule?.stop()
    await this.#verifyTurns.stop()
    await this.#proofTurns.stop()
    await this.#recount?.stop()
    await closeDataset(this.open)
  }

  status(): PartStatus {
    return batchStatus(this.open.dataset.name, this.#schedule!.state(), this.#current)
  }

  /** A run of the schedule. One that was cancelled is no fault: what it would have made is due again at the next time. */
  async #runNoted(
    mode: 'full' | 'incremental',
    signal: AbortSignal,
    onProgress: (progress: BatchProgress) => void,
  ): Promise<GenerationManifest | null> {
    const before = await this.open.lake.current()
    let made: GenerationManifest | null = null
    const work: JobWork = async (within, note) => {
      made = await this.#run(mode, within, (progress) => {
        onProgress(progress)
        note(progress)
      })
      return { outcome: made === null || made.id === before?.id ? null : `generation ${made.id} is current` }
    }
    try {
      await this.#jobs.noted({ kind: 'batch', mode }, signal, work)
      return made
    } catch (error) {
      if (error instanceof JobCancelledError) return before
      throw error
    }
  }

  #compact(signal: AbortSignal): Promise<unknown> {
    const { step, emit } = this.#parts
    return compactSegments({ ...this.open, rawKeptMs: this.open.dataset.rawKeptMs, step, emit, signal })
  }

  async #run(
    mode: 'full' | 'incremental',
    signal: AbortSignal,
    onProgress: (progress: BatchProgress) => void,
  ): Promise<GenerationManifest | null> {
    const { open, dictionary, fetchers, configuration, step, emit } = this.#parts
    await this.#assertLogHolds()
    const generation = await runBatch({
      ...open,
      dictionary,
      logIdentity: open.log.identity,
      mode,
      recount: this.#recount?.recount,
      recountEngine: this.#recountEngine,
      keepGenerations: configuration.keepGenerations,
      readersGraceMs: configuration.lakeGraceMs,
      step,
      onProgress,
      onUnknownKeys: fetchers.onUnknownKeys,
      emit,
      signal,
    })
    this.#current = generation ?? this.#current
    return generation
  }

  /** A log that is away says nothing: a run reads the lake only. */
  async #assertLogHolds(): Promise<void> {
    await this.#guard.assertHolds().catch((error: Error) => {
      if (error instanceof LogLossError) throw error
    })
  }

  /** Another worker may have published, and somebody rolled back. What cannot be read now is read the next time. */
  async #look(): Promise<void> {
    this.#current = await this.open.lake.current().catch(() => this.#current)
    if (this.#parts.configuration.verifyAfterFull) await this.#verifyTurns.look()
    await this.#proofTurns.look()
  }

  async #afterRun(generation: GenerationManifest): Promise<void> {
    if (generation.mode === 'full' && this.#parts.configuration.verifyAfterFull) await this.#verifyTurns.afterFull()
  }

  /** A verification that is noted as a job. */
  async #verify(verify: JobWorkParts['verify']): Promise<void> {
    // What went wrong was told.
    await this.#jobs.noted({ kind: 'verify', mode: null }, this.#stopping.signal, verifyWork(verify)).catch(() => {})
  }

  #verifyNow(
    signal: AbortSignal,
    onProgress: (progress: JobProgress) => void,
    slice: Slice | null = null,
  ): Promise<VerifyReport> {
    const { open, scratchFolder, emit } = this.#parts
    return verifyAndTell(open, { scratchFolder, emit, signal, onProgress, slice })
  }

  /** Proves the next slice, merges small segments, and after the last slice of a round looks for orphans: otherwise only full runs do. */
  async #prove(): Promise<void> {
    const { proofNights } = this.#parts.configuration
    const done = await withNextSlice(this.open, proofNights, async (slice) => {
      await this.#verify((signal, onProgress) => this.#verifyNow(signal, onProgress, slice))
      return slice.keys
    }).catch((error: Error) => this.#proofFailed(error))
    if (done) await this.#tidy(done.index + 1 === done.of).catch((error: Error) => this.#proofFailed(error))
  }

  async #tidy(isRoundOver: boolean): Promise<void> {
    const { configuration, emit } = this.#parts
    await this.#compact(this.#stopping.signal)
    if (isRoundOver) await sweepHistory({ lake: this.open.lake, readersGraceMs: configuration.lakeGraceMs, emit })
  }

  #proofFailed(error: Error): void {
    if (this.#stopping.signal.aborted) return
    const dataset = this.open.dataset.name
    const message = `the proof of a slice of '${dataset}' could not be made: ${error.message}; it is retried in a while`
    this.#parts.emit({ name: 'verify-failed', level: 'error', dataset, message })
  }

  get #shared(): Parameters<typeof openRecount>[1] {
    const { open, emit } = this.#parts
    return { dataset: open.dataset, lake: open.lake, engine: open.engine, emit }
  }

  get #proofPattern(): string | null {
    return patternOf(this.#parts.configuration.proofCron)
  }

  #workOf(job: JobRecord): JobWork {
    const { dataset, lake } = this.open
    const parts: JobWorkParts = {
      ...{ dataset, lake },
      run: (mode, signal, onProgress) => this.#run(mode, signal, onProgress),
      afterFull: async (generation, signal) => {
        await this.#compact(signal)
        await this.#afterRun(generation)
      },
      verify: (signal, onProgress) => this.#verifyNow(signal, onProgress),
    }
    return workOf(parts, job)
  }
}

await runRole(async ({ configuration, scratchFolder, platformPid }, emit) => {
  const folder = DataFolder.open(configuration.data, configuration.scratch)
  const step = crashStep(process.env, platformPid)
  const engine = await openEngine('batch', configuration, folder, scratchFolder)
  const dictionary = await openDictionary(configuration, folder, emit)
  const shelf = keepShipped(dictionary, emit)
  const fetchers = DictionaryFetchers.start({ store: dictionary, sources: configuration.dictionarySources, emit })
  const roles: BatchOfDataset[] = []
  for (const dataset of (await loadDatasets(configuration.datasets, engine)).values()) {
    const open = await openDataset({ dataset, folder, configuration, engine, emit, step })
    const jobs = new JobLedger(dataset.name, await openTexts('jobs', { dataset: dataset.name, folder, configuration }))
    roles.push(new BatchOfDataset({ open, dictionary, fetchers, configuration, jobs, scratchFolder, step, emit }))
  }
  await shelf.first
  for (const role of roles) await role.start()
  return {
    parts: () => roles.map((role) => role.status()),
    stop: async () => {
      shelf.stop()
      await Promise.all(roles.map((role) => role.stop()))
      await fetchers.stop()
      await dictionary.close()
      engine.close()
    },
  }
})
