/** What only the driver on Redis can meet: a server that is down, was emptied, is full, or holds what nobody published. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { until } from '#tests/until.ts'
import { entry } from '../dictionary-contract.ts'
import { RedisDictionary } from './redis-dictionary.ts'

const large = Array.from({ length: 3_000 }, (_, i) => entry(`k${i}`, 'ü'.repeat(500)))
/** In one step, so that the version cannot become whole in between. */
const EMPTY_IF_STAGED = `
  if #redis.call('KEYS', '*staged*') == 0 then return 0 end
  redis.call('FLUSHALL')
  return 1`

describe.skipIf(whyNoRedis() !== null)('the dictionary on Redis', () => {
  let server: RedisServer
  let bare: Redis
  let store: RedisDictionary
  let told: string[]
  beforeAll(async () => {
    server = await startRedis()
    bare = new Redis(server.url, { retryStrategy: () => 50 })
    bare.on('error', () => {})
  })
  afterAll(async () => {
    bare?.disconnect()
    await server?.stop()
  })
  beforeEach(async () => {
    await bare.flushall()
    told = []
    store = await RedisDictionary.open({
      url: server.url,
      onReady: () => told.push('ready'),
      onLost: (message) => told.push(message),
    })
  })
  afterEach(() => store.close())

  test('has the same versions as the embedded one, and leaves no staged rows behind', async () => {
    const version = await store.publish('c', large)
    expect(version).toMatch(/^[0-9a-f]{64}$/)
    expect(await store.entries('c', version)).toEqual(large.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
    expect((await bare.keys('*')).sort()).toEqual([
      `watershed:dictionary:{c}:content:${version}`,
      'watershed:dictionary:{c}:versions',
    ])
    expect(await bare.ttl(`watershed:dictionary:{c}:content:${version}`)).toBe(-1)
  })

  test('keeps its keys apart by prefix', async () => {
    const other = await RedisDictionary.open({ url: server.url, keyPrefix: 'b:' })
    await store.publish('c', [entry('a', '1')])
    expect(await other.version('c')).toBeNull()
    await other.close()
  })

  test('fails within seconds while Redis is away, says so once, and goes on when it is back', async () => {
    const version = await store.publish('c', [entry('a', '1')])
    await server.kill9()
    for (let i = 0; i < 2; i++) {
      await expect(store.version('c')).rejects.toMatchObject({
        reason: 'unreachable',
        retryable: true,
        message: expect.stringMatching(
          /^Redis at 127\.0\.0\.1:\d+: reading the version of dictionary 'c': .*automatically/,
        ),
      })
    }
    await server.restart()
    expect(await store.entries('c', version)).toEqual([entry('a', '1')])
    expect(told).toEqual(['ready', expect.stringMatching(/^Redis at .*: connecting: /), 'ready'])
  })

  test('opens while Redis is away', async () => {
    await server.kill9()
    const early = await RedisDictionary.open({ url: server.url })
    await expect(early.version('c')).rejects.toMatchObject({ reason: 'unreachable' })
    await server.restart()
    expect(await early.version('c')).toBeNull()
    await early.close()
  })

  test('publishes the whole version again after Redis was emptied, also in the middle of publishing', async () => {
    const version = await store.publish('c', large)
    await bare.flushall()
    expect(await store.version('c')).toBeNull()
    await expect(store.entries('c', version)).rejects.toThrow(/no longer kept/)
    expect(await store.publish('c', large)).toBe(version)
    await bare.flushall()

    await until('Redis is emptied in the middle of publishing', () => isEmptiedWhilePublishing(version))
    expect(await store.entries('c', version)).toHaveLength(large.length)
  })

  /** @returns false if the version was whole before Redis could be emptied; nothing is there then */
  async function isEmptiedWhilePublishing(version: string): Promise<boolean> {
    let ended = false
    const publishing = store.publish('c', large).finally(() => {
      ended = true
    })
    let emptied = false
    while (!ended && !emptied) emptied = (await bare.eval(EMPTY_IF_STAGED, 0)) === 1
    expect(await publishing).toBe(version)
    if (!emptied) await bare.flushall()
    return emptied
  }

  test('takes rows that something else changed for no dictionary', async () => {
    const version = await store.publish('c', [entry('a', '1'), entry('b', '2')])
    const content = `watershed:dictionary:{c}:content:${version}`
    await bare.lset(content, 1, JSON.stringify(['a', JSON.stringify({ name: '9' })]))
    await expect(store.entries('c', version)).rejects.toThrow(/'c'.*differ from the published ones/)
    expect(await store.publish('c', [entry('a', '1'), entry('b', '2')])).toBe(version)
    expect(await store.entries('c', version)).toEqual([entry('a', '1'), entry('b', '2')])
    await bare.lset(content, 2, 'no row')
    await store.publish('c', [entry('a', '1'), entry('b', '2')])
    expect(await store.entries('c', version)).toEqual([entry('a', '1'), entry('b', '2')])
    await bare.rpop(content)
    await expect(store.entries('c', version)).rejects.toThrow(/publish the dictionary again/)
    await store.publish('c', [entry('a', '1'), entry('b', '2')])
    expect(await store.entries('c', version)).toEqual([entry('a', '1'), entry('b', '2')])
  })

  test('a full Redis refuses a version as a whole; the one before stays', async () => {
    const first = await store.publish('c', [entry('a', '1')])
    await bare.config('SET', 'maxmemory', '2mb')
    await expect(store.publish('c', large)).rejects.toMatchObject({ reason: 'full' })
    expect(await store.entries('c', (await store.version('c'))!)).toEqual([entry('a', '1')])
    await bare.config('SET', 'maxmemory', '0')
    const second = await store.publish('c', large)
    expect(second).not.toBe(first)
    expect(await store.version('c')).toBe(second)
  })

  test('shows no password, and says what is wrong with an address', async () => {
    const secret = await RedisDictionary.open({ url: server.url.replace('//', '//user:hunter2hunter2@') })
    const error = await secret.version('c').catch((fault: Error) => fault)
    expect(error).toMatchObject({ reason: 'refused' })
    expect(String(error)).not.toContain('hunter2')
    await secret.close()
    await expect(RedisDictionary.open({ url: 'localhost:6379' })).rejects.toThrow(/redis:\/\/127\.0\.0\.1:6379/)
  })
})
