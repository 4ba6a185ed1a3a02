import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { SqlColumn } from '#core/compiled.ts'
import { count, type DatasetDefinition, sum } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { emptySegment } from './lake-contract-fixture.ts'
import type { SegmentManifest } from './segment-manifest.ts'
import { typedRowsSql } from './typed-rows.ts'

const SYSTEM: SqlColumn[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: '_time', type: 'BIGINT' },
  { name: '_arrival', type: 'BIGINT' },
]
const dataset = {
  timeColumn: 'at',
  schemaHash: 'present',
  rowColumns: [
    ...SYSTEM,
    { name: 'guests', type: 'BIGINT' },
    { name: 'city', type: 'VARCHAR' },
    { name: 'topics', type: 'VARCHAR[]' },
    { name: 'raw', type: 'JSON' },
  ],
  columns: [],
  decodeOf: (): never => {
    throw new Error('no segment has the JSON of its events')
  },
}

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'rows-')))
  engine = await DuckDbEngine.open({ folders: [folder] })
  connection = await engine.connect()
})
afterAll(async () => {
  connection.close()
  engine.close()
  await rm(folder, { recursive: true })
})

let files = 0
async function segment(columns: SqlColumn[], values: string): Promise<SegmentManifest> {
  const start = files++
  const path = join(folder, `${start}.parquet`)
  const system = `0::INTEGER AS _partition, ${start}::BIGINT AS _offset, 5::BIGINT AS _time, 6::BIGINT AS _arrival`
  await connection.run(`COPY (SELECT ${system}, ${values}) TO '${path}' (FORMAT parquet)`)
  const events = { path, bytes: 1, rows: 1, sha256: '' }
  return { ...emptySegment(0, start, start + 1), rows: 1, events, columns }
}
const rowsOf = (segments: SegmentManifest[]) => typedRowsSql(dataset, segments, (file) => file.path)

it('gives an empty relation of the right types for no segments, and for segments without rows', async () => {
  for (const segments of [[], [emptySegment(0, 0, 5)]]) {
    expect(await connection.describe(`FROM ${rowsOf(segments)}`)).toEqual(dataset.rowColumns)
    expect(await connection.rows(`FROM ${rowsOf(segments)}`)).toEqual([])
  }
})

it('reads files of the present and of older columns as one', async () => {
  const present = await segment(
    dataset.rowColumns,
    `7::BIGINT AS guests, 'Köln' AS city, ['a'] AS topics, '{"x":1}'::JSON AS raw`,
  )
  const older = await segment(
    [...SYSTEM, { name: 'guests', type: 'VARCHAR' }, { name: 'gone', type: 'INTEGER' }],
    `'12' AS guests, 1 AS gone`,
  )
  const odd = await segment([{ name: 'guests', type: 'VARCHAR' }], `'many' AS guests`)
  const rows = rowsOf([present, older, odd])
  expect(await connection.describe(`FROM ${rows}`)).toEqual(dataset.rowColumns)
  const found = await connection.rows(
    `SELECT _offset, guests, city, topics[1] AS topic, raw::VARCHAR AS raw FROM ${rows} ORDER BY 1`,
  )
  expect(found).toEqual([
    { _offset: 0, guests: 7, city: 'Köln', topic: 'a', raw: '{"x":1}' },
    { _offset: 1, guests: 12, city: null, topic: null, raw: null },
    { _offset: 2, guests: null, city: null, topic: null, raw: null },
  ])
})

it('gives NULL, not the default, for a column that was added after the file was written', async () => {
  const definition: DatasetDefinition = {
    name: 'winds',
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'BIGINT', path: '$.id' },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms' },
      gust: { type: 'INTEGER', path: '$.gust', default: 0 },
      place: { type: 'VARCHAR', path: '$.place', required: true },
    },
    views: {
      all: {
        dimensions: { place: 'place' },
        measures: { n: count(), total: sum('gust'), known: count({ where: 'gust IS NOT NULL' }) },
      },
    },
  }
  const later = await compileDataset(definition, connection)
  const columns = later.rowColumns.filter(({ name }) => name !== 'gust' && name !== 'place')
  const older = await segment(columns, "7::BIGINT AS id, TIMESTAMP '1970-01-01' AS at")
  const rows = typedRowsSql(later, [older], (file) => file.path)
  const view = later.views.get('all')!
  const found = await connection.rows(view.presentSql(`(${view.partialSql(rows)})`, ['place']))
  expect(found).toEqual([{ place: null, n: 1, total: null, known: 0 }])
})

it('takes the event time from the present time column, also where another one was it when the file was written', async () => {
  const at: SqlColumn[] = [...SYSTEM, { name: 'at', type: 'TIMESTAMP' }]
  const written = [
    { ...(await segment(at, "TIMESTAMP '1969-12-31 23:59:59.9999' AS at")), schemaHash: 'older' },
    { ...(await segment(at, 'NULL::TIMESTAMP AS at')), schemaHash: 'older' },
    { ...(await segment(SYSTEM, '1 AS one')), schemaHash: 'older' },
    { ...(await segment(at, "TIMESTAMP '2026-01-01' AS at")), schemaHash: 'present' },
  ]
  const found = await connection.rows(`SELECT _time FROM ${rowsOf(written)} ORDER BY _offset`)
  expect(found.map(({ _time }) => _time)).toEqual([-1, 5, 5, 5])
})
