/** The definition that a generation was computed by, compiled again: its states are answered by it until the current one is computed. */
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { viewChanges } from '#core/definition-changes.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { quoteText } from '#core/sql-names.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Outdated } from './answer-meta.ts'
import { measuresNeeded } from './merged-sql.ts'
import type { QueryPlan } from './query-plan.ts'

export interface AnsweringDefinition {
  readonly dataset: CompiledDataset
  readonly view: CompiledView
}

/** by generation, for as long as its manifest is held */
const compiled = new WeakMap<GenerationManifest, Promise<CompiledDataset | null>>()

/**
 * The definition of the view by which it can be answered from the generation and typed rows: the current one, where the generation has
 * counted nothing or by the same definition; otherwise the earlier one. null: the view is new, or the generation does not say.
 */
export async function answeringDefinition(
  current: CompiledDataset,
  name: string,
  generation: GenerationManifest | null,
  engine: DuckDbEngine,
): Promise<AnsweringDefinition | null> {
  const view = current.views.get(name)!
  if (generation === null || generation.rows === 0) return { dataset: current, view }
  const stored = generation.views[name]
  if (stored === undefined) return null
  if (stored.hash === view.hash) return { dataset: current, view }
  const dataset = await earlierDataset(generation, engine)
  const earlier = dataset?.views.get(name)
  // Another hash: this version computes states in another way than the one that wrote them.
  return dataset && earlier?.hash === stored.hash ? { dataset, view: earlier } : null
}

function earlierDataset(generation: GenerationManifest, engine: DuckDbEngine): Promise<CompiledDataset | null> {
  const known = compiled.get(generation)
  if (known !== undefined) return known
  const compiling = compileEarlier(generation, engine)
  compiled.set(generation, compiling)
  return compiling
}

/** A definition that this version does not accept any more is none. */
async function compileEarlier(
  { definition }: GenerationManifest,
  engine: DuckDbEngine,
): Promise<CompiledDataset | null> {
  if (definition === undefined) return null
  const connection = await engine.connect()
  try {
    return await compileDataset(definition as unknown as DatasetDefinition, connection)
  } catch {
    return null
  } finally {
    connection.close()
  }
}

/** Whether the name is that of a series, and the same one in both: what a series calculates is not in the hash of its view. */
export function isSameSeries(current: CompiledDataset, { dataset }: AnsweringDefinition, name: string): boolean {
  const [before, now] = [dataset.definition?.series?.[name], current.definition?.series?.[name]]
  return dataset === current || (before !== undefined && JSON.stringify(before) === JSON.stringify(now))
}

/** What differs from the current definition in what the answer shows, or is ordered and filtered by; null: nothing. */
export function outdatedBy(
  current: CompiledDataset,
  { dataset, view }: AnsweringDefinition,
  plan: QueryPlan,
): Outdated | null {
  if (dataset === current) return null
  const now = current.views.get(view.name)!
  const sources = new Map(current.columns.map((column) => [column.name, column.source]))
  const columns = dataset.columns
    .filter((column) => view.reads.includes(column.name) && sources.get(column.name) !== column.source)
    .map(({ name }) => name)
  const changes = viewChanges(dataset.definition!, current.definition!, view.name, columns)
  // A series is calculated from measures that it does not show.
  const needed = plan.series === null ? measuresNeeded(plan) : view.measures.map(({ name }) => name)
  const measures = changes.measures.filter((name) => needed.includes(name))
  const shown = [...plan.dimensions, ...plan.values.map(({ name }) => name)]
  const lookups = changes.lookups.filter(({ keys }) => keys.some((key) => shown.includes(key)))
  const places = [
    ...changes.rows,
    ...(changes.window && (plan.window !== null || plan.windows !== null) ? ['window'] : []),
    ...(changes.rank && plan.series === null ? ['rank'] : []),
    ...measures.map((name) => `measure ${quoteText(name)}`),
    ...lookups.map(({ name }) => `enrich ${quoteText(name)}`),
  ]
  return places.length === 0 ? null : { current: now.hash, changes: places }
}
