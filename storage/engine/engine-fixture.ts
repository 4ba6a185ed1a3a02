/** An engine for the tests of one file. */
import { afterAll } from 'vitest'
import { DuckDbEngine, type EngineConnection } from './duckdb-engine.ts'

/** To be awaited at the top of the file; the engine ends with its tests. */
export async function testConnection(): Promise<EngineConnection> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  afterAll(() => engine.close())
  return engine.connect()
}
