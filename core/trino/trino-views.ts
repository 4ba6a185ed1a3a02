/** All views of a dataset on Trino. */
import type { CompiledDataset } from '../compiled.ts'
import type { SqlDialect } from '../dialect.ts'
import { type TrinoView, trinoView } from './trino-view.ts'

export interface TrinoViews {
  readonly views: ReadonlyMap<string, TrinoView>
  /** views that Trino would not compute to the same values, each with a sentence for every part that is the reason */
  readonly refused: readonly { readonly view: string; readonly reasons: readonly string[] }[]
}

/** What helps against a refusal. */
export const TRINO_ADVICE =
  'Let a derived column (`as`) compute such an expression, which DuckDB does once when an event is decoded; or set batchEngine=duckdb'

/** Translates the dataset's views; asks Trino for nothing. @param dialect DuckDB's */
export async function trinoViews(dataset: CompiledDataset, dialect: SqlDialect): Promise<TrinoViews> {
  const views = new Map<string, TrinoView>()
  const refused: { readonly view: string; readonly reasons: readonly string[] }[] = []
  for (const view of dataset.views.values()) {
    const found = await trinoView(dataset, view, dialect)
    if ('refused' in found) refused.push({ view: view.name, reasons: found.refused })
    else views.set(view.name, found)
  }
  return { views, refused }
}
