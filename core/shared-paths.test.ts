/** Columns that are part of another column's value, or that have the same path. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, type DatasetDefinition } from './definition.ts'

const ARRIVAL_MS = Date.UTC(2026, 0, 1)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-shared-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const definition: DatasetDefinition = {
  name: 'calls',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    at_text: { type: 'VARCHAR', path: '$.at' },
    payload: { type: 'JSON', path: '$.request.payload' },
    action: { type: 'VARCHAR', path: '$.request.payload.action' },
    amount: { type: 'DECIMAL(9,2)', path: '$.request.payload.amount', default: 0 },
    amount_text: { type: 'VARCHAR', path: '$.request.payload.amount' },
    host: { type: 'VARCHAR', path: '$.request.host' },
    items: { type: 'JSON', path: '$.items' },
    codes: { type: 'VARCHAR[]', path: '$.items' },
    names: { type: 'VARCHAR[]', path: '$.items[*].name' },
    sizes: { type: 'INTEGER[]', path: '$.items[*].size.cm' },
    first_size: { type: 'BIGINT', path: '$.items.length' },
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
}

test('each has its own value of an event, and its own failed conversions', async () => {
  const dataset = await compileDataset(definition, connection)
  const payload = { action: 'buy', amount: '12.50' }
  const items = [{ name: 'a', size: { cm: 5 } }, { name: 'b' }]
  const cases: [event: object, row: object, failed: string[]][] = [
    [
      { request: { payload, host: 'h' }, items },
      {
        payload: JSON.stringify(payload),
        action: 'buy',
        amount: 12.5,
        amount_text: '12.50',
        host: 'h',
        items: JSON.stringify(items),
        codes: items.map((item) => JSON.stringify(item)),
        names: ['a', 'b'],
        sizes: [5, null],
      },
      ['first_size'],
    ],
    [{}, {}, []],
    [{ request: null, items: null }, {}, []],
    [
      { request: { payload: null, host: 'h' }, items: [] },
      { host: 'h', items: '[]', codes: [], names: [], sizes: [] },
      ['first_size'],
    ],
    [{ request: { payload: 'text' } }, { payload: '"text"' }, ['action', 'amount', 'amount_text']],
    [
      { request: { payload: { action: 5, amount: 'much' } } },
      { payload: '{"action":5,"amount":"much"}', action: '5', amount_text: 'much' },
      ['amount'],
    ],
    [{ request: 'GET /' }, {}, ['payload', 'action', 'amount', 'amount_text', 'host']],
    [{ items: { length: 3 } }, { items: '{"length":3}', first_size: 3 }, ['codes', 'names', 'sizes']],
    [
      { items: ['x', { size: 3 }] },
      { items: '["x",{"size":3}]', codes: ['x', '{"size":3}'], names: [null, null], sizes: [null, null] },
      ['names', 'sizes', 'first_size'],
    ],
  ]
  const lines = cases.map(([event], id) => JSON.stringify({ id, at: 1_700_000_000_000, ...event }))
  await createRowsTable(connection, dataset, 'rows')
  const total: Record<string, number> = {}
  for (const [index, [, , failed]] of cases.entries()) {
    const target = { table: 'rows', scratchFolder: folder }
    const batch = {
      partition: 0,
      start: index,
      end: index + 1,
      count: 1,
      offsets: null,
      arrivals: [{ count: 1, atMs: ARRIVAL_MS }],
    }
    const { dead, unconverted } = await decodeBatch(
      connection,
      dataset,
      { ...batch, lines: Buffer.from(`${lines[index]}\n`) },
      target,
    )
    expect(dead).toEqual([])
    expect([lines[index], Object.keys(unconverted).sort()]).toEqual([lines[index], failed.toSorted()])
    const verdict = dataset.check(JSON.parse(lines[index]!), lines[index]!, ARRIVAL_MS)
    expect([lines[index], verdict.ok && verdict.failures.map(({ column }) => column).sort()]).toEqual([
      lines[index],
      failed.toSorted(),
    ])
    for (const column of failed) total[column] = (total[column] ?? 0) + 1
  }
  const names = dataset.columns.map(({ name }) => name).filter((name) => name !== 'id' && name !== 'at')
  const list = names.map(
    (name) => `to_json(${name === 'payload' || name === 'items' ? `${name}::VARCHAR` : name})::VARCHAR AS ${name}`,
  )
  const found = await connection.rows<Record<string, string | null>>(
    `SELECT ${list.join(', ')} FROM rows ORDER BY _offset`,
  )
  const none = Object.fromEntries(names.map((name) => [name, null]))
  expect(
    found.map((row) =>
      Object.fromEntries(names.map((name) => [name, row[name] === null ? null : JSON.parse(row[name]!)])),
    ),
  ).toEqual(cases.map(([, row]) => ({ ...none, at_text: '1700000000000', amount: 0, ...row })))
})
