/** Engines for the tests of one file. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { DuckDbEngine } from './duckdb-engine.ts'
import type { EngineConnection } from './engine-connection.ts'

export interface TestEngine {
  /** empty at first; the engine may use it, and it is removed with the tests */
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly connection: EngineConnection
}

/** To be awaited at the top of the file; the engine ends with its tests. */
export async function testConnection(): Promise<EngineConnection> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  afterAll(() => engine.close())
  return engine.connect()
}

/** The same with a folder. */
export async function testEngine(): Promise<TestEngine> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'watershed-test-')))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const connection = await engine.connect()
  afterAll(() => {
    connection.close()
    engine.close()
    rmSync(folder, { recursive: true })
  })
  return { folder, engine, connection }
}
