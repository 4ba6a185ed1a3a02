/** What the tail's table holds after segments closed, against the rows that were appended, and that closes of one moment are made together. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { LATE_TAGS } from '#tests/late-tags-fixture.ts'
import { TailTable } from './tail-rows.ts'

const AT_MS = 1_700_000_000_000
const LATE_MS = 3_600_000
/** every fifth record is a dead letter, every third of the others late */
const isDead = (offset: number): boolean => offset % 5 === 4
const isLate = (offset: number): boolean => offset % 3 === 0

const folder = mkdtempSync(join(tmpdir(), 'watershed-tail-rows-'))
const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
const connection = await engine.connect()
const dataset = await compileDataset(LATE_TAGS, connection)
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

function batchOf(partition: number, end: number): RecordBatch {
  const lines = Array.from({ length: end }, (_, offset) =>
    isDead(offset) ? '{"id":0}' : `{"id":${offset},"at":${AT_MS - (isLate(offset) ? LATE_MS : 0)}}`,
  )
  const arrivals = [{ count: end, atMs: AT_MS }]
  return { partition, start: 0, end, count: end, offsets: null, lines: Buffer.from(`${lines.join('\n')}\n`), arrivals }
}

function countsBetween(from: number, end: number): object {
  const offsets = Array.from({ length: Math.max(0, end - from) }, (_, at) => from + at)
  const rows = offsets.filter((offset) => !isDead(offset))
  return { rows: rows.length, lateRows: rows.filter(isLate).length, deadLetters: offsets.length - rows.length }
}

async function heldBy(tail: TailTable): Promise<unknown> {
  return connection.rows(
    `SELECT _partition AS p, count(*) AS n, min(_offset) AS first FROM ${tail.table} GROUP BY p ORDER BY p`,
  )
}

test.each([
  { what: 'few rows are deleted', end: 100, isNew: false },
  { what: 'many rows are left behind in the old table', end: 15_000, isNew: true },
])('segments of several partitions that closed are dropped at once: $what', async ({ end, isNew }) => {
  const tail = new TailTable({ dataset, connection, scratchFolder: folder })
  for (const partition of [0, 1, 2, 3]) await tail.append([batchOf(partition, end)])
  const before = tail.table
  const from = end - 10
  await tail.drop(
    new Map([
      [0, Number.POSITIVE_INFINITY],
      [2, from],
      [3, from + 1],
    ]),
  )
  expect(tail.table !== before).toBe(isNew)
  expect([0, 1, 2, 3].map((partition) => tail.counts(partition))).toEqual(
    [end, 0, from, from + 1].map((start) => countsBetween(start, end)),
  )
  expect(await heldBy(tail)).toEqual([
    { p: 1, n: end * 0.8, first: 0 },
    { p: 2, n: 8, first: from },
    { p: 3, n: 7, first: from + 1 },
  ])
  await tail.remove()
})
