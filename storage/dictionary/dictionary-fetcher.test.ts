import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import type { DictionaryStore } from './dictionary.ts'
import { DictionaryFetcher, type DictionaryFetcherOptions, type FetchKey, FetchRefused } from './dictionary-fetcher.ts'
import { RedisDictionary } from './redis/redis-dictionary.ts'
import { SqliteDictionary } from './sqlite/sqlite-dictionary.ts'

const WAIT = { timeout: 20_000, interval: 5 }
const QUICK = { requestsPerSecondMax: 1_000, retryMs: 1, publishEveryMs: 3_600_000 }

let folder: string
let store: DictionaryStore
let fetchers: DictionaryFetcher[]
let faults: string[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fetcher-'))
  store = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  fetchers = []
  faults = []
})
afterEach(async () => {
  for (const fetcher of fetchers) await fetcher.stop()
  await store.close()
  rmSync(folder, { recursive: true })
})

function open(fetch: FetchKey, options: Partial<DictionaryFetcherOptions> = {}): DictionaryFetcher {
  const onFault = (message: string): void => void faults.push(message)
  const limits = { ...QUICK, ...options.limits }
  const fetcher = new DictionaryFetcher({ store, dictionary: 'groups', fetch, onFault, ...options, limits })
  fetchers.push(fetcher)
  return fetcher
}

async function published(of: DictionaryStore = store): Promise<Record<string, unknown> | null> {
  const version = await of.version('groups')
  if (version === null) return null
  return Object.fromEntries((await of.entries('groups', version)).map(({ key, attributes }) => [key, attributes]))
}

const idle = (fetcher: DictionaryFetcher) => expect.poll(() => fetcher.state().waiting, WAIT).toBe(0)

test('publishes what it fetched as one version, and asks for each key once', async () => {
  const asked: string[] = []
  const fetcher = open(async (key) => {
    asked.push(key)
    return key === 'none' ? null : { name: `group ${key}` }
  })
  fetcher.start()
  await expect.poll(() => published(), WAIT).toEqual({})
  fetcher.want(['1', '2', 'none', '1'])
  await idle(fetcher)
  await fetcher.publish()
  fetcher.want(['1', '2', 'none'])
  await idle(fetcher)
  expect(asked.sort()).toEqual(['1', '2', 'none'])
  expect(await published()).toEqual({ '1': { name: 'group 1' }, '2': { name: 'group 2' } })
  expect(fetcher.state()).toEqual({ waiting: 0, found: 2, absent: 1, failed: 0, refused: 0, fault: null })
})

/** The store, and the dictionaries whose versions were asked for and published. */
function counted(): { readonly store: DictionaryStore; readonly asked: string[]; readonly published: string[] } {
  const [asked, published]: string[][] = [[], []]
  const counting: DictionaryStore = {
    version: (name) => {
      asked!.push(name)
      return store.version(name)
    },
    publish: (name, entries) => {
      published!.push(name)
      return store.publish(name, entries)
    },
    entries: (name, version) => store.entries(name, version),
    close: () => store.close(),
  }
  return { store: counting, asked: asked!, published: published! }
}

test('the pause between two publications grows with the entries', async () => {
  const { store, asked, published: versions } = counted()
  let elapsedMs = 0
  const fetcher = open(async (key) => ({ name: key }), {
    store,
    elapsed: () => elapsedMs,
    limits: { publishEveryMs: 1, restMsPerEntry: 1_000 },
  })
  fetcher.start()
  fetcher.want(['1', '2', '3'])
  await idle(fetcher)
  await fetcher.publish()
  const before = versions.length
  fetcher.want(['4'])
  await idle(fetcher)
  const looksUntil = async (ms: number): Promise<void> => {
    elapsedMs = ms
    const looks = asked.length
    await expect.poll(() => asked.length, WAIT).toBeGreaterThan(looks + 10)
  }
  await looksUntil(2_999)
  expect(versions.length).toBe(before)
  await looksUntil(3_000)
  expect(versions.slice(before)).toEqual(['groups.fetched', 'groups'])
  expect(Object.keys((await published())!)).toEqual(['1', '2', '3', '4'])
  fetcher.want(['5'])
  await idle(fetcher)
  await fetcher.stop()
  expect(Object.keys((await published())!)).toEqual(['1', '2', '3', '4', '5'])
})

