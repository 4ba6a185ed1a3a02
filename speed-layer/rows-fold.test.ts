import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { RowsFold } from './rows-fold.ts'

const definition = defineDataset({
  name: 'tags',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: { by_tag: { unnest: { tag: 'tags' }, dimensions: { tag: 'tag' }, measures: { times: count() } } },
})

test('a flush of more partials than a call may have arguments is whole in the speed store', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-fold-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'tags' })
  try {
    const connection = await engine.connect()
    const dataset = await compileDataset(definition, connection)
    const fold = new RowsFold({
      dataset,
      partition: 0,
      logIdentity: 'l',
      connection,
      lake: new MemoryLake({ dataset: 'tags' }),
      scratchFolder: folder,
    })
    await fold.begin(0)
    const [records, tagsEach] = [2_000, 100]
    const line = (id: number): string =>
      `{"id":${id},"at":1700000000000,"tags":[${Array.from({ length: tagsEach }, (_, at) => `"${id}-${at}"`)}]}\n`
    await fold.append({
      partition: 0,
      start: 0,
      end: records,
      lines: Buffer.from(Array.from({ length: records }, (_, id) => line(id)).join('')),
      count: records,
      offsets: null,
      arrivals: [{ count: records, atMs: 1_700_000_000_000 }],
    })
    const { partials, marker } = await fold.dirty(1_700_000_000_000)
    expect(partials).toHaveLength(records * tagsEach)
    await store.flush(partials, marker)
    const open = await store.read([dataset.views.get('by_tag')!.hash], new Map([[0, 0]]))
    expect(open.rows.get(dataset.views.get('by_tag')!.hash)).toHaveLength(records * tagsEach)
  } finally {
    await store.close()
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
