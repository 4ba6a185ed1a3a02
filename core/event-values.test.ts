/** What events mean where a user may wonder: null and defaults, two lists, numbers and texts. Each rule is in docs/reference/definitions.md. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { type ColumnDefinition, count, countDistinct, type DatasetDefinition, sum } from './definition.ts'

const ARRIVAL_MS = Date.UTC(2026, 10, 26)

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
  rmSync(folder, { recursive: true, force: true })
})

/** Decodes events into the table `rows`, and gives the offsets of dead letters; validation at ingest must reject the same. */
async function decode(dataset: CompiledDataset, lines: readonly string[]): Promise<number[]> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const batch = { partition: 0, start: 0, end: lines.length, count: lines.length, offsets: null }
  const arrivals = [{ count: lines.length, atMs: ARRIVAL_MS }]
  const texts = Buffer.from(`${lines.join('\n')}\n`)
  const { dead } = await decodeBatch(
    connection,
    dataset,
    { ...batch, lines: texts, arrivals },
    { table: 'rows', scratchFolder: folder },
  )
  const rejected = lines.flatMap((line, offset) =>
    dataset.check(JSON.parse(line), line, ARRIVAL_MS).ok ? [] : [offset],
  )
  expect(dead.map(({ offset }) => offset)).toEqual(rejected)
  return rejected
}

const written = (
  columns: Record<string, ColumnDefinition>,
  views: DatasetDefinition['views'] = { all: { dimensions: {}, measures: { n: count() } } },
): DatasetDefinition => ({
  name: 'values',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id' },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', default: 0 },
    ...columns,
  },
  views,
})

test('null counts as missing: the default is used, and a required column rejects it', async () => {
  const types = ['BOOLEAN', 'BIGINT', 'DOUBLE', 'DECIMAL(9,2)', 'DECIMAL(20,2)', 'VARCHAR', 'DATE', 'JSON'] as const
  const samples = [true, 1, 1.5, '1.50', '1.50', 'x', '2026-01-31', 'x']
  for (const [index, type] of types.entries()) {
    const column = { type, path: '$.v' }
    const withDefault = { ...column, default: samples[index] } as ColumnDefinition
    const plain = await compileDataset(written({ v: column }), connection)
    expect(await decode(plain, ['{"v":null}', '{}'])).toEqual([])
    expect(await connection.columns('SELECT v IS NULL FROM rows')).toEqual([[true, true]])
    const filled = await compileDataset(written({ v: withDefault }), connection)
    const given = `{"v":${JSON.stringify(samples[index])}}`
    expect(await decode(filled, ['{"v":null}', '{}', given])).toEqual([])
    const [values] = await connection.columns('SELECT v::VARCHAR FROM rows ORDER BY _offset')
    expect([type, values]).toEqual([type, Array.from({ length: 3 }, () => values![2])])
    const needed = await compileDataset(written({ v: { ...column, required: true } }), connection)
    expect(await decode(needed, ['{"v":null}', '{}', given])).toEqual([0, 1])
  }
})

