import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { timeBucketSql } from './time-bucket.ts'

const connection = await testConnection()

/** Clocks in the Azores and Havana go back at 1:00, so midnight comes twice: the day begins at the first. */
test.each([
  ['Atlantic/Azores', 'day', '2026-10-25T00:30:00Z', '2026-10-25T00:00:00Z'],
  ['Atlantic/Azores', 'day', '2026-10-25T01:30:00Z', '2026-10-25T00:00:00Z'],
  ['Atlantic/Azores', 'day', '2026-10-26T00:30:00Z', '2026-10-25T00:00:00Z'],
  ['Atlantic/Azores', 'day', '2026-10-26T01:30:00Z', '2026-10-26T01:00:00Z'],
  ['America/Havana', 'month', '2026-11-01T04:30:00Z', '2026-11-01T04:00:00Z'],
  ['America/Havana', 'month', '2026-11-20T04:30:00Z', '2026-11-01T04:00:00Z'],
  ['Europe/Berlin', 'day', '2026-10-25T01:30:00Z', '2026-10-24T22:00:00Z'],
  ['Europe/Berlin', 'day', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00Z'],
] as const)('in %s, the %s of %s begins at %s', async (timezone, grain, pane, start) => {
  const bound = { bind: (value: unknown) => `'${value}'` }
  const sql = timeBucketSql(grain, timezone, 900_000, bound)
  const [row] = await connection.rows<{ start: number }>(
    `SELECT ${sql} AS "start" FROM (SELECT ${Date.parse(pane)}::BIGINT AS pane)`,
  )
  expect(new Date(row!.start).toISOString()).toBe(new Date(start).toISOString())
})
