/** The engine of recounts that the configuration chooses, if it is not DuckDB. Trino's client is loaded only where Trino is chosen. */
import type { RecountEngine } from '#batch-layer/recount-engine.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { CommandError } from '../commands/exit-codes.ts'
import type { Configuration } from '../settings/settings.ts'

/**
 * Asks Trino for nothing yet.
 *
 * @returns undefined for DuckDB
 * @throws CommandError 'definition' with everything in the dataset's views that Trino would not compute to the same value
 */
export async function openBatchEngine(
  { batchEngine, lake, trino }: Pick<Configuration, 'batchEngine' | 'lake' | 'trino'>,
  dataset: CompiledDataset,
  engine: DuckDbEngine,
): Promise<RecountEngine | undefined> {
  if (batchEngine === 'duckdb') return undefined
  const [{ TrinoEngine, RefusedOnTrinoError }, { TrinoClient }] = await Promise.all([
    import('#batch-layer/trino-engine.ts'),
    import('#storage/trino/trino-client.ts'),
  ])
  const { url, user, password, token, outageMsMax, catalog, schema } = trino
  const client = new TrinoClient({ url, user, password, token, outageMsMax })
  // The check of the configuration has found one of them.
  const lakeUri = trino.lakeUri ?? lake!
  const connection = await engine.connect()
  try {
    return await TrinoEngine.of({ client, dataset, catalog, schema, lakeUri }, connection)
  } catch (error) {
    if (error instanceof RefusedOnTrinoError) throw new CommandError('definition', error.message, { cause: error })
    throw error
  } finally {
    connection.close()
  }
}
