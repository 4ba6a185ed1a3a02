/** The rules for values in answers, time zones and look-ups, on the engine itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { BoundValues } from './bound-values.ts'
import { filterSql } from './filter-sql.ts'
import { jsonValueSql } from './json-value.ts'
import { enrichedSql } from './lookup-sql.ts'
import type { QueryPlan } from './query-plan.ts'
import { timeBucketSql } from './time-bucket.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-values-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

test.each([
  ['BIGINT', '9007199254740993', '9007199254740993'],
  ['DECIMAL(38,2)', "'123456789012345678901234567890123456.12'", '123456789012345678901234567890123456.12'],
  ['DOUBLE', '0.1', '0.1'],
  ['DOUBLE', '1e300', '1e300'],
  ['DOUBLE', "'nan'", 'null'],
  ['DOUBLE', "'-inf'", 'null'],
  ['FLOAT', '0.1', '0.1'],
  ['VARCHAR', "'\"\n😀'", '"\\"\\n😀"'],
  ['VARCHAR', 'NULL', 'null'],
  ['BOOLEAN', 'true', 'true'],
  ['DATE', "'2017-03-19'", '"2017-03-19"'],
  ['TIMESTAMP', "'2017-03-19 10:00:00.5'", '"2017-03-19T10:00:00.500Z"'],
  ['TIMESTAMP', "'2017-03-19 10:00:00.123456'", '"2017-03-19T10:00:00.123456Z"'],
  ['TIMESTAMP', "'1969-12-31 23:59:59.9999'", '"1969-12-31T23:59:59.999900Z"'],
  ['TIMESTAMP', "'1969-12-31 23:59:59.5'", '"1969-12-31T23:59:59.500Z"'],
  ['TIMESTAMP[]', "['2017-03-19 10:00:00', NULL]", '["2017-03-19T10:00:00.000Z",null]'],
  ['DOUBLE[]', "[1.5, 'inf'::DOUBLE]", '[1.5,null]'],
  ['VARCHAR[]', '[]', '[]'],
  ['JSON', '\'{"a":12345678901234567890123}\'', '{"a":12345678901234567890123}'],
])('a %s %s is written %s', async (type, literal, written) => {
  const sql = `SELECT json_object('v', ${jsonValueSql({ name: 'v', type })})::VARCHAR AS text FROM (SELECT ${literal}::${type} AS v)`
  const [row] = await connection.rows<{ text: string }>(sql)
  expect(row!.text).toBe(`{"v":${written}}`)
})

const MINUTE = 60_000
const HOUR = 60 * MINUTE

async function buckets(
  grain: 'hour' | 'day' | '15m' | 'month',
  zone: string,
  paneMs: number,
  panes: readonly string[],
) {
  const bound = new BoundValues()
  const sql = timeBucketSql(grain, zone, paneMs, bound)
  const values = panes.map((pane) => `(${Date.parse(pane)}::BIGINT)`).join(', ')
  const rows = await connection.rows<{ t: number }>(
    `SELECT ${sql} AS t FROM (VALUES ${values}) AS v(pane)`,
    bound.parameters,
  )
  return rows.map(({ t }) => new Date(t).toISOString())
}

test('an hour that a clock change repeats stays two hours; a local day may have 25', async () => {
  const panes = ['2017-10-28T22:00Z', '2017-10-29T00:30Z', '2017-10-29T01:30Z', '2017-10-29T22:59Z']
  expect(await buckets('hour', 'Europe/Berlin', MINUTE, panes)).toEqual([
    '2017-10-28T22:00:00.000Z',
    '2017-10-29T00:00:00.000Z',
    '2017-10-29T01:00:00.000Z',
    '2017-10-29T22:00:00.000Z',
  ])
  expect(new Set(await buckets('day', 'Europe/Berlin', MINUTE, panes))).toEqual(new Set(['2017-10-28T22:00:00.000Z']))
})

test('offsets of quarter hours are exact where the panes allow it, and an error where they do not', async () => {
  expect(await buckets('hour', 'Asia/Kathmandu', 15 * MINUTE, ['2017-03-19T10:15Z', '2017-03-19T11:00Z'])).toEqual([
    '2017-03-19T10:15:00.000Z',
    '2017-03-19T10:15:00.000Z',
  ])
  expect(await buckets('day', 'Asia/Kathmandu', 15 * MINUTE, ['2017-03-19T10:15Z'])).toEqual([
    '2017-03-18T18:15:00.000Z',
  ])
  await expect(buckets('day', 'Asia/Kathmandu', HOUR, ['2017-03-19T10:00Z'])).rejects.toThrow(
    `cut by offset ${Date.UTC(2017, 2, 19, 10)}`,
  )
})

test('a zone that had half hours long ago is no error for panes of today', async () => {
  expect(await buckets('day', 'Asia/Singapore', HOUR, ['2017-03-19T17:00Z'])).toEqual(['2017-03-19T16:00:00.000Z'])
  await expect(buckets('day', 'Asia/Singapore', HOUR, ['1975-03-19T17:00Z'])).rejects.toThrow('cut by offset')
})

test('before 1970 and in UTC', async () => {
  expect(await buckets('day', 'UTC', HOUR, ['1969-12-31T23:00Z'])).toEqual(['1969-12-31T00:00:00.000Z'])
  expect(await buckets('month', 'UTC', HOUR, ['1969-12-31T23:00Z'])).toEqual(['1969-12-01T00:00:00.000Z'])
})

test('ne counts rows without a value; values are typed', async () => {
  const count = async (type: string, literals: string, operator: 'ne' | 'eq' | 'in' | 'gte', ...values: string[]) => {
    const bound = new BoundValues()
    const where = filterSql({ name: 'd', type }, { operator, values }, bound)
    const rows = await connection.rows<{ n: number }>(
      `SELECT count(*) AS n FROM (SELECT unnest(${literals}::${type}[]) AS d) WHERE ${where}`,
      bound.parameters,
    )
    return rows[0]!.n
  }
  expect(await count('VARCHAR', "['us', 'de', NULL]", 'ne', 'us')).toBe(2)
  expect(await count('VARCHAR', "['a''b', 'a']", 'in', "a'b", 'c')).toBe(1)
  expect(await count('BIGINT', '[9007199254740992, 9007199254740993]', 'eq', '9007199254740993')).toBe(1)
  expect(
    await count('TIMESTAMP', "['2017-03-19 10:00:00', '2017-03-19 08:00:00']", 'gte', '2017-03-19T10:30:00+02:00'),
  ).toBe(1)
  const moments = ['2017-03-19T10:00:00.123456Z', '1969-12-31T23:59:59.999999Z', '2017-03-19T10:00:00.120Z']
  const stored = `[${moments.map((moment) => quoteText(moment.slice(0, -1))).join(', ')}]`
  for (const moment of moments) expect(await count('TIMESTAMP', stored, 'eq', moment)).toBe(1)
})

test('look-ups are joined last: by key, by a list of keys, and null where nothing is known', async () => {
  const file = join(folder, 'topics.parquet')
  await connection.run(
    `COPY (SELECT * FROM (VALUES ('a', MAP {'kind': 'x'}), ('b', MAP {'kind': 'y'}), ('c', MAP {'kind': 'x'})) AS t("key", attributes)) TO ${quoteText(file)} (FORMAT parquet)`,
  )
  const lookup = (name: string, key: string, list: boolean) => ({
    name,
    key,
    list,
    dictionary: 'topics',
    attribute: 'kind',
  })
  const plan = {
    dimensions: ['topic'],
    values: [{ name: 'topics' }],
    view: {
      lookups: [lookup('kind', 'topic', false), lookup('kinds', 'topics', true), lookup('absent', 'other', false)],
    },
  } as unknown as QueryPlan
  const rows = `SELECT * FROM (VALUES (1, 'a', ['b', 'a', 'c', '?']), (2, '?', []), (3, NULL, NULL)) AS t(_n, topic, topics)`
  const { sql, names } = enrichedSql(plan, rows, new Map([['topics', readParquetSql([file])]]))
  expect(names).toEqual(['kind', 'kinds'])
  expect(await connection.rows(`SELECT _n, kind, kinds FROM (${sql}) ORDER BY _n`)).toEqual([
    { _n: 1, kind: 'x', kinds: ['x', 'y'] },
    { _n: 2, kind: null, kinds: null },
    { _n: 3, kind: null, kinds: null },
  ])
  expect(enrichedSql(plan, rows, new Map()).names).toEqual([])
})
