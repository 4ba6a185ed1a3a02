import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { LakeFile } from '../segment-manifest.ts'
import { ObjectCache } from './object-cache.ts'

let folder: string
let fetched: string[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'object-cache-'))
  fetched = []
})
afterEach(() => rm(folder, { recursive: true }))

const TEXT = 'ten bytes.'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const file = (name: string): LakeFile => ({ path: `states/v/${name}`, bytes: 10, rows: 1, sha256: sha256(TEXT) })
const faults = {
  missing: (path: string) => new Error(`missing ${path}`),
  damaged: (path: string) => new Error(`damaged ${path}`),
}

async function fetch(path: string, to: string) {
  fetched.push(path)
  await writeFile(to, TEXT)
  return { bytes: 10, sha256: sha256(TEXT) }
}

/** As if nobody had used it for an hour. */
async function age(cache: ObjectCache, name: string): Promise<void> {
  const then = new Date(Date.now() - 3_600_000 - fetched.length)
  await utimes(cache.pathOf(`states/v/${name}`), then, then)
}

it('fetches a file once, also for callers at the same time, and again for nobody', async () => {
  const cache = new ObjectCache({ folder, bytesMax: 100 })
  await Promise.all([1, 2, 3].map(() => cache.fill([file('a'), file('b')], fetch, faults)))
  await new ObjectCache({ folder, bytesMax: 100 }).fill([file('a')], fetch, faults)
  expect(fetched.toSorted()).toEqual(['states/v/a', 'states/v/b'])
})

it('what was used least recently makes room; what is used now does not', async () => {
  const cache = new ObjectCache({ folder, bytesMax: 30 })
  await cache.fill([file('a'), file('b'), file('c')], fetch, faults)
  await age(cache, 'b')
  await age(cache, 'c')
  await cache.fill([file('d')], fetch, faults)
  expect(['a', 'b', 'c', 'd'].map((name) => cache.bytesOf(`states/v/${name}`) !== null)).toEqual([
    ...[true, false, true, true],
  ])
  await cache.fill([file('e')], fetch, faults)
  await expect(cache.fill([file('f')], fetch, faults)).rejects.toMatchObject({
    code: 'cache-full',
    message: expect.stringMatching(/lacks 10 bytes.*lakeCacheBytesMax is 30; raise it/),
  })
  expect(fetched).not.toContain('states/v/f')
})

it('a file that was changed here is fetched again', async () => {
  await new ObjectCache({ folder, bytesMax: 100 }).fill([file('a')], fetch, faults)
  const cache = new ObjectCache({ folder, bytesMax: 100 })
  await writeFile(cache.pathOf('states/v/a'), 'TEN BYTES.')
  await cache.fill([file('a')], fetch, faults)
  expect(await readFile(cache.pathOf('states/v/a'), 'utf8')).toBe(TEXT)
})

it('what arrives damaged is not kept', async () => {
  const cache = new ObjectCache({ folder, bytesMax: 100 })
  const torn = async (path: string, to: string) => ({ ...(await fetch(path, to)), sha256: sha256('other') })
  await expect(cache.fill([file('a')], torn, faults)).rejects.toThrow('damaged states/v/a')
  await expect(cache.fill([file('a')], async () => null, faults)).rejects.toThrow('missing states/v/a')
  expect(cache.bytesOf('states/v/a')).toBeNull()
  expect(await cache.sweepDrafts(-60_000)).toBe(0)
})

it('parts of a shared file are cut from one fetch, and from another one when it was changed here', async () => {
  const whole = 'one, two, three.'
  const part = (name: string, text: string): LakeFile => ({
    ...{ path: `segments/p0000/${name}`, bytes: text.length, rows: 1, sha256: sha256(text) },
    within: { path: 'segments/shared/all', bytes: whole.length, offset: whole.indexOf(text) },
  })
  const parts = ['one', 'two', 'three'].map((text) => part(text, text))
  const fetchWhole = async (path: string, to: string) => {
    fetched.push(path)
    await writeFile(to, whole)
    return { bytes: whole.length, sha256: sha256(whole) }
  }
  const textOf = (cache: ObjectCache, { path }: LakeFile): Promise<string> => readFile(cache.pathOf(path), 'utf8')
  const cache = new ObjectCache({ folder, bytesMax: 1_000 })
  await Promise.all([parts.slice(0, 2), parts.slice(1, 2)].map((some) => cache.fill(some, fetchWhole, faults)))
  expect([await textOf(cache, parts[0]!), await textOf(cache, parts[1]!)]).toEqual(['one', 'two'])
  expect(fetched).toEqual(['segments/shared/all'])
  await writeFile(cache.pathOf('segments/shared/all'), whole.toUpperCase())
  await cache.fill(parts, fetchWhole, faults)
  expect(await textOf(cache, parts[2]!)).toBe('three')
  expect(fetched).toHaveLength(2)
  const other = { ...part('other', 'two'), sha256: sha256('tow') }
  await expect(cache.fill([other], fetchWhole, faults)).rejects.toThrow('damaged segments/shared/all')
})
