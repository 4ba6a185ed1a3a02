import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { DICTIONARY_VERSIONS_MAX } from './dictionary-content.ts'
import { dictionaryContract } from './dictionary-contract.ts'
import { RedisDictionary } from './redis/redis-dictionary.ts'
import { SqliteDictionary } from './sqlite/sqlite-dictionary.ts'

dictionaryContract('sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dictionary-'))
  return {
    versionsMax: DICTIONARY_VERSIONS_MAX,
    open: () => SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') }),
    close: () => rm(folder, { recursive: true }),
  }
})

describe.skipIf(whyNoRedis() !== null)('on a real Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  dictionaryContract('redis', async () => ({
    versionsMax: DICTIONARY_VERSIONS_MAX,
    open: () => RedisDictionary.open({ url: server.url }),
    close: () => server.flushAll(),
  }))
})
