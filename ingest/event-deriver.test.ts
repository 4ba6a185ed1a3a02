/** Events whose key and time are derived: ingest decides by the engine, exactly as decoding will, and equal keys go to one partition. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, type DatasetDefinition } from '#core/definition.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { EventDeriver } from './event-deriver.ts'
import { openScratch, type Scratch } from './ingest-fixture.ts'
import { Intake } from './intake.ts'
import { partitionOf } from './partitioner.ts'

const definition: DatasetDefinition = {
  name: 'flights',
  time: 'at',
  key: 'airline',
  columns: {
    year: { type: 'INTEGER', path: '$.y' },
    month: { type: 'INTEGER', path: '$.m' },
    code: { type: 'VARCHAR', path: '$.code' },
    note: { type: 'VARCHAR', path: '$.note' },
    at: { type: 'TIMESTAMP', as: 'make_timestamp(year, month, 1, 0, 0, 0)' },
    airline: { type: 'INTEGER', as: "replace(upper(code), 'AA', '')" },
    words: { type: 'BIGINT', as: 'strlen(note)', onError: 'reject' },
    half: { type: 'INTEGER', as: 'substr(note, 2)', onError: 'reject' },
    tail: { type: 'INTEGER', as: 'note' },
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
}

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset
let scratch: Scratch
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-deriver-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(definition, connection)
  scratch = await openScratch()
})
afterEach(async () => {
  await scratch.remove()
  engine.close()
  rmSync(folder, { recursive: true })
})

const openIntake = () =>
  new Intake({ dataset, log: scratch.log, deriver: new EventDeriver(connection, dataset.deciding!, folder) })

test('each row has its verdict in its place, with the reason of the engine', async () => {
  const rows = [
    '{"y":2015,"m":1,"code":"aa7"}',
    '{"y":2015,"m":13,"code":"aa7"}',
    'broken',
    '{"y":2015,"m":2,"code":"AA07"}',
    '{"y":2015,"m":2,"code":"x"}',
    '{"y":1815,"m":2,"code":"AA07"}',
    '{"y":2015,"m":3}',
    '{"y":2015,"m":3,"code":"aa7","note":"x5","tail":"no"}',
    '{"y":2015,"m":3,"code":"aa7","note":"xx"}',
  ]
  const { verdicts, accepted, warnings } = await openIntake().offer(rows)
  const told = verdicts.map((verdict) => (verdict.status === 'accepted' ? verdict.partition : verdict.reason))
  const seven = partitionOf('7', 4)
  expect(told).toEqual([
    seven,
    'at (= make_timestamp(year, month, 1, 0, 0, 0)): gives no value for year 2015, month 13',
    expect.stringContaining('not valid JSON'),
    seven,
    'airline: cannot be derived; this key determines the partition',
    'at (= make_timestamp(year, month, 1, 0, 0, 0)): 1815-02-01 00:00:00 is outside the accepted times',
    partitionOf('null', 4),
    seven,
    "half (= substr(note, 2)): gives no value for note xx, and the column has onError 'reject'",
  ])
  expect([accepted, warnings]).toEqual([4, []])
  expect((await scratch.records()).size).toBe(4)
})

test('what is unusable is appended where dead letters are wanted, and offers at once do not mix', async () => {
  const intake = openIntake()
  const offers = Array.from({ length: 20 }, (_, at) =>
    intake.offer([`{"y":2015,"m":1,"code":"aa${at}"}`, `{"y":2015,"m":${at},"code":"aa1"}`], { acceptUnusable: true }),
  )
  const results = await Promise.all(offers)
  expect(results.map(({ accepted, unusable }) => [accepted, unusable])).toEqual(
    Array.from({ length: 20 }, (_, at) => [2, at >= 1 && at <= 12 ? 0 : 1]),
  )
  for (const [at, { verdicts }] of results.entries())
    expect(verdicts[0]).toMatchObject({ status: 'accepted', partition: partitionOf(String(at), 4) })
})

test('ingest accepts exactly what decoding uses', async () => {
  const value = fc.constantFrom('null', '1', '2015', '13', '"7"', '"x"', '""', '[]', '0.5', 'true', '"AA3"', '1e9')
  const event = fc
    .tuple(value, value, value, value)
    .map(([y, m, code, note]) => `{"y":${y},"m":${m},"code":${code},"note":${note}}`)
  const intake = openIntake()
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 50, maxLength: 50 }), async (lines) => {
      const { verdicts } = await intake.offer(lines)
      await connection.run('DROP TABLE IF EXISTS decoded')
      await createRowsTable(connection, dataset, 'decoded')
      const arrivals = [{ count: lines.length, atMs: Date.now() }]
      const [count, end] = [lines.length, lines.length]
      const batch = {
        partition: 0,
        start: 0,
        end,
        count,
        offsets: null,
        arrivals,
        lines: Buffer.from(`${lines.join('\n')}\n`),
      }
      await decodeBatch(connection, dataset, batch, { table: 'decoded', scratchFolder: folder })
      const rows = await connection.rows<{ o: number; key: string | null }>(
        'SELECT _offset AS o, airline::VARCHAR AS key FROM decoded',
      )
      const used = new Map(rows.map(({ o, key }) => [o, key]))
      const wrong = verdicts.filter((verdict) => {
        const key = used.get(verdict.index)
        if (verdict.status === 'accepted')
          return key === undefined || verdict.partition !== partitionOf(key ?? 'null', 4)
        return key !== undefined && !verdict.reason.includes('this key determines the partition')
      })
      expect(wrong.map(({ index }) => [lines[index], verdicts[index]])).toEqual([])
    }),
    { numRuns: 4, endOnFailure: true },
  )
})

test('an intake without an engine is refused, instead of guessing', () => {
  expect(() => new Intake({ dataset, log: scratch.log })).toThrow(/derived columns decide on events/)
})
