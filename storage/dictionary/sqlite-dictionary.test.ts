import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DICTIONARY_VERSIONS_MAX, SqliteDictionary } from './sqlite-dictionary.ts'

let folder: string
let store: SqliteDictionary
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-dictionary-'))
  store = await SqliteDictionary.open({ file: join(folder, 'd.sqlite') })
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const entry = (key: string, name: string) => ({ key, attributes: { name } })

test('the same content is the same version, in any order; other content is a new one beside it', async () => {
  const first = await store.publish('countries', [entry('de', 'Germany'), entry('fr', 'France')])
  expect(await store.publish('countries', [entry('fr', 'France'), entry('de', 'Germany')])).toBe(first)
  const second = await store.publish('countries', [entry('de', 'Deutschland')])
  expect(second).not.toBe(first)
  expect(await store.version('countries')).toBe(second)
  expect(await store.entries('countries', first)).toEqual([entry('de', 'Germany'), entry('fr', 'France')])
  expect(await store.version('unknown')).toBeNull()
})

test('going back to earlier content makes it the newest again', async () => {
  const first = await store.publish('c', [entry('a', '1')])
  await store.publish('c', [entry('a', '2')])
  expect(await store.publish('c', [entry('a', '1')])).toBe(first)
  expect(await store.version('c')).toBe(first)
})

test('keeps the newest versions only, and says when one is gone', async () => {
  const first = await store.publish('c', [entry('a', '0')])
  for (let i = 1; i <= DICTIONARY_VERSIONS_MAX; i++) await store.publish('c', [entry('a', String(i))])
  await expect(store.entries('c', first)).rejects.toThrow(/not kept any more/)
})