test('entries that were fetched again and are the same are not published again, only their times', async () => {
  const { store, published: versions } = counted()
  let nowMs = 1_000_000
  let name = 'old'
  const fetcher = open(async (key) => (key === 'none' ? null : { name }), {
    store,
    clock: () => nowMs,
    limits: { expiresAfterMs: 1_000 },
  })
  const next = async (): Promise<string[]> => {
    const before = versions.length
    nowMs += 2_000
    fetcher.want(['1', 'none'])
    await idle(fetcher)
    await fetcher.publish()
    return versions.slice(before)
  }
  expect(await next()).toEqual(['groups.fetched', 'groups'])
  expect(await next()).toEqual(['groups.fetched'])
  name = 'new'
  expect(await next()).toEqual(['groups.fetched', 'groups'])
  expect(await published()).toEqual({ '1': { name: 'new' } })
})

test('a version stays as it is while the next one is made', async () => {
  const fetcher = open(async (key) => ({ name: key }))
  fetcher.want(['1'])
  await idle(fetcher)
  await fetcher.publish()
  const pinned = (await store.version('groups'))!
  fetcher.want(['2'])
  await idle(fetcher)
  await fetcher.publish()
  expect(await store.entries('groups', pinned)).toEqual([{ key: '1', attributes: { name: '1' } }])
  expect(Object.keys((await published())!)).toEqual(['1', '2'])
})

test('knows after a restart what was fetched and what does not exist, and keeps entries from a file', async () => {
  await store.publish('groups', [{ key: 'file', attributes: { name: 'by hand' } }])
  const first = open(async (key) => (key === 'none' ? null : { name: key }))
  await first.publish()
  first.want(['1', 'none', 'file'])
  await idle(first)
  await first.stop()
  const asked: string[] = []
  const second = open(async (key) => {
    asked.push(key)
    return { name: key }
  })
  await second.publish()
  second.want(['1', 'none', 'file', '2'])
  await idle(second)
  await second.publish()
  expect(asked).toEqual(['2'])
  expect(await published()).toEqual({ file: { name: 'by hand' }, '1': { name: '1' }, '2': { name: '2' } })
})

test('two fetchers of one dictionary keep what the other one found', async () => {
  const one = open(async (key) => ({ name: key }))
  const other = open(async (key) => ({ name: key }))
  one.want(['1'])
  other.want(['2'])
  await idle(one)
  await idle(other)
  await one.publish()
  await other.publish()
  await one.publish()
  expect(Object.keys((await published())!)).toEqual(['1', '2'])
})

test('fetches again what has expired; the old entry stays until that succeeds, and goes when there is none any more', async () => {
  let nowMs = 1_000_000
  let answer: () => Promise<{ name: string } | null> = async () => ({ name: 'old' })
  const fetcher = open(() => answer(), {
    clock: () => nowMs,
    elapsed: () => nowMs,
    limits: { expiresAfterMs: 1_000, retriesMax: 0, failedRestMs: 10 },
  })
  fetcher.want(['1'])
  await idle(fetcher)
  await fetcher.publish()
  const next = async (): Promise<unknown> => {
    nowMs += 2_000
    await fetcher.publish()
    await idle(fetcher)
    await fetcher.publish()
    return published()
  }
  answer = async () => {
    throw new Error('down')
  }
  expect(await next()).toEqual({ '1': { name: 'old' } })
  answer = async () => ({ name: 'new' })
  expect(await next()).toEqual({ '1': { name: 'new' } })
  answer = async () => null
  expect(await next()).toEqual({})
  expect(fetcher.state()).toMatchObject({ found: 2, absent: 1, failed: 1 })
})

test('fetches again what was fetched under a clock that was ahead', async () => {
  let nowMs = 1_700_000_000_000 + 400 * 86_400_000
  let name = 'old'
  const fetcher = open(async () => ({ name }), { clock: () => nowMs })
  fetcher.want(['1'])
  await idle(fetcher)
  await fetcher.publish()
  nowMs = 1_700_000_000_000
  name = 'new'
  const other = open(async () => ({ name }), { clock: () => nowMs })
  await other.publish()
  await idle(other)
  await other.publish()
  expect(await published()).toEqual({ '1': { name: 'new' } })
  // The one that fetched it believes its own time no more, either.
  await fetcher.publish()
  await idle(fetcher)
  await fetcher.publish()
  expect(await published()).toEqual({ '1': { name: 'new' } })
  other.want(['1'])
  expect(other.state()).toMatchObject({ waiting: 0, found: 1 })
})

