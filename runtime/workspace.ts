/** What a command works on: the configuration, the data folder, an engine, and the datasets, opened when asked for. With or without a running `start`. */
import { rmSync } from 'node:fs'
import type { CompiledDataset } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import type { StepHook } from '#core/steps.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite-dictionary.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Emit } from '#telemetry/emit.ts'
import { crashStep } from './crash-step.ts'
import { DataFolder } from './data-folder.ts'
import { loadDatasets } from './definitions.ts'
import { CommandError } from './exit-codes.ts'
import { closeDataset, type OpenDataset, openDataset } from './open-dataset.ts'
import { type EngineRole, openEngine } from './open-engine.ts'
import type { Configuration } from './settings.ts'

export class Workspace {
  readonly configuration: Configuration
  readonly folder: DataFolder
  readonly scratchFolder: string
  readonly engine: DuckDbEngine
  readonly datasets: ReadonlyMap<string, CompiledDataset>
  readonly step: StepHook
  readonly emit: Emit
  readonly #opened = new Map<string, Promise<OpenDataset>>()

  /** @throws CommandError, DefinitionError: say what is wrong and where */
  static async open(configuration: Configuration, role: EngineRole, emit: Emit): Promise<Workspace> {
    const step = crashStep(process.env)
    const folder = DataFolder.open(configuration.data)
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

  /** The parts of one dataset, opened once. @throws CommandError 'usage' when it is not among the loaded ones */
  dataset(name: string): Promise<OpenDataset> {
    const dataset = this.datasets.get(name)
    if (dataset === undefined) {
      throw new CommandError(
        'usage',
        `there is no dataset '${name}'${nearest(name, this.datasets.keys())}; loaded are: ${[...this.datasets.keys()].join(', ')}. Name its definition file with --dataset`,
      )
    }
    const { configuration, folder, engine, emit, step } = this
    const opened = this.#opened.get(name) ?? openDataset({ dataset, folder, configuration, engine, emit, step })
    this.#opened.set(name, opened)
    return opened
  }

  /** All loaded datasets, opened. */
  async all(): Promise<OpenDataset[]> {
    const all: OpenDataset[] = []
    for (const name of this.datasets.keys()) all.push(await this.dataset(name))
    return all
  }

  /** The only loaded dataset. @throws CommandError 'usage' when there are several */
  only(): Promise<OpenDataset> {
    const [name, ...more] = this.datasets.keys()
    if (more.length > 0) {
      throw new CommandError(
        'usage',
        `there are several datasets (${[name, ...more].join(', ')}): choose one with --dataset`,
      )
    }
    return this.dataset(name!)
  }

  openDictionary(): Promise<SqliteDictionary> {
    return SqliteDictionary.open({ file: this.folder.dictionaryFile })
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.values()) {
      const open = await opened.catch(() => null)
      if (open !== null) await closeDataset(open)
    }
    this.engine.close()
    rmSync(this.scratchFolder, { recursive: true, force: true })
  }
}
