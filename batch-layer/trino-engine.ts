/** Trino as the engine of recounts: what a definition lets it do is known before anything runs. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { SqlDialect } from '#core/dialect.ts'
import type { TrinoView } from '#core/trino/trino-view.ts'
import { TRINO_ADVICE, trinoViews } from '#core/trino/trino-views.ts'
import type { TrinoClient } from '#storage/trino/trino-client.ts'
import { PinnedTables, type PinnedTablesOptions } from './pinned-tables.ts'
import type { RecountEngine, RecountParts, StartedRecounts } from './recount-engine.ts'
import { TrinoCompute } from './trino-compute.ts'

export interface TrinoEngineOptions extends Pick<PinnedTablesOptions, 'catalog' | 'schema' | 'lakeUri'> {
  readonly client: TrinoClient
  readonly dataset: CompiledDataset
}

/** A definition has something that Trino would not compute to the same value. */
export class RefusedOnTrinoError extends Error {
  readonly problems: readonly string[]
  constructor(dataset: string, problems: readonly string[]) {
    const list = problems.map((problem) => `  - ${problem}`).join('\n')
    super(`dataset '${dataset}' cannot be recounted on Trino with the same results:\n${list}\n${TRINO_ADVICE}`)
    this.name = 'RefusedOnTrinoError'
    this.problems = problems
  }
}

export class TrinoEngine implements RecountEngine {
  readonly #options: TrinoEngineOptions
  readonly #views: ReadonlyMap<string, TrinoView>

  private constructor(options: TrinoEngineOptions, views: ReadonlyMap<string, TrinoView>) {
    this.#options = options
    this.#views = views
  }

  /**
   * Translates the dataset's views; asks Trino for nothing yet.
   *
   * @param dialect DuckDB's
   * @throws RefusedOnTrinoError
   */
  static async of(options: TrinoEngineOptions, dialect: SqlDialect): Promise<TrinoEngine> {
    const { dataset } = options
    const { views, refused } = await trinoViews(dataset, dialect)
    const problems = refused.flatMap(({ view, reasons }) => reasons.map((why) => `view '${view}', ${why}`))
    if (problems.length > 0) throw new RefusedOnTrinoError(dataset.name, problems)
    return new TrinoEngine(options, views)
  }

  start(parts: RecountParts): StartedRecounts {
    const tables = new PinnedTables({ ...this.#options, ...parts })
    const { client, dataset } = this.#options
    const compute = new TrinoCompute({ ...parts, client, dataset, views: this.#views, tables })
    return { compute, close: () => tables.close() }
  }
}
