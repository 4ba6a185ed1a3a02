/** The presented indices of all datasets in a process or worker thread of its own, with its own engine. */
import type { CompiledDataset } from '#core/compiled.ts'
import { endsWithin } from '#core/ends-within.ts'
import { PresentLoop } from '#serving/presented-indices/present-loop.ts'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import type { PresentedStore } from '#storage/presented-store/presented-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { closeDataset, type OpenDataset, openDataset } from '../drivers/open-dataset.ts'
import { openEngine } from '../drivers/open-engine.ts'
import { openPresentedStore } from '../drivers/open-presented-store.ts'
import type { Configuration } from '../settings/settings.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'

const STOP_MS_MAX = 10_000

class PresentedDataset {
  readonly #open: OpenDataset
  readonly #store: PresentedStore
  readonly #loop: PresentLoop
  #fault: string | null = null
  #rounds = 0

  constructor(open: OpenDataset, store: PresentedStore, configuration: Configuration, emit: Emit) {
    this.#open = open
    this.#store = store
    const presenter = new Presenter({
      served: open,
      store,
      emit,
      windowRetentionMs: configuration.presentWindowsMs,
      eventRetentionMs: configuration.presentEventsMs,
    })
    this.#loop = new PresentLoop({
      dataset: open.dataset.name,
      presenter: { presentOnce: () => this.#noting(presenter) },
      everyMs: configuration.presentEveryMs,
      emit,
    })
    this.#loop.start()
  }

  status(): PartStatus {
    const { name } = this.#open.dataset
    const state = this.#fault === null ? 'running' : 'failing'
    return { name: `indices of ${name}`, dataset: name, state, fault: this.#fault, numbers: { rounds: this.#rounds } }
  }

  /** A round that waits for a part that is away ends when the parts are closed. */
  async stop(): Promise<void> {
    const ended = this.#loop.stop()
    await endsWithin(ended, STOP_MS_MAX)
    await this.#store.close()
    await closeDataset(this.#open)
    await ended
  }

  async #noting(presenter: Presenter): ReturnType<Presenter['presentOnce']> {
    try {
      const reports = await presenter.presentOnce()
      const failed = reports.filter(({ change }) => change === 'failed').map(({ index }) => index)
      this.#fault = failed.length === 0 ? null : `not up to date: ${failed.join(', ')}`
      this.#rounds++
      return reports
    } catch (error) {
      this.#fault = (error as Error).message
      throw error
    }
  }
}

function sayUnpresented({ name, series }: CompiledDataset, emit: Emit): void {
  if (series.size === 0) return
  const message = `no index is made of the series ${[...series.keys()].join(', ')}: they are calculated when they are asked for, over HTTP or by \`watershed query\``
  emit({ name: 'series-not-presented', level: 'info', dataset: name, message })
}

await runRole(async ({ configuration, scratchFolder, platformPid }, emit) => {
  const folder = DataFolder.open(configuration.data, configuration.scratch)
  const step = crashStep(process.env, platformPid)
  const engine = await openEngine('present', configuration, folder, scratchFolder)
  const running: PresentedDataset[] = []
  for (const dataset of (await loadDatasets(configuration.datasets, engine)).values()) {
    const store = await openPresentedStore(configuration, dataset.name, emit)
    const open = await openDataset({ dataset, folder, configuration, engine, emit, step })
    sayUnpresented(dataset, emit)
    running.push(new PresentedDataset(open, store, configuration, emit))
  }
  return {
    parts: () => running.map((presented) => presented.status()),
    stop: async () => {
      await Promise.all(running.map((presented) => presented.stop()))
      engine.close()
    },
  }
})
