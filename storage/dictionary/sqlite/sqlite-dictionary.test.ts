import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { smallDisk } from '#storage/log/small-disk.ts'
import { entry } from '../dictionary-contract.ts'
import { SqliteDictionary } from './sqlite-dictionary.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dictionary-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('names a version after its content: the sha-256 of the sorted entries', async () => {
  const file = join(folder, 'dictionary.sqlite')
  const store = await SqliteDictionary.open({ file })
  const version = await store.publish('c', [entry('b', '2'), entry('a', '1')])
  expect(version).toMatch(/^[0-9a-f]{64}$/)
  await store.close()
  const again = await SqliteDictionary.open({ file })
  expect(await again.version('c')).toBe(version)
  await again.close()
})

test('says which file cannot be used, and why', async () => {
  const text = join(folder, 'text')
  writeFileSync(text, 'no database at all '.repeat(99))
  await expect(SqliteDictionary.open({ file: text })).rejects.toThrow(/dictionary .*text: opening it:.*damaged/)
  await expect(SqliteDictionary.open({ file: join(folder, 'no', 'd') })).rejects.toThrow(/check that its folder exists/)
})

test('a full disk refuses a version as a whole; the one before stays', async ({ skip }) => {
  const disk = smallDisk('1m')
  if (disk === null) return skip()
  try {
    const store = await SqliteDictionary.open({ file: join(disk.folder, 'd.sqlite') })
    const first = await store.publish('c', [entry('a', '1')])
    const large = Array.from({ length: 5_000 }, (_, i) => entry(`k${i}`, 'x'.repeat(500)))
    await expect(store.publish('c', large)).rejects.toMatchObject({ reason: 'full' })
    expect(await store.version('c')).toBe(first)
    const second = await store.publish('c', [entry('a', '2')])
    expect(await store.entries('c', second)).toEqual([entry('a', '2')])
    await store.close()
  } finally {
    disk.remove()
  }
})
