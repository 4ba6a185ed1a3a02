/** Dataset definitions by shipped name or by file; files anywhere may `import … from 'watershed'`. */
import { existsSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { eventCheck } from '#core/check-event.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import { nearest } from '#core/definition-error.ts'
import type { SqlDialect } from '#core/dialect.ts'
import { isDecidedByEngine } from '#core/read-columns.ts'
import { SHIPPED_DATASETS, type ShippedDataset } from '#datasets/shipped.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { CommandError } from '../commands/exit-codes.ts'
import { isDefinitionPath } from '../settings/setting-sources.ts'

let hooked = false

/** Lets definition files outside this project import 'watershed'. Once per thread. */
export function offerPackageName(): void {
  if (hooked) return
  hooked = true
  const url = new URL('../../core/definition.ts', import.meta.url).href
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'watershed' ? { url, format: 'module-typescript', shortCircuit: true } : next(specifier, context),
  })
}

/**
 * Loads and compiles all named datasets.
 * @throws CommandError 'definition' with the problems of all files, each with the file and the place in it; 'usage'
 */
export async function loadDatasets(
  entries: readonly string[],
  engine: DuckDbEngine,
): Promise<ReadonlyMap<string, CompiledDataset>> {
  offerPackageName()
  const connection = await engine.connect()
  try {
    const datasets = new Map<string, CompiledDataset>()
    const names = new Set<string>()
    const faults: Error[] = []
    for (const entry of new Set(entries)) {
      const { definition, url } = await importDefinition(entry)
      try {
        const dataset = await compileDataset(definition, connection, problemsOfSinks)
        datasets.set(dataset.name, dataset)
      } catch (error) {
        faults.push(new Error(`${url}: ${(error as Error).message}`, { cause: error }))
      }
      const name = String(definition?.name)
      if (definition?.name !== undefined && names.has(name))
        faults.push(new Error(`${url}: a dataset named '${name}' is already loaded; rename one of them`))
      names.add(name)
    }
    if (faults.length > 0)
      throw new CommandError('definition', faults.map(({ message }) => message).join('\n'), { cause: faults[0]!.cause })
    return datasets
  } finally {
    connection.close()
  }
}

async function problemsOfSinks(dataset: CompiledDataset): Promise<readonly string[]> {
  if (dataset.sinks.length === 0) return []
  const { sinkQueryProblems } = await import('./sink-queries.ts')
  return sinkQueryProblems(dataset)
}

/** What checking events at ingest needs of a dataset. */
export type EventChecks = Pick<CompiledDataset, 'name' | 'check' | 'scanKey' | 'scanFlat' | 'deciding'>

/**
 * The checks of all named datasets. Definitions are not validated here: only for those that `loadDatasets` accepted.
 * @param engine opened only if derived columns decide on the events of a dataset
 * @throws CommandError as `loadDatasets`
 */
export async function loadEventChecks(
  entries: readonly string[],
  engine: () => Promise<SqlDialect>,
): Promise<EventChecks[]> {
  offerPackageName()
  const definitions = await Promise.all([...new Set(entries)].map(importDefinition))
  const checks = definitions.map(async ({ definition }): Promise<EventChecks> => {
    if (isDecidedByEngine(definition)) return compileDataset(definition, await engine())
    return { name: definition.name, ...eventCheck(definition), deciding: null }
  })
  return Promise.all(checks)
}

/** @throws CommandError 'usage' that suggests the nearest name */
export function shippedDataset(name: string): ShippedDataset {
  const shipped = Object.hasOwn(SHIPPED_DATASETS, name) ? SHIPPED_DATASETS[name] : undefined
  if (shipped !== undefined) return shipped
  throw new CommandError(
    'usage',
    `'${name}' is not a shipped dataset${nearest(name, Object.keys(SHIPPED_DATASETS))}; \`watershed datasets\` lists them. For a definition file give its path, for example ./${name}.ts`,
  )
}

/** As it was written, not validated. @throws CommandError as `loadDatasets` */
export async function importDefinition(entry: string): Promise<{ definition: DatasetDefinition; url: string }> {
  const path = isDefinitionPath(entry) ? resolve(entry) : null
  if (path !== null && !existsSync(path))
    throw new CommandError('definition', `definition file '${path}' does not exist`)
  if (path !== null && statSync(path).isDirectory())
    throw new CommandError('definition', `'${path}' is a folder; name a definition file in it`)
  if (path?.endsWith('.json'))
    throw new CommandError(
      'definition',
      `definition file '${path}' is JSON; a definition is a TypeScript or JavaScript module: export default defineDataset({ … })`,
    )
  const url = path === null ? shippedDataset(entry).definition : pathToFileURL(path).href
  try {
    const module = (await import(url)) as { default?: DatasetDefinition }
    if (module.default === undefined)
      throw new Error('it has no default export; add `export default defineDataset({ … })`')
    return { definition: module.default, url: path ?? entry }
  } catch (error) {
    const fault = error as Error
    throw new CommandError(
      'definition',
      `definition file '${path ?? entry}' cannot be loaded: ${syntaxPlace(fault)}${fault.message}`,
      { cause: error },
    )
  }
}

/** File and line of a syntax error, as '/definitions/clicks.ts:3: '; '' where it is another error, or has none. */
function syntaxPlace(error: Error): string {
  const place = error instanceof SyntaxError ? /^(?:file:\/\/)?(\S.*:\d+)\n/.exec(error.stack ?? '') : null
  return place === null ? '' : `${place[1]}: `
}
