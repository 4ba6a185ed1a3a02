/** The engine of the intake role, which is opened only where derived columns decide on events. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CompiledDataset } from '#core/compiled.ts'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

/** Of an offer only the columns that decide are decoded, so this is plenty. */
const MEMORY_MB = 256

export class DerivingEngine {
  readonly #scratchFolder: string
  #engine: Promise<DuckDbEngine> | null = null

  /** @param scratchFolder of the role */
  constructor(scratchFolder: string) {
    this.#scratchFolder = scratchFolder
  }

  async connection(): Promise<EngineConnection> {
    this.#engine ??= this.#open()
    return (await this.#engine).connect()
  }

  /** Null for a dataset on whose events no derived column decides. */
  async deriverOf({ deciding }: Pick<CompiledDataset, 'deciding'>): Promise<EventDeriver | null> {
    return deciding && new EventDeriver(await this.connection(), deciding, this.#scratchFolder)
  }

  async close(): Promise<void> {
    ;(await this.#engine)?.close()
  }

  #open(): Promise<DuckDbEngine> {
    const spillFolder = join(this.#scratchFolder, 'spill')
    mkdirSync(spillFolder, { recursive: true })
    return DuckDbEngine.open({
      threads: 1,
      memoryLimit: `${MEMORY_MB}MB`,
      limitNames: `the ${MEMORY_MB} MB of the intake role`,
      folders: [this.#scratchFolder],
      spillFolder,
    })
  }
}
