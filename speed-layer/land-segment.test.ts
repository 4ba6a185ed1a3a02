import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { noSteps } from '#core/steps.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { landSegment } from './land-segment.ts'

const definition = defineDataset({
  name: 'clicks',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  },
  views: { all: { dimensions: {}, measures: { clicks: count() } } },
})

let folder: string
let engine: DuckDbEngine
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-land-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterEach(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

test('events are compressed as their manifest says, which every engine reads', async () => {
  const connection = await engine.connect()
  const dataset = await compileDataset(definition, connection)
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  const columns = dataset.rowColumns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`)
  await connection.run(`CREATE TEMP TABLE rows AS SELECT ${columns.join(', ')}`)
  const files = await landSegment(
    { dataset, partition: 0, start: 0, createdAtMs: 0, table: 'rows', rows: 1, raw: null, deadLetters: [] },
    { connection, lake, scratchFolder: folder, step: noSteps },
  )
  const codecs = await connection.rows(
    `SELECT DISTINCT lower(compression) AS codec FROM parquet_metadata(${quoteText(lake.resolve(files.events!))})`,
  )
  expect([files.eventsCodec, codecs]).toEqual(['snappy', [{ codec: 'snappy' }]])
})

test('a dead letter that is larger than the engine reads by itself lands with all its bytes, and so do those beside it', async () => {
  const connection = await engine.connect()
  const dataset = await compileDataset(definition, connection)
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  const scratchFolder = join(folder, 'scratch')
  await mkdir(scratchFolder)
  const sizes = [3, 26 * 1024 * 1024, 0, 700_000, 700_000, 5]
  const deadLetters = sizes.map((size, offset) => ({
    partition: 0,
    offset,
    arrivalMs: 1_000 + offset,
    reason: `reason ${offset}`,
    bytes: Buffer.alloc(size, offset + 200),
  }))
  const files = await landSegment(
    { dataset, partition: 0, start: 0, createdAtMs: 0, table: 'none', rows: 0, raw: null, deadLetters },
    { connection, lake, scratchFolder, step: noSteps },
  )
  const letters = await connection.rows(
    `SELECT _offset AS "offset", _arrival AS "arrivalMs", reason, octet_length(bytes) AS "size", md5(bytes) AS "sum"
     FROM read_parquet(${quoteText(lake.resolve(files.deadLetterFile!))}) ORDER BY 1`,
  )
  expect(letters).toEqual(
    deadLetters.map(({ offset, arrivalMs, reason, bytes }) => ({
      offset,
      arrivalMs,
      reason,
      size: bytes.length,
      sum: createHash('md5').update(bytes).digest('hex'),
    })),
  )
})
