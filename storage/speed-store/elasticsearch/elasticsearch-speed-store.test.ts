/** The speed store's contract, and what happens under faults, on a real Elasticsearch. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ElasticsearchError } from '#storage/elasticsearch/elasticsearch-error.ts'
import { FILE_DAYS, ofToday } from '#tests/by-day.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { rowChecksum } from '../row-checksum.ts'
import { expectDamageIsFound } from '../speed-damage-contract.ts'
import { marker, partial, speedStoreContract } from '../speed-store-contract.ts'
import { partialId } from './elasticsearch-speed-index.ts'
import { ElasticsearchSpeedStore, type ElasticsearchSpeedStoreOptions } from './elasticsearch-speed-store.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000
const START = new Map([[0, 0]])
/** each starts a server of its own, or again */
const STARTING = ofToday('tests that start an Elasticsearch of their own', ['killed', 'secured'], FILE_DAYS)

describe.skipIf(missing !== null)('on a real server', () => {
  let server: ElasticsearchServer
  let stores = 0
  let indexPrefix = ''
  const opened: ElasticsearchSpeedStore[] = []
  beforeAll(async () => {
    server = await startElasticsearch()
  }, SERVER_MS_MAX)
  afterAll(() => server?.stop())
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
    indexPrefix = ''
  })

  async function open(more: Partial<ElasticsearchSpeedStoreOptions> = {}): Promise<ElasticsearchSpeedStore> {
    indexPrefix ||= `t${++stores}`
    const own = { node: server.node, dataset: 'd', log: 'l', indexPrefix, replicas: 0 }
    const store = await ElasticsearchSpeedStore.open({ ...own, retry: { retryMsMax: 30_000, waitMsMax: 500 }, ...more })
    opened.push(store)
    return store
  }
  async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${server.node}${path}`, { method, headers, body: body && JSON.stringify(body) })
    return (await answer.json()) as Record<string, unknown>
  }
  const indices = async (): Promise<string[]> =>
    Object.keys(await ask('GET', `/${indexPrefix}-speed-*/_alias?expand_wildcards=all`)).sort()
  const many = (version: number, count = 500) => Array.from({ length: count }, (_, i) => partial(`k${i}`, version))
  const rowsOf = async (store: ElasticsearchSpeedStore) => [...(await store.read(['v1'], START)).rows.get('v1')!].sort()
  const rowTexts = (rows: readonly { readonly row: string }[]) => rows.map(({ row }) => row).sort()

  speedStoreContract('elasticsearch', async () => {
    const prefix = `c${++stores}`
    const own = { dataset: 'd', log: 'l', indexPrefix: prefix, replicas: 0 }
    return {
      atomic: false,
      share: 0.4,
      open: () => ElasticsearchSpeedStore.open({ node: server.node, ...own }),
      close: async () => {
        indexPrefix = prefix
        for (const index of await indices()) await ask('DELETE', `/${index}`)
        indexPrefix = ''
      },
    }
  })

  test('reads, lists and cleans up 128 partitions, each read with as many requests as of one', async () => {
    const PARTITIONS = 128
    const proxy = await FaultyProxy.start(server.node)
    const store = await open({ node: proxy.url })
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)
    const flush = (partition: number): Promise<void> =>
      store.flush([partial('k', 2, { partition })], marker(2, { partition }))
    for (let first = 0; first < PARTITIONS; first += 8) await Promise.all(all.slice(first, first + 8).map(flush))
    const requestsOf = async (starts: ReadonlyMap<number, number>): Promise<number> => {
      const before = proxy.requests
      const { rows, markers } = await store.read(['v1'], starts)
      expect([rows.get('v1')!.length, markers.size]).toEqual([starts.size, starts.size])
      return proxy.requests - before
    }
    // To open, to search, to close; closing is not waited for.
    expect(await requestsOf(new Map([[77, 0]]))).toBeLessThanOrEqual(4)
    expect(await requestsOf(new Map(all.map((partition) => [partition, 0])))).toBeLessThanOrEqual(4)
    expect((await store.markers()).size).toBe(PARTITIONS)
    await proxy.stop()
  }, 240_000)

  test('reads more rows than a page holds, of several views and partitions, and rows of any size', async () => {
    const store = await open({ limits: { pageRowsMax: 100, bulkOperationsMax: 70 } })
    const wide = partial('wide', 9, { row: JSON.stringify({ hashes: 'f'.repeat(300_000) }) })
    const other = many(5, 30).map((row) => ({ ...row, partition: 3, segmentStart: 2, view: 'v2' }))
    await store.flush([...many(9, 450), wide], marker(9))
    await store.flush(other, marker(5, { partition: 3, segmentStart: 2 }))
    const { rows, markers, ahead } = await store.read(['v1', 'v2'], new Map([...START, [3, 2]]))
    expect([...rows.get('v1')!].sort()).toEqual(rowTexts([...many(9, 450), wide]))
    expect([...rows.get('v2')!].sort()).toEqual(rowTexts(other))
    expect([markers.size, ahead?.size]).toEqual([2, 0])
  })

  test('a result past its limit is an error, never a part of it', async () => {
    const store = await open({ limits: { pageRowsMax: 100, readRowsMax: 300 } })
    await store.flush(many(1, 301), marker(1))
    await expect(store.read(['v1'], START)).rejects.toMatchObject({ reason: 'too-large' })
  })

  test('a row that was changed is not read, and the error says what heals', async () => {
    const store = await open()
    const damageRow = async (key: string): Promise<void> => {
      const [index] = await indices()
      const path = `/${index}/_doc/${partialId(partial(key, 3))}`
      const { _source } = (await ask('GET', path)) as { readonly _source: object }
      const changed = { ..._source, row: JSON.stringify({ key, version: 4 }) }
      await ask('PUT', `${path}?version=3&version_type=external_gte&refresh=true`, changed)
    }
    await expectDamageIsFound({ store, damageRow })
  })

  test('a marker that was changed is not used: its owner folds the segment again, and writes it anew', async () => {
    const [owner, reader] = [await open(), await open()]
    await owner.flush(many(1, 5), marker(1))
    const [index] = await indices()
    const path = `/${index}/_doc/${encodeURIComponent('marker:0:0')}`
    const { _source } = (await ask('GET', path)) as { readonly _source: object }
    await ask('PUT', `${path}?refresh=true`, { ..._source, row: JSON.stringify(marker(7)) })
    await expect(reader.markers()).rejects.toMatchObject({ reason: 'damaged' })
    await expect(owner.flush([], marker(2))).rejects.toMatchObject({ reason: 'replaced' })
    await owner.flush(many(2, 5), marker(2))
    expect((await reader.markers()).get(0)).toEqual(marker(2))
  })

  test('rows of panes that are not asked for are not read', async () => {
    const store = await open({ limits: { pageRowsMax: 100, readRowsMax: 300 } })
    const others = many(1, 400).map((row) => ({ ...row, pane: 120_000 }))
    await store.flush([...others, partial('mine', 1, { pane: 60_000 })], marker(1))
    await expect(store.read(['v1'], START)).rejects.toMatchObject({ reason: 'too-large' })
    const { rows } = await store.read(['v1'], START, { fromMs: 60_000, beforeMs: 120_000 })
    expect(rows.get('v1')).toEqual([partial('mine', 1).row])
  })

  test('a flush is seen as a whole: nothing of it before its marker', async () => {
    const owner = await open()
    await owner.flush(many(1), marker(1))
    let seen: readonly unknown[] = []
    const [index] = await indices()
    await ask('PUT', `/${index}/_doc/x?version=7&version_type=external_gte`, {
      kind: 'partial',
      segment: '0:0',
      start: 0,
      view: 'v1',
      crc: rowChecksum('"not refreshed"'),
      row: '"not refreshed"',
    })
    const reader = await open()
    seen = await rowsOf(reader)
    expect(seen).toEqual(rowTexts(many(1)))
  })

  test('rows of a half-written flush that another’s refresh shows are said to be ahead', async () => {
    const owner = await open()
    await owner.flush([partial('a', 3)], marker(3))
    const [index] = await indices()
    await ask('PUT', `/${index}/_doc/x?version=7&version_type=external_gte&refresh=true`, {
      kind: 'partial',
      segment: '0:0',
      start: 0,
      view: 'v1',
      crc: rowChecksum('"newer"'),
      row: '"newer"',
    })
    const reader = await open({ limits: { settleTriesMax: 2 } })
    expect((await reader.read(['v1'], START)).ahead).toEqual(new Map([[0, 7]]))
    await owner.flush([partial('b', 7)], marker(7))
    expect((await reader.read(['v1'], START)).ahead?.size).toBe(0)
  })

  test('partials of another log are not read, and said', async () => {
    await (await open({ log: 'one' })).flush([partial('a', 5)], marker(5))
    const told: string[] = []
    const next = await open({ log: 'two', onRebuilt: (reason) => told.push(reason) })
    expect(told).toEqual([expect.stringMatching(/contains partials of log one, but this log is two/)])
    expect((await next.markers()).size).toBe(0)
    await next.flush([partial('b', 2)], marker(2))
    expect(await rowsOf(next)).toEqual([partial('b', 2).row])
    expect(await rowsOf(await open({ log: 'one' }))).toEqual([partial('a', 5).row])
  })

  test('a deleted index is never made anew under an owner: it is told to fold again', async () => {
    const [owner, reader] = [await open(), await open()]
    await owner.flush([partial('a', 1)], marker(1))
    for (const index of await indices()) await ask('DELETE', `/${index}`)
    expect((await reader.read(['v1'], START)).markers.size).toBe(0)
    await expect(owner.flush([partial('b', 2)], marker(2))).rejects.toMatchObject({ reason: 'replaced' })
    expect(await indices()).toEqual([])
    await owner.flush([partial('a', 2), partial('b', 2)], marker(2))
    expect(await rowsOf(reader)).toHaveLength(2)
  })

  test('an index that went back to an older state is found out by the next flush', async () => {
    const owner = await open()
    await owner.flush([partial('a', 1)], marker(1))
    await owner.flush([partial('a', 9)], marker(9))
    const [index] = await indices()
    const row = JSON.stringify(marker(1))
    const old = { kind: 'marker', segment: '0:0', start: 0, crc: rowChecksum(row), row }
    await ask('PUT', `/${index}/_doc/${encodeURIComponent('marker:0:0')}?refresh=true`, old)
    await expect(owner.flush([partial('b', 12)], marker(12))).rejects.toThrow(
      /offset 9 was flushed before.*through offset 1/,
    )
    expect((await owner.markers()).get(0)!.through).toBe(1)
    await owner.flush([partial('a', 12), partial('b', 12)], marker(12))
    expect(await rowsOf(owner)).toEqual(rowTexts([partial('a', 12), partial('b', 12)]))
  })

  test('a lost owner that goes on after the clean-up is stopped; what it wrote is never read', async () => {
    const [lost, winner] = [await open(), await open()]
    await lost.flush([partial('a', 4)], marker(4))
    expect(await winner.deleteClosed(0, 4, 100)).toBe(2)
    await expect(lost.flush([partial('b', 6)], marker(6))).rejects.toMatchObject({ reason: 'replaced' })
    expect((await winner.read(['v1'], START)).rows.get('v1')).toEqual([])
  })

  test('what was cleaned up can be written again with lower versions, also while the server remembers the deletion', async () => {
    const store = await open()
    await store.flush(many(40, 30), marker(40))
    const [index] = await indices()
    while ((await store.deleteClosed(0, 40, 100)) > 0);
    // As if the deletions had been a moment ago: the server keeps lower versions out.
    await ask('PUT', `/${index}/_settings`, { index: { gc_deletes: '1h' } })
    await fetch(`${server.node}/${index}/_bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: many(7, 30)
        .map((row) => `{"delete":{"_id":"${partialId(row)}","version":41,"version_type":"external_gte"}}\n`)
        .join(''),
    })
    const again = await open()
    const flushing = again.flush(many(7, 30), marker(7))
    await expect(Promise.race([flushing, again.markers().then(({ size }) => size)])).resolves.toBe(0)
    await ask('PUT', `/${index}/_settings`, { index: { gc_deletes: '0s' } })
    await flushing
    expect(await rowsOf(again)).toEqual(rowTexts(many(7, 30)))
  })

  test('what a lower version is refused for is there: nothing is written twice', async () => {
    const store = await open()
    await store.flush(many(9), marker(9))
    await (await open()).flush(many(5), marker(5))
    expect(await rowsOf(store)).toEqual(rowTexts(many(9)))
    expect((await store.markers()).get(0)!.through).toBe(9)
  })

  test('a row that the server refuses fails the flush with its reason, and no marker stands', async () => {
    const store = await open()
    const bad = partial('bad', 3, { segmentStart: 2 ** 70 })
    await expect(store.flush([partial('a', 3), bad], marker(3))).rejects.toThrow(/refuses key bad of view v1 \(400, /)
    expect((await store.markers()).size).toBe(0)
  })

  describe('behind a proxy that injects faults', () => {
    let proxy: FaultyProxy
    afterEach(() => proxy?.stop())
    const openBehind = async (more: Partial<ElasticsearchSpeedStoreOptions> = {}): Promise<ElasticsearchSpeedStore> => {
      proxy = await FaultyProxy.start(server.node)
      return open({ node: proxy.url, requestMsMax: 2_000, ...more })
    }

    test('requests that are answered 429 or 503 are sent again until they are not', async () => {
      const told: string[] = []
      const store = await openBehind({ onRetry: (message) => told.push(message) })
      proxy.answer(({ path }) => path.includes('_bulk'), [429, 503, 429])
      await store.flush(many(1), marker(1))
      expect(proxy.injected).toBe(3)
      expect(told[0]).toMatch(/flushing partition 0 through offset 1: the server responded 429.*retrying/)
      expect(await rowsOf(store)).toEqual(rowTexts(many(1)))
    })

    test('single operations that are put off are sent again, and only those', async () => {
      const store = await openBehind()
      proxy.rejectItems([0, 7, 499])
      await store.flush(many(1), marker(1))
      expect(proxy.bulkSizes).toEqual([500, 3])
      expect(await rowsOf(store)).toEqual(rowTexts(many(1)))
    })

    test('an answer that is cut half way is no answer: the same is sent again, and counts once', async () => {
      const store = await openBehind()
      await store.flush(many(1), marker(1))
      proxy.cutAnswers(({ path }) => path.includes('_bulk'), 2)
      await store.flush(many(2), marker(2))
      proxy.cutAnswers(({ path }) => path.includes('marker'), 1)
      await store.flush([partial('k0', 3)], marker(3))
      expect(proxy.injected).toBe(3)
      const [, ...rest] = many(2)
      expect(await rowsOf(store)).toEqual(rowTexts([partial('k0', 3), ...rest]))
      expect((await store.markers()).get(0)).toEqual(marker(3))
    })

    test('after the deadline the flush fails, says where, and nothing is acknowledged', async () => {
      const store = await openBehind({ retry: { retryMsMax: 300, waitMsFirst: 20, waitMsMax: 50 } })
      proxy.answer(({ path }) => path.includes('_bulk'), Array(1_000).fill(429))
      await expect(store.flush(many(1), marker(1))).rejects.toMatchObject({ reason: 'unavailable', status: 429 })
      expect((await store.markers()).size).toBe(0)
    })

    test('a read whose page is cut gives all rows or an error', async () => {
      const store = await openBehind({ limits: { pageRowsMax: 100 } })
      await store.flush(many(1), marker(1))
      proxy.cutAnswers(({ path }) => path.includes('_search'), 2)
      expect(await rowsOf(store)).toEqual(rowTexts(many(1)))
      proxy.answer(({ path }) => path.includes('_search'), [200, 400])
      await expect(store.read(['v1'], START)).rejects.toBeInstanceOf(ElasticsearchError)
    })
  })

  test.runIf(STARTING.includes('killed'))(
    'a server that is away for a while, or killed, is waited for; afterwards rows are equal',
    async () => {
      const store = await open({ requestMsMax: 1_000, retry: { retryMsMax: 300_000, waitMsMax: 500 } })
      await store.flush(many(1), marker(1))
      server.pause()
      const stuck = store.flush(many(2), marker(2))
      await expect(open({ requestMsMax: 200, retry: { retryMsMax: 300 } })).rejects.toMatchObject({
        reason: 'unavailable',
      })
      server.resume()
      await stuck
      expect(await rowsOf(store)).toEqual(rowTexts(many(2)))
      const flushing = (async () => {
        for (let version = 3; version <= 20; version++) await store.flush(many(version, 1_000), marker(version))
      })()
      await server.kill9()
      await server.restart()
      await flushing
      expect(await rowsOf(store)).toEqual(rowTexts(many(20, 1_000)))
      expect((await store.markers()).get(0)).toEqual(marker(20))
    },
    400_000,
  )
})

test.runIf(missing === null && STARTING.includes('secured'))(
  'with security on, the right user flushes and reads; a wrong one is told so',
  async () => {
    const server = await startElasticsearch({ security: true })
    const own = { node: server.node, dataset: 'd', log: 'l', indexPrefix: 'secured', replicas: 0 }
    try {
      const wrong = ElasticsearchSpeedStore.open({ ...own, auth: { username: 'elastic', password: 'guessed' } })
      await expect(wrong).rejects.toMatchObject({ reason: 'refused', status: 401 })
      await expect(wrong).rejects.toThrow(/check the user and its privileges/)
      const store = await ElasticsearchSpeedStore.open({ ...own, auth: server.auth })
      await store.flush([partial('a', 1)], marker(1))
      expect((await store.read(['v1'], START)).rows.get('v1')).toEqual([partial('a', 1).row])
      expect(await store.deleteClosed(0, 1, 10)).toBe(2)
      await store.close()
    } finally {
      await server.stop()
    }
  },
)
