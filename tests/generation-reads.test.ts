/**
 * What a query reads of a generation's large files, counted in row groups: those that can hold what was asked for, of the columns
 * that were asked for. Every read of a column chunk begins at its first page, which the engine's file cache records.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definition as answers, BatchFixture, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { VIEW_ROW_GROUP_ROWS } from '#batch-layer/write-parquet.ts'
import { count, countDistinct, type DatasetDefinition, latest, sum } from '#core/definition.ts'
import type { Filter, ViewQuery } from '#core/query.ts'
import { quoteText } from '#core/sql-names.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

const definition: DatasetDefinition = {
  ...answers,
  views: {
    by_name: {
      dimensions: { name: "CASE WHEN id > 0 THEN 'answer ' || id END" },
      measures: { answers: count(), guests: sum('guests'), members: countDistinct('member'), topics: latest('topics') },
    },
    by_hour: { dimensions: { at: 'at', id: 'id' }, time: ['hour'], measures: { answers: count() } },
  },
}
/** row groups of each view's first file */
const GROUPS = 3
const ROWS = (GROUPS - 1) * VIEW_ROW_GROUP_ROWS + 20_000
const NOON = Date.UTC(2023, 10, 15, 12)
const HOUR = 3_600_000

let fixture: BatchFixture
beforeAll(async () => {
  fixture = await BatchFixture.open(definition)
  for (let partition = 0; partition < PARTITIONS; partition++) await fixture.land(partition, ROWS / PARTITIONS)
  await fixture.run({ mode: 'full' })
})
afterAll(() => fixture.close())

type Question = Omit<ViewQuery, 'dataset'>

/** Of an engine that has read nothing before: column → how many row groups of all files it read, and the answer's rows. */
async function reads(query: Question): Promise<{ groups: Record<string, number>; rows: Record<string, unknown>[] }> {
  const { dataset, lake, folder } = fixture
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1, keepFileData: true })
  try {
    const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
    const { rowsJson } = await answerQuery(served, { dataset: dataset.name, ...query })
    return { groups: await groupsRead(await engine.connect(), await filesOf(query.view)), rows: JSON.parse(rowsJson) }
  } finally {
    engine.close()
  }
}

async function groupsRead(connection: EngineConnection, files: readonly string[]): Promise<Record<string, number>> {
  const read = await connection.rows<{ name: string; groups: number }>(
    `SELECT split_part(path_in_schema, ', ', 1) AS name, count(DISTINCT (file_name, row_group_id)) AS groups
      FROM (SELECT *, coalesce(dictionary_page_offset, data_page_offset) AS start
        FROM parquet_metadata([${files.map(quoteText).join(', ')}])) AS chunk
      SEMI JOIN duckdb_external_file_cache() AS cached ON cached.path = chunk.file_name
        AND cached.location >= chunk.start AND cached.location < chunk.start + chunk.total_compressed_size
      GROUP BY name`,
  )
  return Object.fromEntries(read.map(({ name, groups }) => [name, groups]))
}

async function filesOf(view: string): Promise<string[]> {
  const generation = await fixture.lake.current()
  return generation!.views[view]!.files.map((file) => fixture.lake.resolve(file))
}

const byName = (operator: Filter['operator'], ...values: string[]): Question => ({
  view: 'by_name',
  filters: [{ dimension: 'name', operator, values }],
})

test('a look-up by key reads one row group', async () => {
  const { groups, rows } = await reads(byName('eq', 'answer 50001'))
  expect(rows).toEqual([{ name: 'answer 50001', answers: 1, guests: 0, members: 1, topics: ['topic 8', 'thema ü 1'] }])
  expect(groups).toEqual({ name: 1, answers__n: 1, guests__s: 1, members__h: 1, topics__v: 1 })
})

test('measures that are not asked for stay unread', async () => {
  const { groups } = await reads({ ...byName('eq', 'answer 50001'), measures: ['guests'] })
  expect(groups).toEqual({ name: 1, guests__s: 1 })
  const all = await reads({ view: 'by_name', measures: ['guests'], order: [{ by: 'guests', direction: 'desc' }] })
  expect(all.groups).toEqual({ name: GROUPS, guests__s: GROUPS })
})

test.each([
  ['absent keys', byName('eq', 'zebra'), 0, 0],
  ['the first keys', byName('lt', 'answer 10'), 1, 1],
])('%s', async (_, query, rows, groups) => {
  const read = await reads({ ...query, measures: ['answers'] })
  expect([read.rows.length, read.groups.name ?? 0]).toEqual([rows, groups])
})

test('what the ranking does not look at is read where the shown keys are', async () => {
  const order = [{ by: 'name', direction: 'asc' }] as const
  const { groups, rows } = await reads({ view: 'by_name', order, limit: 2 })
  expect(rows.map(({ name, members }) => [name, members])).toEqual([
    ['answer 1', 1],
    ['answer 10', 1],
  ])
  expect(groups).toEqual({ name: GROUPS, answers__n: 1, guests__s: 1, members__h: 1, topics__v: 1 })
  const missing = await reads(byName('null'))
  expect(missing.rows).toEqual([{ name: null, answers: 1, guests: 0, members: 1, topics: [] }])
})

test('one pane reads the row groups that it lies in, also with a filter on a time', async () => {
  const hour = { view: 'by_hour', fromMs: NOON, toMs: NOON + HOUR }
  const { groups, rows } = await reads({ ...hour, measures: ['answers'], dimensions: [] })
  expect(rows[0]!.answers).toBeGreaterThan(5_000)
  expect(groups).toEqual({ pane: 1, answers__n: 1 })
  const at: Filter = { dimension: 'at', operator: 'gte', values: ['2023-11-15T12:30:00Z'] }
  expect((await reads({ view: 'by_hour', filters: [at], limit: 1 })).groups.id).toBeLessThan(GROUPS)
})

test('an added file is read the same way, and a merge leaves one row group for each key', async () => {
  const ask = (id: number): ReturnType<typeof reads> =>
    reads({ ...byName('eq', `answer ${id}`), measures: ['answers'] })
  const add = async (rows: number): Promise<void> => {
    await fixture.land(0, rows)
    await fixture.run({ mode: 'incremental' })
  }
  await add(1_000)
  expect(await filesOf('by_name')).toHaveLength(2)
  expect((await ask(50_001)).groups.name).toBeLessThanOrEqual(2)
  await add(ROWS)
  expect(await filesOf('by_name')).toHaveLength(1)
  for (const id of [50_001, ROWS + 500, 2 * ROWS]) {
    const { rows, groups } = await ask(id)
    expect([rows.length, groups]).toEqual([1, { name: 1, answers__n: 1 }])
  }
  const hour = { view: 'by_hour', fromMs: NOON, toMs: NOON + HOUR, measures: ['answers'], dimensions: [] }
  expect((await reads(hour)).groups).toEqual({ pane: 1, answers__n: 1 })
})