test('two unnested lists give a row per combination, and none where one is empty', async () => {
  const list = (name: string): ColumnDefinition => ({ type: 'VARCHAR[]', path: `$.${name}` })
  const measures = { n: count(), events: countDistinct('id', { exact: true }), guests: sum('guests') }
  const unnest = { topic: 'topics', tag: 'tags' }
  const dataset = await compileDataset(
    written(
      { topics: list('topics'), tags: list('tags'), guests: { type: 'INTEGER', path: '$.guests' } },
      {
        pairs: { unnest, dimensions: { topic: 'topic', tag: 'tag' }, measures },
        topics: { unnest, dimensions: { topic: 'topic' }, measures },
      },
    ),
    connection,
  )
  await decode(dataset, [
    '{"id":1,"guests":5,"topics":["a","b"],"tags":["x","y","z"]}',
    '{"id":2,"guests":7,"topics":["a"],"tags":[]}',
    '{"id":3,"guests":9,"topics":["b"],"tags":["x"]}',
  ])
  const rowsOf = async (name: string): Promise<unknown[]> => {
    const view = dataset.views.get(name)!
    const keep = view.dimensions.map((dimension) => dimension.name)
    const presented = view.presentSql(`(${view.partialSql('rows')})`, keep)
    const merged = await connection.rows(
      `SELECT * REPLACE (guests::INTEGER AS guests) FROM (${presented}) ORDER BY ALL`,
    )
    const recounted = `SELECT * REPLACE (guests::INTEGER AS guests) FROM (${view.recountSql('rows')}) ORDER BY ALL`
    expect(await connection.rows(recounted)).toEqual(merged)
    return merged
  }
  expect(await rowsOf('topics')).toEqual([
    { topic: 'a', n: 3, events: 1, guests: 15 },
    { topic: 'b', n: 4, events: 2, guests: 24 },
  ])
  expect(await rowsOf('pairs')).toEqual([
    ...['x', 'y', 'z'].map((tag) => ({ topic: 'a', tag, n: 1, events: 1, guests: 5 })),
    { topic: 'b', tag: 'x', n: 2, events: 2, guests: 14 },
    ...['y', 'z'].map((tag) => ({ topic: 'b', tag, n: 1, events: 1, guests: 5 })),
  ])
})

test('a number is rounded to a DECIMAL as its text is: half away from zero', async () => {
  for (const type of ['DECIMAL(9,2)', 'DECIMAL(20,2)'] as const) {
    const dataset = await compileDataset(written({ v: { type, path: '$.v', required: true } }), connection)
    const texts = ['1.005', '2.675', '-1.005', '19.999', '1.0049999999', '0.285', '1234567.005', '1e2', '0.00001']
    const lines = texts.flatMap((text) => [`{"v":${text}}`, `{"v":"${text.replace('1e2', '100')}"}`])
    expect(await decode(dataset, lines)).toEqual([])
    const [values] = await connection.columns('SELECT v::VARCHAR FROM rows ORDER BY _offset')
    const expected = ['1.01', '2.68', '-1.01', '20.00', '1.00', '0.29', '1234567.01', '100.00', '0.00']
    expect([type, values]).toEqual([type, expected.flatMap((text) => [text, text])])
  }
  const narrow = await compileDataset(written({ v: { type: 'DECIMAL(9,2)', path: '$.v', required: true } }), connection)
  expect(await decode(narrow, ['{"v":9999999.995}', '{"v":"9999999.995"}', '{"v":true}'])).toEqual([0, 1, 2])
})

test('true and false are no times, in any unit', async () => {
  for (const unit of ['s', 'ms', 'us', 'iso'] as const) {
    const time: ColumnDefinition = { type: 'TIMESTAMP', path: '$.v', unit }
    const optional = await compileDataset(written({ v: time }), connection)
    expect(await decode(optional, ['{"v":true}', '{"v":false}'])).toEqual([])
    expect(await connection.columns('SELECT v IS NULL FROM rows')).toEqual([[true, true]])
    const required = await compileDataset(written({ v: { ...time, required: true } as ColumnDefinition }), connection)
    expect(await decode(required, ['{"v":true}', '{"v":false}'])).toEqual([0, 1])
  }
})

test('a time in numbers is rounded as its text is', async () => {
  const dataset = await compileDataset(written({ v: { type: 'TIMESTAMP', path: '$.v', unit: 'ms' } }), connection)
  await decode(dataset, ['{"v":1764151200000.5}', '{"v":"1764151200001"}', '{"v":1.764151200001e12}'])
  const [values] = await connection.columns('SELECT epoch_ms(v) FROM rows')
  expect(values!.map(Number)).toEqual([1764151200001, 1764151200001, 1764151200001])
})
