/**
 * The definition of a view changes: until it is computed anew, its answers are the recount by the definition of the generation, whatever
 * closes meanwhile and wherever a backfill dies; afterwards they are the recount by the current one.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchFixture, crashAt, definition, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, type DatasetDefinition, max, sum } from '#core/definition.ts'
import type { ViewQuery } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import { answerView } from '#serving/answers/answer-from-rows.ts'
import { NeedsBackfillError } from '#serving/answers/query-error.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

let site: BatchFixture
let before: CompiledDataset

beforeEach(async () => {
  site = await BatchFixture.open()
  before = site.dataset
  for (const partition of [0, 1]) await site.land(partition, 300)
  await site.run({ mode: 'full' })
  await site.land(0, 100)
})
afterEach(() => site.close())

const byCountry = definition.views.by_country!
type View = typeof byCountry

/** Changes by_country, and closes a segment by the new definition. */
async function change(to: Partial<View>, columns: Partial<DatasetDefinition['columns']> = {}): Promise<void> {
  const views = { ...definition.views, by_country: { ...byCountry, ...to } }
  await site.redefine({ ...definition, columns: { ...definition.columns, ...columns }, views } as DatasetDefinition)
  await site.land(1, 150)
}

function ask(query: Partial<ViewQuery> = {}) {
  const served = { ...site, store: new MemorySpeedStore(), partitions: PARTITIONS }
  return answerView(served, { dataset: 'answers', view: 'by_country', ...query })
}

