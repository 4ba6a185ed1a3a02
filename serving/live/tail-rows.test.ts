/** What the tail's tables hold after segments closed, against the rows that were appended, and in how many of them is looked. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
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

function batchOf(partition: number, start: number, end: number): RecordBatch {
  const lines = Array.from({ length: end - start }, (_, index) => {
    const offset = start + index
    return isDead(offset) ? '{"id":0}' : `{"id":${offset},"at":${AT_MS - (isLate(offset) ? LATE_MS : 0)}}`
  })
  const count = end - start
  const arrivals = [{ count, atMs: AT_MS }]
  return { partition, start, end, count, offsets: null, lines: Buffer.from(`${lines.join('\n')}\n`), arrivals }
}

const offsetsOf = (from: number, end: number): number[] =>
  Array.from({ length: Math.max(0, end - from) }, (_, at) => from + at)

function countsBetween(from: number, end: number): object {
  const offsets = offsetsOf(from, end)
  const rows = offsets.filter((offset) => !isDead(offset))
  return { rows: rows.length, lateRows: rows.filter(isLate).length, deadLetters: offsets.length - rows.length }
}

/** What a fold finds of one partition from an offset on, and in how many tables it looks. */
async function found(tail: TailTable, partition: number, from: number): Promise<{ offsets: number[]; tables: number }> {
  const relation = tail.rowsFrom(new Map([[partition, from]]))
  const rows = await connection.rows<{ o: number }>(
    `SELECT _offset AS o FROM ${relation} WHERE _partition = ${partition} AND _offset >= ${from} ORDER BY 1`,
  )
  return { offsets: rows.map(({ o }) => o), tables: relation.split('tail_').length - 1 }
}

async function tables(): Promise<number> {
  const [row] = await connection.rows<{ n: number }>(
    "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name LIKE 'tail_%'",
  )
  return row!.n
}

type Step =
  | { readonly appends: readonly (readonly [partition: number, count: number])[] }
  | { readonly closes: readonly (readonly [partition: number, share: number])[] }

const partition = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      appends: fc.uniqueArray(fc.tuple(partition, fc.integer({ min: 1, max: 12 })), {
        selector: ([p]) => p,
        minLength: 1,
      }),
    }),
  },
  // A share above 1: behind all that was read; below 0: the lake went back, by so many tens of offsets.
  {
    weight: 2,
    arbitrary: fc.record({
      closes: fc.uniqueArray(fc.tuple(partition, fc.double({ min: -0.8, max: 1.4, noNaN: true })), {
        selector: ([p]) => p,
        minLength: 1,
      }),
    }),
  },
)

test('whatever is read and closes, the rows that count are found from any offset on, each once, and counted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25, size: 'max' }), async (steps) => {
      const tail = new TailTable({ dataset, connection, scratchFolder: folder, tableRowsMax: 15, goneRowsMin: 20 })
      const places = new Map([0, 1, 2].map((p) => [p, { start: 5, end: 5 }]))
      for (const each of steps) {
        if ('appends' in each) {
          const batches = each.appends.map(([p, count]) => batchOf(p, places.get(p)!.end, places.get(p)!.end + count))
          await tail.append(batches)
          for (const { partition: p, end } of batches) places.get(p)!.end = end
        } else {
          const before = new Map<number, number>()
          for (const [p, share] of each.closes) {
            const { start, end } = places.get(p)!
            const at = Math.max(0, start + Math.round(share < 0 ? share * 10 : share * (end - start + 1)))
            if (at === start) continue
            before.set(p, at < start ? Number.POSITIVE_INFINITY : at)
            places.set(p, at < start || at >= end ? { start: at, end: at } : { start: at, end })
          }
          await tail.drop(before)
        }
        for (const [p, { start, end }] of places) {
          expect(tail.counts(p)).toEqual(countsBetween(start, end))
          for (const from of new Set([start, Math.floor((start + end) / 2), end - 1]))
            if (from >= start && from < end)
              expect((await found(tail, p, from)).offsets).toEqual(
                offsetsOf(from, end).filter((offset) => !isDead(offset)),
              )
        }
      }
      await tail.remove()
      expect(await tables()).toBe(0)
    }),
    { numRuns: Number(process.env.TAIL_RUNS ?? 20) },
  )
})

