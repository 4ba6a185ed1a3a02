import { setImmediate } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { DuckDbEngine } from './duckdb-engine.ts'
import type { EngineConnection } from './engine-connection.ts'
import { SettledTables, settledName } from './settled-tables.ts'

const STRUCTS = Array.from({ length: 14 }, (_, at) => `{'v': 'text ' || x % 1000, 't': x, 'o': x} AS c${at}`).join(', ')
const table = settledName('states')
const TOTAL = `SELECT count(*)::INTEGER AS n, sum(c3.t)::BIGINT AS t FROM ${table}`

async function tableBytes(connection: EngineConnection): Promise<number> {
  const [row] = await connection.rows<{ bytes: number }>(
    "SELECT memory_usage_bytes AS bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'",
  )
  return row!.bytes
}

test('settled tables are compressed soon, beside who reads and after who writes, and say the same', async () => {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  const [own, reader, writer] = [await engine.connect(), await engine.connect(), await engine.connect()]
  try {
    await own.run(`CREATE TABLE ${table} AS SELECT ${STRUCTS} FROM range(20000) AS r(x)`)
    const before = await tableBytes(own)
    await reader.run('BEGIN')
    const said = await reader.rows(TOTAL)
    await writer.run('BEGIN')
    await writer.run(`INSERT INTO ${table} SELECT ${STRUCTS} FROM range(10) AS r(x)`)
    own.compressSoon()
    await writer.run('COMMIT')
    await until('the table is compressed', async () => (await tableBytes(own)) < before / 10)
    expect(await reader.rows(TOTAL)).toEqual(said)
    await reader.run('COMMIT')
    expect(await reader.rows(TOTAL)).toEqual([{ n: 20_010, t: 199_990_045 }])
    await own.run(`DROP TABLE ${table}`)
    own.compressSoon()
  } finally {
    for (const connection of [own, reader, writer]) connection.close()
    engine.close()
  }
})

test('tables are compressed one turn after the other, and the engine is closed behind the last', async () => {
  let [open, openMax] = [0, 0]
  const connection = { run: () => setImmediate(), closeSync: () => open-- } as unknown as DuckDBConnection
  const tables = new SettledTables(async () => {
    openMax = Math.max(openMax, ++open)
    await setImmediate()
    return connection
  })
  const [first, second] = [tables.now(), tables.now()]
  await first
  expect(open).toBe(1)
  const openAtEnd = new Promise((resolve) => tables.close(() => resolve(open)))
  expect(await openAtEnd).toBe(0)
  await second
  expect(openMax).toBe(1)
})
