/** Limits how long a query may take: all of it, from waiting for its turn to reading files and the rows of the engine. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { ClientGoneError, QueryTimeoutError } from './query-error.ts'
import type { ServedDataset } from './snapshot.ts'

export const QUERY_MS_MAX = 30_000

/**
 * Waits for the work for up to `msMax` milliseconds, and no longer than the client does. The signal is aborted when the wait ends before
 * the work; what cannot be interrupted (reading a file) then ends by itself.
 * @param gone aborted when the client is gone
 * @throws QueryTimeoutError, ClientGoneError; what the work throws
 */
export async function limited<T>(
  msMax: number,
  gone: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const ended = Promise.withResolvers<never>()
  over.signal.addEventListener('abort', () => ended.reject(over.signal.reason), { once: true })
  ended.promise.catch(() => {})
  const leave = (): void => over.abort(whyOver(gone!))
  gone?.addEventListener('abort', leave, { once: true })
  if (gone?.aborted) leave()
  const timer = setTimeout(() => over.abort(new QueryTimeoutError(msMax)), msMax)
  try {
    over.signal.throwIfAborted()
    const result = work(over.signal)
    result.catch(() => {})
    return await Promise.race([result, ended.promise])
  } catch (error) {
    // An interrupted statement says only that it was interrupted.
    throw over.signal.aborted ? over.signal.reason : error
  } finally {
    clearTimeout(timer)
    gone?.removeEventListener('abort', leave)
  }
}

/** Why the signal ended a wait. */
export function whyOver({ reason }: AbortSignal): Error {
  return reason instanceof QueryTimeoutError ? reason : new ClientGoneError()
}

/** Runs the work on a connection of its own, which must be left without temporary tables where it is pooled, and interrupts it when the signal is aborted. */
export async function onConnection<T>(
  engine: ServedDataset['engine'],
  signal: AbortSignal,
  work: (connection: EngineConnection) => Promise<T>,
  { pooled = false }: { readonly pooled?: boolean } = {},
): Promise<T> {
  const connection = await engine.connect({ keepFooters: true, pooled })
  const stop = (): void => connection.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await work(connection)
  } finally {
    signal.removeEventListener('abort', stop)
    connection.close()
  }
}
