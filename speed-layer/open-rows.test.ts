import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { OpenRows } from './open-rows.ts'

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

test('large batches have tables of their own, small ones share one, and all rows are in the order in which they came', async () => {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  try {
    const connection = await engine.connect()
    const rows = new OpenRows(connection, await compileDataset(definition, connection), 'open rows', 100)
    const tables = async (): Promise<number> =>
      (await connection.rows('SELECT table_name FROM duckdb_tables() WHERE temporary')).length
    let next = 0
    const add = async (records: number): Promise<void> => {
      const table = await rows.tableFor(records)
      const values = Array.from({ length: records }, () => `(0, ${next++})`)
      await connection.run(`INSERT INTO "${table}" (_partition, _offset) VALUES ${values.join(', ')}`)
    }
    const offsets = async (): Promise<number[]> => {
      const [found] = await connection.columns(`SELECT _offset FROM "${rows.relation}"`)
      return found!.map(Number)
    }
    const upTo = (end: number): number[] => Array.from({ length: end }, (_, offset) => offset)

    await rows.clear()
    expect([await tables(), await offsets()]).toEqual([1, []])
    await add(150)
    expect([await tables(), await offsets()]).toEqual([1, upTo(150)])
    await add(20)
    await add(30)
    expect([await tables(), await offsets()]).toEqual([1, upTo(200)])
    await add(100)
    await add(99)
    await add(300)
    expect([await tables(), await offsets()]).toEqual([3, upTo(699)])

    await rows.clear()
    next = 0
    expect([await tables(), await offsets()]).toEqual([1, []])
    await add(7)
    await add(100)
    expect([await tables(), await offsets()]).toEqual([2, upTo(107)])
  } finally {
    engine.close()
  }
})
