import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { DuckDbEngine } from './duckdb-engine.ts'

/** Linux reports here how much memory of the process is anonymous, i.e. not backed by a file. */
const SMAPS = '/proc/self/smaps_rollup'

function anonymousKib(): number {
  return Number(/^Anonymous:\s+(\d+) kB/m.exec(readFileSync(SMAPS, 'utf8'))![1])
}

test.skipIf(!existsSync(SMAPS))(
  'memory of the C library that was freed between pieces in use goes back to the system',
  async () => {
    const pieces: (ArrayBuffer | null)[] = Array.from({ length: 20_000 }, () => new ArrayBuffer(3_000))
    for (let at = 0; at < pieces.length; at++) if (at % 50 > 0) pieces[at]!.transfer(0)
    const before = anonymousKib()
    const engine = await DuckDbEngine.open({ folders: [], threads: 1, memoryLimit: '64MB', giveBackEveryMs: 50 })
    try {
      await until('most of 58 MB went back', () => anonymousKib() < before - 40_000, { everyMs: 200 })
      const connection = await engine.connect()
      const [row] = await connection.rows(`SELECT current_setting('memory_limit') AS "limit"`)
      expect(row).toEqual({ limit: '61.0 MiB' })
      connection.close()
    } finally {
      engine.close()
    }
    expect(pieces.length).toBe(20_000)
  },
)
