import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { marker, partial, speedStoreContract } from './speed-store-contract.ts'
import { SqliteSpeedStore } from './sqlite-speed-store.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-speed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('contract', () =>
  speedStoreContract(() => SqliteSpeedStore.open({ file: join(folder, 's.sqlite'), dataset: 'd' })))

test.each([
  ['a torn file', (file: string) => truncateSync(file, 5_000)],
  ['a foreign file', (file: string) => writeFileSync(file, 'no database at all '.repeat(99))],
])('%s is replaced by an empty store, and said', async (_, damage) => {
  const file = join(folder, 's.sqlite')
  const store = await SqliteSpeedStore.open({ file, dataset: 'd' })
  await store.flush(
    Array.from({ length: 500 }, (__, i) => partial(`key ${i}`, 1)),
    marker(1),
  )
  await store.close()
  damage(file)
  const told: string[] = []
  const again = await SqliteSpeedStore.open({ file, dataset: 'd', onRebuilt: (reason) => told.push(reason) })
  expect(told).toHaveLength(1)
  expect((await again.markers()).size).toBe(0)
  await again.flush([partial('a', 1)], marker(1))
  expect((await again.markers()).size).toBe(1)
  await again.close()
})
