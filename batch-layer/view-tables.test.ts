/** The Delta tables of views: they hold what is presented, and only what changed is written again. */
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { isOfSlots } from '#storage/lake/state-ranges.ts'
import { BatchFixture, BY_MINUTE, byKey, definition, SMALL_FILE_BYTES } from './batch-fixture.ts'
import { dyingLake, GRACE, tablesOf } from './open-tables-fixture.ts'
import { rollback } from './rollback.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open({ ...definition, tables: 'delta' })
})
afterEach(() => batch.close())

const { versions, files, rowsIn, run } = tablesOf(() => batch)

test('a view is as it is presented, with types that a table has; it is written again only when it changed', async () => {
  await batch.land(0, 100)
  await run('full')
  const generation = (await batch.lake.current())!
  await batch.expectRecount(generation)
  for (const name of ['by_country', 'by_topic', 'members']) {
    const view = batch.dataset.views.get(name)!
    const [file, ...more] = files(`tables/${name}`)
    expect(more).toEqual([])
    const presented = await batch.connection.rows<{ n: number }>(
      `SELECT count(*)::INTEGER AS n FROM (${view.recountSql(`(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`)})`,
    )
    expect(await rowsIn([file!])).toBe(presented[0]!.n)
  }
  const minutes = await batch.connection.columns(
    `SELECT DISTINCT typeof(pane) FROM read_parquet(${quoteText(files('tables/by_country')[0]!)})`,
  )
  expect(minutes).toEqual([['TIMESTAMP']])
})

test('a file of a view is there for the grace of readers after it left the table', async () => {
  await batch.land(0, 100)
  await run('full')
  const earlier = files('tables/by_topic')
  batch.nowMs += 10 * GRACE
  await batch.land(0, 70)
  await run()
  expect(files('tables/by_topic')).not.toEqual(earlier)
  expect(earlier.every(existsSync)).toBe(true)
  batch.nowMs += 2 * GRACE
  await run()
  expect(earlier.some(existsSync)).toBe(false)
})

test('a view that was cut has a file for each range, and only touched ones are written again', async () => {
  const views = { by_minute: BY_MINUTE, by_key: byKey(4) }
  await batch.redefine({ ...definition, views, tables: 'delta' })
  await batch.land(0, 40_000)
  await run('full', { stateFileBytes: SMALL_FILE_BYTES })
  for (const view of Object.keys(views)) expect(files(`tables/${view}`).length).toBeGreaterThan(3)
  await batch.land(0, 20)
  await run('incremental', { stateFileBytes: SMALL_FILE_BYTES })
  expect(versions('tables/by_minute')[1]!.removed).toHaveLength(1)
  const { by_key } = (await batch.lake.current())!.views
  expect(by_key!.files.filter((file) => !isOfSlots(file))).toHaveLength(1)
  await expectPresented('by_minute', 'id, make_timestamp(pane * 1000) AS pane, answers, guests')
  await expectPresented('by_key', 'key, country, answers, guests')
})

/** The view's table has the rows that are counted again from the files of the table of events. */
async function expectPresented(name: string, columns: string): Promise<void> {
  const raw = `(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`
  const counted = `SELECT ${columns} FROM (${batch.dataset.views.get(name)!.recountSql(raw)})`
  const names = columns.replace('make_timestamp(pane * 1000) AS ', '')
  const table = `SELECT ${names} FROM read_parquet([${files(`tables/${name}`).map(quoteText).join(', ')}])`
  const wrong = `(FROM (${counted}) EXCEPT ALL FROM (${table})) UNION ALL (FROM (${table}) EXCEPT ALL FROM (${counted}))`
  expect(await batch.connection.rows(wrong)).toEqual([])
}

test('of a view that is cut by keys, a run writes the ranges again that it added to, however its base came about', async () => {
  await batch.redefine({ ...definition, views: { by_key: byKey(1) }, tables: 'delta' })
  const small = { stateFileBytes: SMALL_FILE_BYTES, keepGenerations: 3 }
  await batch.land(0, 20_000)
  await run('full', small)
  const ranges = files('tables/by_key').length
  expect(ranges).toBeGreaterThan(8)
  const gathered = async (): Promise<number> =>
    (await batch.lake.current())!.views.by_key!.files.filter((file) => !isOfSlots(file)).length
  /** @returns how many files the run took out of the table */
  const add = async (rows: number, more = {}): Promise<number> => {
    const before = new Set(files('tables/by_key'))
    await batch.land(0, rows)
    await run('incremental', { ...small, ...more })
    const after = files('tables/by_key')
    await expectPresented('by_key', 'key, country, answers, guests')
    expect(after.every(existsSync)).toBe(true)
    return [...before].filter((file) => !after.includes(file)).length
  }
  // The third takes in what the second has added, and the ranges of that are as they were.
  for (const rows of [3, 1, 1]) expect(await add(rows)).toBeLessThanOrEqual(rows)
  expect(await gathered()).toBeGreaterThan(0)
  const idle = versions('tables/by_key').length
  await run('incremental', { ...small, force: true })
  await run('incremental', small)
  expect(versions('tables/by_key')).toHaveLength(idle)
  // The table does not follow this one: what the next one adds is not all that it lacks.
  await batch.land(0, 2)
  await run('incremental', { ...small, lake: dyingLake(batch, 1, 'before').lake })
  expect(versions('tables/by_key')).toHaveLength(idle)
  await add(1)
  expect(await add(1)).toBeLessThanOrEqual(1)
  await rollback({ lake: batch.lake })
  await add(2)
  expect(await add(1)).toBeLessThanOrEqual(1)
  // As much as is distributed.
  await add(2_000)
  expect(await gathered()).toBe(0)
  expect(await add(1)).toBeLessThanOrEqual(1)
})

test('the table of a view has the panes that keep.panes leaves, and parts of which it leaves the same are not written again', async () => {
  const DAY = 86_400_000
  await batch.redefine({
    ...definition,
    views: { by_minute: BY_MINUTE },
    tables: 'delta',
    keep: { panes: { minute: '2d' } },
  })
  // A day of 600 events, which arrive at its end.
  batch.stepMs = 144_000
  let before: readonly string[] = []
  for (let day = 0; day < 9; day++) {
    batch.nowMs += DAY
    await batch.land(0, 600)
    if (day < 6) continue
    await run(day === 6 ? 'full' : 'incremental', { stateFileBytes: 1_000 })
    const { horizon } = (await batch.lake.current())!.views.by_minute!
    expect(horizon).toEqual([{ beforeMs: Math.floor((batch.nowMs - 2 * DAY) / 3_600_000) * 3_600_000, grain: 'hour' }])
    const raw = `(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`
    const counted = `SELECT id, make_timestamp(pane * 1000), answers, guests FROM (${batch.dataset.views.get('by_minute')!.recountSql(raw, horizon)})`
    const after = files('tables/by_minute')
    const table = `SELECT id, pane, answers, guests FROM read_parquet([${after.map(quoteText).join(', ')}])`
    const wrong = `(FROM (${counted}) EXCEPT ALL FROM (${table})) UNION ALL (FROM (${table}) EXCEPT ALL FROM (${counted}))`
    expect(await batch.connection.rows(wrong)).toEqual([])
    if (day > 6) expect(after.filter((file) => before.includes(file)).length).toBeGreaterThan(2)
    before = after
  }
})
