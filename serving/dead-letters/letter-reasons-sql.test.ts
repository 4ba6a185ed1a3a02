import { afterAll, beforeAll, expect, test } from 'vitest'
import { acceptedTimes, whyNotAccepted } from '#core/accepted-times.ts'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { reasonKindSql } from './letter-reasons-sql.ts'

let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => engine.close())

async function kindsOf(reasons: readonly string[]): Promise<string[]> {
  const values = reasons.map((reason) => `(${quoteText(reason)})`).join(', ')
  const rows = await connection.rows<{ kind: string }>(
    `SELECT DISTINCT ${reasonKindSql('reason')} AS kind FROM (VALUES ${values}) AS v(reason) ORDER BY kind`,
  )
  return rows.map(({ kind }) => kind)
}

test('times outside the accepted ones are of one kind, whenever they arrived and were', async () => {
  const reasonsOf = (unit: 's' | 'us', values: readonly number[]): string[] => {
    const column = { type: 'TIMESTAMP', path: '$.t', required: true, unit } as const
    const accepted = acceptedTimes({ time: 't', columns: { t: column } })
    return values.map((value, index) => {
      const arrivalMs = Date.UTC(2026, 10, 26) + index * 1_234
      const why = whyNotAccepted(accepted, column, { value, shown: () => String(value), arrivalMs })
      return `t ($.t): ${why}`
    })
  }
  expect(await kindsOf(reasonsOf('s', [95_617_584_000, 95_617_584_001, 93_000_000_000]))).toEqual([
    "t ($.t): #, in s #, is outside the accepted times, # to #; in ms it would be #: check the column's unit",
  ])
  expect(await kindsOf(reasonsOf('us', [1_764_151_200, 1_764_151_201]))).toHaveLength(1)
})

test('derived times, years beyond 9999, numbers and positions are values; names with digits are none', async () => {
  expect(
    await kindsOf([
      'at (= f(y, 1)): 1815-02-01 00:00:00 is outside the accepted times',
      'at (= f(y, 12)): 1815-02-01 00:00:00.5+01 is outside the accepted times',
      'at (= f(y, 1)): +275760-09-13T00:00:00.000Z is outside the accepted times',
    ]),
  ).toEqual(['at (= f(y, #)): # is outside the accepted times'])
  expect(await kindsOf(['v1 at 12: 1.5e+21 "a"', 'v1 at 7: 15 "b"'])).toEqual(['v1 at #: # "…"'])
  expect(await kindsOf(['v1 is missing', 'v2 is missing'])).toHaveLength(2)
})
