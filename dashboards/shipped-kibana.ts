/** The dashboards of every shipped dataset, for tests. */
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type KibanaContent, kibanaDashboards } from './kibana-panels.ts'

export interface ShippedKibana extends KibanaContent {
  readonly dataset: CompiledDataset
  readonly definition: DatasetDefinition
}

export async function shippedKibana(): Promise<readonly ShippedKibana[]> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  try {
    const connection = await engine.connect()
    const all = Object.values(SHIPPED_DATASETS).map(async ({ definition: module }): Promise<ShippedKibana> => {
      const { default: definition } = (await import(module)) as { default: DatasetDefinition }
      const dataset = await compileDataset(definition, connection)
      return { dataset, definition, ...kibanaDashboards(dataset) }
    })
    return await Promise.all(all)
  } finally {
    engine.close()
  }
}
