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

test('a connection that is told to stop ends what it runs and does nothing more', async () => {
  const long = 'SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE hash(a.range, b.range) = 1'
  const running = await engine.connect()
  const result = running.rows(long)
  running.stop()
  await expect(result).rejects.toThrow(/INTERRUPT/)
  await expect(running.rows('SELECT 1')).rejects.toThrow(/INTERRUPT/)
  running.close()
  const between = await engine.connect()
  await between.run('SELECT 1')
  between.stop()
  await expect(between.run('SELECT 1')).rejects.toThrow(/INTERRUPT/)
  between.close()
})