/** By country, of all closed segments. */
async function recount(dataset: CompiledDataset, measures: readonly string[]): Promise<unknown[]> {
  const segments = (await site.lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const rows = typedRowsSql(dataset, segments, (file) => site.lake.resolve(file))
  const view = dataset.views.get('by_country')!
  const totals = measures.map((name) => `sum(${quoteName(name)})::BIGINT AS ${quoteName(name)}`).join(', ')
  return site.connection.rows(
    `SELECT country, ${totals} FROM (${view.recountSql(rows)}) GROUP BY country ORDER BY country NULLS LAST`,
  )
}

const rowsOf = ({ rowsJson }: { readonly rowsJson: string }): Record<string, unknown>[] =>
  (JSON.parse(rowsJson) as Record<string, unknown>[]).map(({ country_name: _name, ...row }) => row)

test('a changed condition: the earlier view goes on counting new segments, and says what differs', async () => {
  await change({ where: 'guests > 1' } as Partial<View>)
  const answer = await ask()
  expect(rowsOf(answer)).toEqual(await recount(before, ['answers', 'guests']))
  expect(answer.meta).toMatchObject({
    definition: before.views.get('by_country')!.hash,
    outdated: { current: site.dataset.views.get('by_country')!.hash, changes: ['where'] },
    position: [400, 450],
    liveMissing: expect.stringContaining('backfill'),
  })
  await site.run({ mode: 'incremental' })
  const after = await ask()
  expect(rowsOf(after)).toEqual(await recount(site.dataset, ['answers', 'guests']))
  expect(after.meta).toMatchObject({ outdated: null, liveMissing: null })
})

test('a changed measure: the others are those of the current definition, and it is named where it is shown', async () => {
  await change({ measures: { answers: count(), guests: sum('guests * 2') } } as Partial<View>)
  const unchanged = await ask({ measures: ['answers'] })
  expect(rowsOf(unchanged)).toEqual(await recount(site.dataset, ['answers']))
  expect(unchanged.meta.outdated).toBeNull()
  const both = await ask()
  expect(rowsOf(both)).toEqual(await recount(before, ['answers', 'guests']))
  expect(both.meta.outdated?.changes).toEqual(["measure 'guests'"])
})

test('a changed measure that only orders or filters the rows is named too', async () => {
  await change({ measures: { answers: count(), guests: sum('guests * 2') } } as Partial<View>)
  const asked: Partial<ViewQuery>[] = [
    { having: [{ measure: 'guests', operator: 'gte', values: ['1'] }] },
    { order: [{ by: 'guests', direction: 'desc' }] },
  ]
  for (const query of asked)
    expect((await ask({ measures: ['answers'], ...query })).meta.outdated?.changes).toEqual(["measure 'guests'"])
})

test.each([
  { by: 'guests', limit: 10 },
  { by: 'answers', limit: 10, having: 'guests > 1' },
])('a changed measure that the view ranks by is named: %j', async (rank) => {
  await change({ rank } as Partial<View>)
  before = site.dataset
  await site.run({ mode: 'full', force: true })
  await change({ rank, measures: { answers: count(), guests: sum('guests * 2') } } as Partial<View>)
  expect((await ask({ measures: ['answers'] })).meta.outdated?.changes).toEqual(["measure 'guests'"])
})

test('a rank, window or lookup that changed with a measure is named where the answer uses it', async () => {
  const windowed = (size: string, guests: string) =>
    ({ time: undefined, window: { size, every: '1m' }, measures: { answers: count(), guests: sum(guests) } }) as never
  await change(windowed('5m', 'guests'))
  await site.run({ mode: 'full', force: true })
  await change(windowed('10m', 'guests * 2'))
  const answers = { measures: ['answers'] }
  expect((await ask({ ...answers, at: 'latest' })).meta.outdated?.changes).toEqual(['window'])
  expect((await ask({ ...answers, fromMs: 0 })).meta.outdated).toBeNull()
  const rank = { by: 'answers', limit: 1 }
  await change({ ...(windowed('5m', 'guests * 2') as object), rank, enrich: {} })
  expect((await ask(answers)).meta.outdated?.changes).toEqual(['rank', "enrich 'country_name'"])
  expect((await ask({ ...answers, dimensions: [] })).meta.outdated?.changes).toEqual(['rank'])
})

test('what only the current definition has is refused by name until it is computed', async () => {
  await change({ measures: { ...byCountry.measures, most: max('guests') } } as Partial<View>)
  expect((await ask()).meta.outdated).toBeNull()
  await expect(ask({ measures: ['most'] })).rejects.toThrow(/measures: 'most' is unknown/)
  await expect(ask({ measures: ['most'] })).rejects.toBeInstanceOf(NeedsBackfillError)
  await site.redefine({
    ...definition,
    views: { ...definition.views, added: { dimensions: {}, measures: { n: count() } } },
  } as DatasetDefinition)
  await expect(ask({ view: 'added' })).rejects.toBeInstanceOf(NeedsBackfillError)
  await site.run({ mode: 'incremental' })
  expect(rowsOf(await ask({ view: 'added' }))).toEqual([{ n: 850 }])
})

test('a column of the earlier view is removed: closed segments still have it, and it is named', async () => {
  const { guests: _guests, ...columns } = definition.columns
  const views = { by_country: { ...byCountry, measures: { answers: count() } } }
  await site.redefine({ ...definition, columns, views } as unknown as DatasetDefinition)
  const answer = await ask()
  expect(rowsOf(answer)).toEqual(await recount(before, ['answers', 'guests']))
  expect(answer.meta.outdated?.changes).toEqual(["column 'guests'", "measure 'guests'"])
})

test.each([
  'batch:files-written',
  'generation:published',
  'generation:before-current',
  'generation:current-swapped',
] as const)('a backfill that dies at %s leaves one of the two answers, and can be made again', async (step) => {
  await change({ where: 'guests > 1' } as Partial<View>)
  const lake = await site.openLake(crashAt(step))
  await expect(site.run({ mode: 'incremental', lake, step: crashAt(step) })).rejects.toThrow('crash')
  const answer = await ask()
  const by = answer.meta.outdated === null ? site.dataset : before
  expect(rowsOf(answer)).toEqual(await recount(by, ['answers', 'guests']))
  await site.run({ mode: 'incremental' })
  expect(rowsOf(await ask())).toEqual(await recount(site.dataset, ['answers', 'guests']))
})

test('a series over a changed view is calculated from its earlier rows, unless the series itself changed', async () => {
  const withSeries = (columns: Record<string, string>, guests: string): DatasetDefinition => ({
    ...definition,
    views: { ...definition.views, by_country: { ...byCountry, measures: { answers: count(), guests: sum(guests) } } },
    series: { doubled: { over: 'by_country', by: [], grain: 'hour', columns } },
  })
  await site.redefine(withSeries({ twice: 'answers * 2' }, 'guests'))
  await site.run({ mode: 'full', force: true })
  const first = await ask({ view: 'doubled' })
  await site.redefine(withSeries({ twice: 'answers * 2' }, 'guests + 1'))
  const answer = await ask({ view: 'doubled' })
  expect(answer.rowsJson).toBe(first.rowsJson)
  expect(answer.meta.outdated?.changes).toEqual(["measure 'guests'"])
  await site.redefine(withSeries({ twice: 'answers * 3' }, 'guests + 1'))
  await expect(ask({ view: 'doubled' })).rejects.toBeInstanceOf(NeedsBackfillError)
})

test('a generation keeps no sources, which may hold credentials', async () => {
  const sources = [{ name: 'events', kind: 'http-stream', url: 'https://example.org/?token=secret' }]
  site.dataset = {
    ...site.dataset,
    definition: { ...definition, sources } as unknown as DatasetDefinition,
  }
  const generation = await site.run({ mode: 'full', force: true })
  expect(generation?.definition).toMatchObject({
    name: 'answers',
    views: { by_topic: { dimensions: { topic: 'topic' } } },
  })
  expect(JSON.stringify(generation)).not.toContain('secret')
})
