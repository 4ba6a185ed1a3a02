/** The resources of a command: configuration, data folder, engine, and datasets, which are opened on demand. Works with or without a running `start`. */
import { rmSync } from 'node:fs'
import type { CompiledDataset } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import type { StepHook } from '#core/steps.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { Emit } from '#telemetry/emit.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { closeDataset, type OpenDataset, type OpenDatasetOptions, openDataset } from '../drivers/open-dataset.ts'
import { openDictionary } from '../drivers/open-dictionary.ts'
import { type EngineRole, openEngine } from '../drivers/open-engine.ts'
import { openLog } from '../drivers/open-log.ts'
import type { Configuration } from '../settings/settings.ts'
import { CommandError } from './exit-codes.ts'

export class Workspace {
  readonly configuration: Configuration
  readonly folder: DataFolder
  readonly scratchFolder: string
  readonly engine: DuckDbEngine
  readonly datasets: ReadonlyMap<string, CompiledDataset>
  readonly step: StepHook
  readonly emit: Emit
  readonly #logs = new Map<string, Promise<EventLog>>()
  readonly #opened = new Map<string, Promise<OpenDataset>>()

  /** @param make whether to create a missing data folder. @throws CommandError, DefinitionError */
  static async open(configuration: Configuration, role: EngineRole, emit: Emit, make = true): Promise<Workspace> {
    const step = crashStep(process.env)
    const { data, scratch, lake, log } = configuration
    // With lake and log on services the folder holds nothing that a command could miss.
    const isElsewhere = lake !== undefined && log === 'kafka'
    const folder = make || isElsewhere ? DataFolder.open(data, scratch) : DataFolder.openExisting(data, scratch)
    folder.sweepScratch()
    const scratchFolder = folder.makeScratch()
    const engine = await openEngine(role, configuration, folder, scratchFolder)
    try {
      const datasets = await loadDatasets(configuration.datasets, engine)
      return new Workspace({ configuration, folder, scratchFolder, engine, datasets, step, emit })
    } catch (error) {
      engine.close()
      rmSync(scratchFolder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    parts: Pick<Workspace, 'configuration' | 'folder' | 'scratchFolder' | 'engine' | 'datasets' | 'step' | 'emit'>,
  ) {
    this.configuration = parts.configuration
    this.folder = parts.folder
    this.scratchFolder = parts.scratchFolder
    this.engine = parts.engine
    this.datasets = parts.datasets
    this.step = parts.step
    this.emit = parts.emit
  }

  /** The parts of one dataset, opened once, as it was asked for first. @throws CommandError 'usage' if it is not loaded */
  dataset(name: string, speedStore: OpenDatasetOptions['speedStore'] = 'now'): Promise<OpenDataset> {
    const opened = this.#opened.get(name) ?? this.#open(this.definition(name), speedStore)
    this.#opened.set(name, opened)
    return opened
  }

  /** A dataset's log alone, which is all that ingestion needs. @throws CommandError 'usage' if it is not loaded */
  log(name: string): Promise<EventLog> {
    const { configuration, folder, emit, step } = this
    const dataset = this.definition(name).name
    const opened = this.#logs.get(name) ?? openLog({ dataset, folder, configuration, emit, step })
    this.#logs.set(name, opened)
    return opened
  }

  /** @throws CommandError 'usage' if it is not loaded */
  definition(name: string): CompiledDataset {
    const dataset = this.datasets.get(name)
    if (dataset === undefined) {
      throw new CommandError(
        'usage',
        `dataset '${name}' is unknown${nearest(name, this.datasets.keys())}; loaded datasets: ${[...this.datasets.keys()].join(', ')}. Load its definition file with --dataset`,
      )
    }
    return dataset
  }

  /** All loaded datasets, opened. */
  async all(speedStore: OpenDatasetOptions['speedStore'] = 'now'): Promise<OpenDataset[]> {
    const all: OpenDataset[] = []
    for (const name of this.datasets.keys()) all.push(await this.dataset(name, speedStore))
    return all
  }

  /** The only loaded dataset. @throws CommandError 'usage' if several are loaded */
  only(): Promise<OpenDataset> {
    const [name, ...more] = this.datasets.keys()
    if (more.length > 0) {
      throw new CommandError(
        'usage',
        `several datasets are loaded (${[name, ...more].join(', ')}); choose one with --dataset`,
      )
    }
    return this.dataset(name!)
  }

  openDictionary(): Promise<DictionaryStore> {
    return openDictionary(this.configuration, this.folder, this.emit)
  }

  async close(): Promise<void> {
    const datasets = [...this.#opened.values()].map(async (opened) => {
      const open = await opened.catch(() => null)
      if (open !== null) await closeDataset(open)
    })
    const logs = [...this.#logs].map(async ([name, opening]) => {
      if (!this.#opened.has(name)) await (await opening.catch(() => null))?.close()
    })
    await Promise.all([...datasets, ...logs])
    this.engine.close()
    rmSync(this.scratchFolder, { recursive: true, force: true })
  }

  async #open(dataset: CompiledDataset, speedStore: OpenDatasetOptions['speedStore']): Promise<OpenDataset> {
    const { configuration, folder, engine, emit, step } = this
    const log = await this.log(dataset.name)
    return openDataset({ dataset, folder, configuration, engine, emit, step, log, speedStore })
  }
}
