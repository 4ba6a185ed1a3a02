/** The batch role of all datasets in a worker thread of its own, with its own engine, so that it does not slow serving. */
import { compactSegments } from '#batch-layer/compact.ts'
import { CronSchedule } from '#batch-layer/cron-schedule.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import type { BatchSchedule } from '#batch-layer/schedule.ts'
import type { StepHook } from '#core/steps.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite-dictionary.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Emit } from '#telemetry/emit.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../data-folder.ts'
import { loadDatasets } from '../definitions.ts'
import { publishShipped } from '../dictionary-shelf.ts'
import { closeDataset, type OpenDataset, openDataset } from '../open-dataset.ts'
import { openEngine } from '../open-engine.ts'
import type { Configuration } from '../settings.ts'
import { verifyAndTell } from '../verify/verify-and-tell.ts'
import { batchStatus } from './batch-status.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'

interface BatchParts {
  readonly open: OpenDataset
  readonly dictionary: DictionaryStore
  readonly configuration: Configuration
  readonly scratchFolder: string
  readonly step: StepHook
  readonly emit: Emit
}

class BatchOfDataset {
  readonly open: OpenDataset
  readonly schedule: BatchSchedule
  readonly #parts: BatchParts
  #newest: GenerationManifest | null = null

  constructor(parts: BatchParts) {
    this.#parts = parts
    this.open = parts.open
    const { lake, engine, partitions } = parts.open
    const { batchIncrementalCron, batchFullCron } = parts.configuration
    const { emit, step } = parts
    this.schedule = new CronSchedule({
      lake,
      run: (mode, signal) => this.#run(mode, signal),
      compact: (signal) => compactSegments({ lake, engine, partitions, step, emit, signal }),
      afterRun: (generation) => this.#verify(generation),
      incrementalPattern: batchIncrementalCron,
      fullPattern: batchFullCron,
      emit,
    })
  }

  status(): PartStatus {
    return batchStatus(this.open.dataset.name, this.schedule.state(), this.#newest)
  }

  async #run(mode: 'full' | 'incremental', signal: AbortSignal): Promise<GenerationManifest | null> {
    const { open, dictionary, configuration, step, emit } = this.#parts
    const generation = await runBatch({
      ...open,
      dictionary,
      logIdentity: open.log.identity,
      mode,
      keepGenerations: configuration.keepGenerations,
      readersGraceMs: configuration.lakeGraceMs,
      step,
      emit,
      signal,
    })
    this.#newest = generation ?? this.#newest
    return generation
  }

  async #verify(generation: GenerationManifest): Promise<void> {
    const { open, configuration, scratchFolder, emit } = this.#parts
    if (generation.mode !== 'full' || !configuration.verifyAfterFull) return
    await verifyAndTell(open, { scratchFolder, emit })
  }
}

await runRole(async ({ configuration, scratchFolder }, emit) => {
  const folder = DataFolder.open(configuration.data)
  const step = crashStep(process.env)
  const engine = await openEngine('batch', configuration, folder, scratchFolder)
  const dictionary = await SqliteDictionary.open({ file: folder.dictionaryFile })
  await publishShipped(dictionary)
  const roles: BatchOfDataset[] = []
  for (const dataset of (await loadDatasets(configuration.datasets, engine)).values()) {
    const open = await openDataset({ dataset, folder, configuration, engine, emit, step })
    roles.push(new BatchOfDataset({ open, dictionary, configuration, scratchFolder, step, emit }))
  }
  for (const role of roles) role.schedule.start()
  return {
    parts: () => roles.map((role) => role.status()),
    stop: async () => {
      await Promise.all(roles.map((role) => role.schedule.stop()))
      for (const { open } of roles) await closeDataset(open)
      await dictionary.close()
      engine.close()
    },
  }
})
