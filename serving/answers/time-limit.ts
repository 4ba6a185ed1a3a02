/** Limits how long a query may run. */
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { QueryTimeoutError } from './query-error.ts'
import type { ServedDataset } from './snapshot.ts'

export const QUERY_MS_MAX = 30_000

/** Runs the work on a connection of its own, which must be left without temporary tables where it is pooled, and interrupts it after `msMax` milliseconds. @throws QueryTimeoutError in that case */
export async function withinTime<T>(
  engine: ServedDataset['engine'],
  msMax: number,
  work: (connection: EngineConnection) => Promise<T>,
  { signal, pooled = false }: { readonly signal?: AbortSignal; readonly pooled?: boolean } = {},
): Promise<T> {
  const connection = await engine.connect({ keepFooters: true, pooled })
  const stop = (): void => connection.stop()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
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
    signal?.removeEventListener('abort', stop)
    connection.close()
  }
}
