/** Bounds how long an answer may take. */
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { QueryTimeoutError } from './query-error.ts'
import type { ServedDataset } from './snapshot.ts'

export const QUERY_MS_MAX = 30_000

/** Works on a connection of its own, which is stopped after so long. @throws QueryTimeoutError then */
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
