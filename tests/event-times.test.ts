/** Event times are microseconds, before 1970 too: in what is decoded, ordered and put into panes, and in the recount. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, defineDataset, first, latest, max } from '#core/definition.ts'
import { keyNames } from '#core/view-time.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

const definition = defineDataset({
  name: 'micro',
  time: 't',
  key: 'k',
  columns: {
    k: { type: 'VARCHAR', path: '$.k', required: true },
    t: { type: 'TIMESTAMP', path: '$.t', required: true },
    i: { type: 'INTEGER', path: '$.i' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    v: { dimensions: { k: 'k' }, measures: { n: count(), last: latest('i'), first: first('i'), newest: max('t') } },
    tagged: { unnest: { tag: 'tags' }, dimensions: {}, measures: { last: latest('tag'), first: first('tag') } },
    panes: { dimensions: {}, time: ['minute'], measures: { n: count() } },
    days: { dimensions: {}, time: ['day'], measures: { n: count() } },
  },
})

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-times-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(definition, connection)
})
afterEach(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Presented {
  readonly merged: readonly Record<string, unknown>[]
  readonly recounted: readonly Record<string, unknown>[]
}

/** One event per segment, merged; and the recount of all of them. */
async function presented(name: string, events: readonly object[]): Promise<Presented> {
  const view = dataset.views.get(name)!
  const partials: string[] = []
  const rows = `rows_of_${name}`
  await createRowsTable(connection, dataset, rows)
  for (const [start, event] of events.entries()) {
    const table = `${rows}_${start}`
    await createRowsTable(connection, dataset, table)
    const lines = Buffer.from(`${JSON.stringify(event)}\n`)
    const arrivals = [{ count: 1, atMs: Date.UTC(2026, 0, 1) }]
    const batch = { partition: 0, start, end: start + 1, lines, count: 1, offsets: null, arrivals }
    for (const into of [table, rows])
      expect(await decodeBatch(connection, dataset, batch, { table: into, scratchFolder: folder })).toEqual({
        dead: [],
        unconverted: {},
        returned: [],
      })
    partials.push(`SELECT * FROM (${view.partialSql(table)})`)
  }
  const keys = keyNames(view).map((key) => `"${key}"`)
  const columns = [...keys, ...view.measures.map(({ name }) => `"${name}"::VARCHAR AS "${name}"`)].join(', ')
  const merged = view.presentSql(`(${view.mergeSql(`(${partials.join(' UNION ALL ')})`)})`, keyNames(view))
  return {
    merged: await connection.rows(`SELECT ${columns} FROM (${merged}) ORDER BY ALL`),
    recounted: await connection.rows(`SELECT ${columns} FROM (${view.recountSql(rows)}) ORDER BY ALL`),
  }
}

const at = (t: string, i: number, ...tags: string[]) => ({ k: 'a', t, i, tags })

test('first and latest order by the microsecond, whatever the order of arrival', async () => {
  const events = [at('2026-01-01T00:00:00.000900Z', 1, 'late'), at('2026-01-01T00:00:00.000100Z', 2, 'early')]
  const row = { k: 'a', n: '2', last: '1', first: '2', newest: '2026-01-01 00:00:00.0009' }
  expect(await presented('v', events)).toEqual({ merged: [row], recounted: [row] })
  const tags = { last: 'late', first: 'early' }
  expect(await presented('tagged', events)).toEqual({ merged: [tags], recounted: [tags] })
})

test('of equal microseconds the offset decides', async () => {
  const same = '2026-01-01T00:00:00.000900Z'
  const row = { k: 'a', n: '2', last: '2', first: '1', newest: '2026-01-01 00:00:00.0009' }
  expect(await presented('v', [at(same, 1), at(same, 2)])).toEqual({ merged: [row], recounted: [row] })
})

test('a fraction before 1970 is in the pane that it is in', async () => {
  const events = [at('1969-12-31T23:59:59.999900Z', 1), at('1969-12-31T23:59:00Z', 2), at('1970-01-01T00:00:00Z', 3)]
  const minutes = [
    { pane: -60_000, n: '2' },
    { pane: 0, n: '1' },
  ]
  expect(await presented('panes', events)).toEqual({ merged: minutes, recounted: minutes })
  const days = [
    { pane: -86_400_000, n: '2' },
    { pane: 0, n: '1' },
  ]
  expect(await presented('days', events)).toEqual({ merged: days, recounted: days })
})
