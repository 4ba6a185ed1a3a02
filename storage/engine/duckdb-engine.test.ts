import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from './duckdb-engine.ts'

const zone = process.env.TZ
let engine: DuckDbEngine
beforeAll(async () => {
  process.env.TZ = 'Asia/Tokyo'
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
})
afterAll(() => {
  engine.close()
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

test("every connection tells times in UTC, whatever the machine's zone", async () => {
  for (const connection of [await engine.connect(), await engine.connect()]) {
    const [row] = await connection.rows(
      `SELECT current_setting('TimeZone') AS zone, epoch_ms(0)::TIMESTAMPTZ::VARCHAR AS text, epoch_ms('1970-01-01 00:00:00'::TIMESTAMPTZ) AS ms`,
    )
    expect(row).toEqual({ zone: 'UTC', text: '1970-01-01 00:00:00+00', ms: 0 })
  }
})
