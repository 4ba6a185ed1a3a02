import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Statements } from '#storage/engine/idle-connections.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import { ALL_STATES } from '#storage/lake/state-ranges.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { definition } from './batch-fixture.ts'

const MIB = 1024 * 1024
const file = (bytes: number): StateFile => ({ path: `${bytes}`, bytes, rows: bytes, sha256: '' })

test('a merge of small files is a statement of one thread, one of large files has all threads', async () => {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  const connection = await engine.connect()
  const ran: string[] = []
  const statements = (name: string): Statements => ({
    run: async () => {
      ran.push(name)
      return 1
    },
    rows: async () => [],
  })
  try {
    const dataset = await compileDataset(definition, connection)
    const compute = new DuckDbCompute(statements('all'), dataset, ({ path }) => path, statements('one'))
    const merge = (...bytes: number[]): Promise<number> =>
      compute.merge(dataset.views.get('by_country')!, bytes.map(file), 'written', ALL_STATES, [])
    await merge(MIB, MIB)
    await merge(4 * MIB, MIB)
    await compute.recount(dataset.views.get('by_country')!, [], [file(1)], 'written')
    expect(ran).toEqual(['one', 'all', 'all'])
  } finally {
    connection.close()
    engine.close()
  }
})
