import { expect, test } from 'vitest'
import { testEngine } from '#storage/engine/engine-fixture.ts'
import type { AnswerMeta } from './answer-meta.ts'
import { PagedAnswers } from './paged-answers.ts'

const LIMITS = { pagedAnswersMax: 4, pagedAnswersPerClientMax: 2, pagedRowsMax: 100, pagedMs: 60_000 }
const SNAPSHOT = { generation: null, segments: [], markers: new Map(), partitions: [], open: new Map(), gaps: [] }

const { engine, connection } = await testEngine()

/** A client asks for the first page of so many rows. @returns the cursor of the second one */
async function asked(pages: PagedAnswers, client: string, rows = 10): Promise<string> {
  const select = `SELECT n AS _n, 'x' AS _text FROM range(1, ${rows + 1}) AS r(n)`
  const stored = await pages.store(connection, { select, parameters: {}, flags: [] })
  const query = { dataset: 'shop', view: 'sales' }
  const answer = { query, pageRows: 4, columns: [], meta: {} as AnswerMeta, snapshot: SNAPSHOT }
  const { meta } = await pages.begin(connection, stored, answer, 1_000)
  pages.belongsTo(meta.next!, client)
  return meta.next!
}

test('a client that asks for more than its share loses its own oldest answer, and nobody else one', async () => {
  const pages = new PagedAnswers(engine, LIMITS)
  const other = await asked(pages, 'other')
  const own: string[] = []
  for (let nth = 0; nth < 6; nth++) own.push(await asked(pages, 'greedy'))
  expect(own.map((cursor) => pages.kept(cursor) !== undefined)).toEqual([false, false, false, false, true, true])
  expect(pages.kept(other)).toBeDefined()
})

test('where all places are taken, the client that has the most gives way', async () => {
  const pages = new PagedAnswers(engine, LIMITS)
  const [single, first, second, another] = [
    await asked(pages, 'a'),
    await asked(pages, 'b'),
    await asked(pages, 'b'),
    await asked(pages, 'c'),
  ]
  await asked(pages, 'd')
  const left = [single, first, second, another].map((cursor) => pages.kept(cursor) !== undefined)
  expect(left).toEqual([true, false, true, true])
})

test('where there are too many rows, the client that has the most rows gives way', async () => {
  const pages = new PagedAnswers(engine, LIMITS)
  const [small, large] = [await asked(pages, 'a', 20), await asked(pages, 'b', 60)]
  const newest = await asked(pages, 'c', 30)
  expect([small, large, newest].map((cursor) => pages.kept(cursor) !== undefined)).toEqual([true, false, true])
})
