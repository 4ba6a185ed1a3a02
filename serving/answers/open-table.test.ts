import { beforeAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
import { count, countDistinct, defineDataset, sum } from '#core/definition.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { openTable } from './open-table.ts'
import type { Snapshot } from './snapshot.ts'

const connection = await testConnection()
let view: CompiledView
beforeAll(async () => {
  const definition = defineDataset({
    name: 'shop',
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'BIGINT', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      kind: { type: 'VARCHAR', path: '$.kind' },
    },
    views: {
      kinds: {
        dimensions: { kind: 'kind' },
        time: ['minute'],
        measures: { n: count(), ids: countDistinct('id'), s: sum('id') },
      },
    },
  })
  view = (await compileDataset(definition, connection)).views.get('kinds')!
})

const snapshotOf = (rows: readonly string[]) => ({ open: new Map([[view.hash, rows]]) }) as unknown as Snapshot

test('every row is there with its types, line breaks in values and more than one insert included', async () => {
  const rows = Array.from({ length: 20_001 }, (_, i) =>
    JSON.stringify({
      pane: 60_000 * i,
      kind: i === 0 ? 'a\nb' : null,
      n__n: 1,
      ids__h: [i],
      s__s: '99999999999999999999',
    }),
  )
  const table = await openTable(connection, view, snapshotOf(rows))
  const merged = view.mergeSql(`(SELECT * FROM ${table})`, [{ name: 'kind', sql: '"kind"' }])
  const [texts] = await connection.columns(
    `SELECT json_object('kind', kind, 'n', n__n, 'ids', len(ids__h), 's', s__s)::VARCHAR FROM (${merged}) ORDER BY kind`,
  )
  expect(texts).toEqual([
    '{"kind":"a\\nb","n":1,"ids":1,"s":99999999999999999999}',
    '{"kind":null,"n":20000,"ids":2049,"s":1999999999999999999980000}',
  ])
})

test('nothing open: no table', async () => {
  expect(await openTable(connection, view, snapshotOf([]))).toBeNull()
})