test('never asks faster than its rate, retries included', async () => {
  const startedMs: number[] = []
  const fetcher = open(
    async () => {
      startedMs.push(performance.now())
      throw new Error('down')
    },
    { limits: { requestsPerSecondMax: 3, retriesMax: 1 } },
  )
  fetcher.want(['1', '2', '3', '4'])
  await idle(fetcher)
  expect(startedMs).toHaveLength(8)
  // Of any four requests in a row, the last came a second after the first; a timer may be a little early.
  const spans = startedMs.slice(3).map((ms, i) => ms - startedMs[i]!)
  expect(Math.min(...spans)).toBeGreaterThan(950)
})

test('retries what failed, gives up what is refused, and leaves both alone for a while', async () => {
  let [clockMs, elapsedMs] = [7_200_000, 0]
  const tries = new Map<string, number>()
  const fetcher = open(
    async (key) => {
      tries.set(key, (tries.get(key) ?? 0) + 1)
      if (key === 'flaky' && tries.get(key)! < 3) throw new TypeError('fetch failed')
      if (key === 'forbidden') throw new FetchRefused('403')
      if (key === 'down') throw new Error('503')
      return { name: key }
    },
    { clock: () => clockMs, elapsed: () => elapsedMs, limits: { retriesMax: 3, failedRestMs: 1_000 } },
  )
  const keys = ['flaky', 'forbidden', 'down']
  fetcher.want(keys)
  await idle(fetcher)
  expect(Object.fromEntries(tries)).toEqual({ flaky: 3, forbidden: 1, down: 4 })
  fetcher.want(keys)
  await idle(fetcher)
  expect(tries.get('forbidden')).toBe(1)
  // A clock that was set back does not make it wait longer.
  clockMs = 3_600_000
  elapsedMs = 1_000
  fetcher.want(keys)
  await idle(fetcher)
  expect(tries.get('forbidden')).toBe(2)
  expect(faults[0]).toMatch(/'groups' key '(forbidden|down)' cannot be fetched: (403|503)/)
})

test('has room for so many keys and no more', async () => {
  const release = Promise.withResolvers<void>()
  const fetcher = open(
    async (key) => {
      await release.promise
      return { name: key }
    },
    { limits: { keysWaitingMax: 3, keysMax: 4 } },
  )
  fetcher.want(['1', '2', '3', '4', '5'])
  expect(fetcher.state()).toMatchObject({ waiting: 3, refused: 2 })
  release.resolve()
  await idle(fetcher)
  fetcher.want(['4', '5'])
  await idle(fetcher)
  expect(fetcher.state()).toMatchObject({ found: 4, refused: 3 })
  expect(faults).toHaveLength(2)
  expect(faults[0]).toContain('keysWaitingMax = 3')
})

test('stops while requests are on their way', async () => {
  const fetcher = open(
    (_key, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  fetcher.want(['1', '2'])
  await fetcher.stop()
  await idle(fetcher)
  expect(fetcher.state()).toMatchObject({ found: 0, failed: 0 })
})

describe.skipIf(whyNoRedis() !== null)('on Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  test('publishes all it knows when Redis was emptied, and what came meanwhile when it was away', async () => {
    const redis = await RedisDictionary.open({ url: server.url })
    const fetcher = open(async (key) => ({ name: key }), { store: redis })
    fetcher.want(['1'])
    await idle(fetcher)
    await fetcher.publish()
    await server.flushAll()
    await fetcher.publish()
    expect(await published(redis)).toEqual({ '1': { name: '1' } })
    await server.kill9()
    fetcher.want(['2'])
    await idle(fetcher)
    await fetcher.publish()
    expect(faults).toEqual([expect.stringMatching(/'groups' cannot be published: Redis at .*published later/)])
    await server.restart()
    await fetcher.publish()
    expect(await published(redis)).toEqual({ '1': { name: '1' }, '2': { name: '2' } })
    expect(fetcher.state().fault).toBeNull()
    await fetcher.stop()
    await redis.close()
  })
})
