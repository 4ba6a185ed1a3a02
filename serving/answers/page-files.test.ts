import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testEngine } from '#storage/engine/engine-fixture.ts'
import type { AnswerMeta } from './answer-meta.ts'
import { PageFiles } from './page-files.ts'
import { PagedAnswers } from './paged-answers.ts'
import { CursorExpiredError, QueryError } from './query-error.ts'

const LIMITS = { pagedAnswersMax: 2, pagedRowsMax: 100, pagedMs: 60_000 }
const QUERY = { dataset: 'shop', view: 'sales', limit: 4, cursor: 'start' }
const META = { window: null } as unknown as AnswerMeta
const PLACE = {
  partition: 0,
  boundary: 0,
  closedEnd: 0,
  position: 9,
  asOfMs: 1_000,
  ahead: null,
  behind: 0,
  missing: null,
}
const SNAPSHOT = {
  generation: null,
  segments: [],
  markers: new Map(),
  partitions: [PLACE],
  open: new Map(),
  gaps: [],
}

const { folder, engine, connection } = await testEngine()

/** Keeps an answer of so many rows, as a process does that then ends. @returns the cursor of its second page */
async function kept(files: PageFiles, rows = 10): Promise<string> {
  const pages = new PagedAnswers(engine, LIMITS)
  const select = `SELECT n AS _n, '{"n":' || n || '}' AS _text FROM range(1, ${rows + 1}) AS r(n)`
  const stored = await pages.store(connection, { select, parameters: {}, flags: [] })
  const answer = { query: QUERY, pageRows: 4, columns: [], meta: META, snapshot: SNAPSHOT }
  const { meta } = await pages.begin(connection, stored, answer, 1_000)
  await files.keep(connection, pages, meta.next!)
  return meta.next!
}

test('another process reads on where the page before ended', async () => {
  const place = join(folder, 'read')
  const first = await kept(new PageFiles(place, LIMITS))
  const files = new PageFiles(place, LIMITS)
  const second = await files.page(connection, { ...QUERY, cursor: first }, 1_000)
  expect(JSON.parse(second.rowsJson)).toEqual([5, 6, 7, 8].map((n) => ({ n })))
  expect(second.meta.truncated).toBe(true)
  const third = await files.page(connection, { ...QUERY, cursor: second.meta.next! }, 1_000)
  expect(JSON.parse(third.rowsJson)).toEqual([9, 10].map((n) => ({ n })))
  expect(third.meta).toMatchObject({ truncated: false, next: null, asOf: '1970-01-01T00:00:01.000Z' })
  await expect(files.page(connection, { ...QUERY, limit: 5, cursor: first }, 1_000)).rejects.toThrow(QueryError)
})

test('an answer is kept for pagedMs after a page was read, and then nothing is left of it', async () => {
  const place = join(folder, 'old')
  const files = new PageFiles(place, LIMITS)
  const cursor = await kept(files)
  const readMs = Date.now() + LIMITS.pagedMs / 2
  await files.page(connection, { ...QUERY, cursor }, 1_000, readMs)
  await files.page(connection, { ...QUERY, cursor }, 1_000, readMs + LIMITS.pagedMs - 1)
  const late = files.page(connection, { ...QUERY, cursor }, 1_000, readMs + 3 * LIMITS.pagedMs)
  await expect(late).rejects.toThrow(CursorExpiredError)
  expect(readdirSync(place)).toEqual([])
})

test.each([
  ['answers', [10, 10, 10]],
  ['rows', [60, 60]],
])('too many %s: the one that was read longest ago goes first', async (what, sizes) => {
  const files = new PageFiles(join(folder, what), LIMITS)
  const cursors: string[] = []
  for (const rows of sizes) cursors.push(await kept(files, rows))
  await expect(files.page(connection, { ...QUERY, cursor: cursors[0]! }, 1_000)).rejects.toThrow(CursorExpiredError)
  const newest = await files.page(connection, { ...QUERY, cursor: cursors.at(-1)! }, 1_000)
  expect(newest.rowCount).toBe(4)
})