test('a fold looks in the newest table only, and tables are gone when all segments of their rows have closed', async () => {
  const tail = new TailTable({ dataset, connection, scratchFolder: folder, tableRowsMax: 70, goneRowsMin: 250 })
  for (let at = 0; at < 400; at += 50) await tail.append([batchOf(0, at, at + 50), batchOf(1, at, at + 50)])
  expect(await tables()).toBe(8)
  expect([await found(tail, 0, 0), await found(tail, 0, 350)].map(({ tables: looked }) => looked)).toEqual([8, 1])
  await tail.drop(new Map([[0, 300]]))
  expect(await tables()).toBe(8)
  await tail.drop(new Map([[1, 201]]))
  expect(await tables()).toBe(4)
  await tail.drop(
    new Map([
      [0, 400],
      [1, 390],
    ]),
  )
  expect(await tables()).toBe(1)
  await tail.remove()
})

test('what a quiet partition has in many tables goes into one, without the rows of the others', async () => {
  const tail = new TailTable({ dataset, connection, scratchFolder: folder, tableRowsMax: 50, goneRowsMin: 100 })
  for (let at = 0; at < 2_000; at += 100) {
    await tail.append([batchOf(0, at, at + 100), batchOf(1, at / 100, at / 100 + 1)])
    await tail.drop(new Map([[0, at + 100]]))
    expect(await tables()).toBeLessThanOrEqual(3)
    const [row] = await connection.rows<{ n: number }>(`SELECT count(*) AS n FROM ${tail.rowsFrom(new Map([[1, 0]]))}`)
    expect(row!.n).toBeLessThanOrEqual(300)
  }
  expect((await found(tail, 1, 0)).offsets).toEqual(offsetsOf(0, 20).filter((offset) => !isDead(offset)))
  await tail.remove()
})

test('what was read of a partition before the lake went back is not found beside what is read again', async () => {
  const tail = new TailTable({ dataset, connection, scratchFolder: folder, tableRowsMax: 1_000, goneRowsMin: 30 })
  for (let round = 0; round < 4; round++) {
    await tail.append([batchOf(0, 0, 20), batchOf(1, round * 20, round * 20 + 20)])
    expect((await found(tail, 0, 5)).offsets).toEqual(offsetsOf(5, 20).filter((offset) => !isDead(offset)))
    expect((await found(tail, 1, 0)).offsets).toEqual(offsetsOf(0, round * 20 + 20).filter((offset) => !isDead(offset)))
    await tail.drop(new Map([[0, Number.POSITIVE_INFINITY]]))
  }
  await tail.remove()
})

test('nor is what was read before its segment closed, and the lake went back behind that', async () => {
  const tail = new TailTable({ dataset, connection, scratchFolder: folder })
  await tail.append([batchOf(0, 0, 20), batchOf(1, 0, 20)])
  await tail.drop(new Map([[0, 20]]))
  await tail.drop(new Map([[0, Number.POSITIVE_INFINITY]]))
  await tail.append([batchOf(0, 10, 30), batchOf(1, 20, 40)])
  expect(tail.counts(0)).toEqual(countsBetween(10, 30))
  const relation = tail.rowsFrom(
    new Map([
      [0, 10],
      [1, 0],
    ]),
  )
  const rows = await connection.rows<{ o: number }>(
    `SELECT _offset AS o FROM ${relation} WHERE _partition = 0 AND _offset >= 10 ORDER BY 1`,
  )
  expect(rows.map(({ o }) => o)).toEqual(offsetsOf(10, 30).filter((offset) => !isDead(offset)))
  await tail.remove()
})
