import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SHIPPED_DICTIONARIES } from '#datasets/dictionaries/shipped.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { originOf, publishFile, publishShipped, restoreShipped } from './dictionary-shelf.ts'

let folder: string
let store: SqliteDictionary
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-shelf-'))
  store = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('shipped dictionaries are put into the store, and keep their version', async () => {
  await publishShipped(store)
  const version = await store.version('countries')
  expect((await store.entries('countries', version!)).length).toBe([...SHIPPED_DICTIONARIES.countries!()].length)
  await publishShipped(store)
  expect(await store.version('countries')).toBe(version)
})

test('what was published from a file is kept over starts, until it is restored', async () => {
  await publishShipped(store)
  const shipped = await store.version('countries')
  const published = await publishFile(store, 'countries', file('mine.csv', 'key,name\nde,Deutschland\n'))
  expect(published).toMatchObject({ dictionary: 'countries', entries: 1, changed: true })
  await publishShipped(store)
  expect(await store.version('countries')).toBe(published.version)
  expect(await originOf(store, 'countries')).toMatchObject({ source: 'file', file: 'mine.csv' })
  expect(await restoreShipped(store, 'countries')).toMatchObject({ version: shipped, changed: true })
  await publishShipped(store)
  expect(await store.version('countries')).toBe(shipped)
  expect(await originOf(store, 'countries')).toMatchObject({ source: 'shipped', file: null })
})

test('the same content again changes nothing; a file that cannot be used changes nothing either', async () => {
  const good = file('good.json', '{"de":{"name":"Deutschland"}}')
  const { version } = await publishFile(store, 'countries', good)
  expect(await publishFile(store, 'countries', good)).toMatchObject({ version, changed: false })
  const bad = file('bad.csv', 'key,name\nde,Deutschland\nfr\n')
  await expect(publishFile(store, 'countries', bad)).rejects.toThrow(
    /bad\.csv, line 3: the row has 1 fields, but the header has 2/,
  )
  expect(await store.version('countries')).toBe(version)
  expect(await originOf(store, 'countries')).toMatchObject({ file: 'good.json' })
})
