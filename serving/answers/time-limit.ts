/** Limits how long a query may run. */
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { QueryTimeoutError } from './query-error.ts'
import type { ServedDataset } from './snapshot.ts'

export const QUERY_MS_MAX = 30_000

/** Runs the work on its own connection and interrupts it after `msMax` milliseconds. @throws QueryTimeoutError in that case */
export async function withinTime<T>(
  engine: ServedDataset['engine'],
  msMax: number,
  work: (connection: EngineConnection) => Promise<T>,
): Promise<T> {
  const connection = await engine.connect()
  let expired = false
  const timer = setTimeout(() => {
    expired = true
    connection.stop()
  }, msMax)
  try {
    return await work(connection)
  } catch (error) {
    throw expired ? new QueryTimeoutError(msMax) : error
  } finally {
    clearTimeout(timer)
    connection.close()
  }
}
