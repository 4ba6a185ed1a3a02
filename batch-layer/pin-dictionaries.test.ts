/** Batch runs whose dictionaries are on a real Redis that is emptied, killed and brought back: enrichment waits, counting goes on. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DictionaryFetcher } from '#storage/dictionary/dictionary-fetcher.ts'
import { RedisDictionary } from '#storage/dictionary/redis/redis-dictionary.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { BatchFixture } from './batch-fixture.ts'

const named = (name: string) => [{ key: 'us', attributes: { name } }]

describe.skipIf(whyNoRedis() !== null)('a batch run with dictionaries on Redis', () => {
  let server: RedisServer
  let batch: BatchFixture
  let dictionary: RedisDictionary
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    batch = await BatchFixture.open()
    dictionary = await RedisDictionary.open({ url: server.url })
    await batch.land(0, 40)
  })
  afterEach(async () => {
    await dictionary.close()
    await server.flushAll()
    await batch.close()
  })

  const warnings = (): string[] =>
    batch.events.filter(({ name }) => name === 'dictionary-unavailable').map(({ message }) => message)

  it('keeps what it pinned when Redis was emptied, and takes the newest when it is published again', async () => {
    const version = await dictionary.publish('countries', named('United States'))
    const first = await batch.run({ mode: 'full', dictionary })
    await server.flushAll()
    await batch.land(0, 10)
    const second = await batch.run({ mode: 'incremental', dictionary })
    expect(second!.rows).toBe(50)
    expect(second!.dictionaries.countries).toMatchObject({ version, file: { rows: 1 } })
    expect(second!.dictionaries.countries!.unknownKeys).toBe(first!.dictionaries.countries!.unknownKeys)
    expect(warnings()).toEqual([expect.stringMatching(/'countries'.*no longer has it.*keeps version/)])
    const next = await dictionary.publish('countries', named('USA'))
    const third = await batch.run({ mode: 'incremental', dictionary })
    expect(third!.dictionaries.countries!.version).toBe(next)
    await batch.expectRecount(third)
  })

  it.each(['incremental', 'full'] as const)('a %s run survives a Redis that dies in its middle', async (mode) => {
    const version = await dictionary.publish('countries', named('United States'))
    await batch.run({ mode: 'full', dictionary })
    await dictionary.publish('countries', named('USA'))
    await batch.land(1, 30)
    let killing = Promise.resolve()
    const during = await batch.run({
      mode,
      dictionary,
      onProgress: ({ done }) => {
        if (done === 1) killing = server.kill9()
      },
    })
    await killing
    expect(during!.rows).toBe(70)
    expect(during!.dictionaries.countries!.version).toBe(version)
    expect(warnings()[0]).toMatch(/Redis at .*reading|Redis at .*looking/)
    await batch.expectRecount(during)
    await server.restart()
    const after = await batch.run({ mode: 'incremental', dictionary })
    expect(after!.dictionaries.countries!.version).toBe(await dictionary.version('countries'))
    expect(after!.dictionaries.countries!.version).not.toBe(version)
  })

  it('publishes without a dictionary while there was never a Redis, and with it as soon as there is', async () => {
    await server.kill9()
    const first = await batch.run({ mode: 'full', dictionary })
    expect(first!.rows).toBe(40)
    expect(first!.dictionaries).toEqual({})
    expect(warnings()[0]).toMatch(/answers are not enriched by it until a run can read it/)
    await server.restart()
    const version = await dictionary.publish('countries', named('USA'))
    const second = await batch.run({ mode: 'incremental', dictionary })
    expect(second!.dictionaries.countries).toMatchObject({ version })
  })

  it('has in a later run what was fetched for the keys that an earlier one lacked', async () => {
    const fetcher = new DictionaryFetcher({
      store: dictionary,
      dictionary: 'countries',
      fetch: async (key) => (key === 'de' ? null : { name: `land ${key}` }),
      limits: { requestsPerSecondMax: 1_000 },
    })
    await fetcher.publish()
    const onUnknownKeys = (name: string, keys: readonly string[]): void => {
      if (name === 'countries') fetcher.want(keys)
    }
    const first = await batch.run({ mode: 'full', dictionary, onUnknownKeys })
    expect(first!.dictionaries.countries!.file.rows).toBe(0)
    await expect.poll(() => fetcher.state()).toMatchObject({ waiting: 0, absent: 1 })
    await fetcher.publish()
    const second = await batch.run({ mode: 'incremental', dictionary, onUnknownKeys })
    // All but the one that the source does not have.
    expect(second!.dictionaries.countries!.file.rows).toBe(first!.dictionaries.countries!.unknownKeys - 1)
    expect(second!.dictionaries.countries!.unknownKeys).toBe(1)
    await fetcher.stop()
  })

  it('tells which keys a dictionary lacks', async () => {
    await dictionary.publish('countries', named('United States'))
    await dictionary.publish('topics', [])
    const told = new Map<string, readonly string[]>()
    const onUnknownKeys = (name: string, keys: readonly string[]): void => void told.set(name, keys)
    const generation = await batch.run({ mode: 'full', dictionary, onUnknownKeys })
    const { countries, topics } = generation!.dictionaries
    expect(told.get('countries')).toHaveLength(countries!.unknownKeys)
    expect(told.get('countries')).not.toContain('us')
    expect(told.get('topics')).toHaveLength(topics!.unknownKeys)
    expect(topics!.unknownKeys).toBeGreaterThan(0)
  })
})
