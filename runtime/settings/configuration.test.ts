import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadConfiguration, settingsInForce } from './configuration.ts'
import { secretsOf } from './secrets.ts'
import { ALL_SETTINGS, variableOf } from './setting-names.ts'

async function fileWith(text: string, name = 'watershed.json'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'watershed-configuration-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

describe('configuration', () => {
  test('has defaults for everything, and makes a demo stream when nothing was asked for', async () => {
    const configuration = await loadConfiguration({})
    expect(configuration).toMatchObject({ host: '127.0.0.1', port: 8787, partitions: 4, demo: true })
    expect(configuration).toMatchObject({
      log: 'sqlite',
      speedStore: 'sqlite',
      dictionary: 'sqlite',
      schedule: 'node-cron',
    })
    expect(configuration.data).toBe(resolve('watershed-data'))
  })

  test("a command's defaults stand in for the schema's, and give way to everything else", async () => {
    const defaults = { port: 0 }
    expect((await loadConfiguration({ defaults })).port).toBe(0)
    expect((await loadConfiguration({ defaults, environment: { WATERSHED_PORT: '9' } })).port).toBe(9)
  })

  test.each([
    ['a shipped dataset that a flag names', { flags: { datasets: ['meetup_rsvps'] } }, true],
    ['a file beside it', { flags: { datasets: ['meetup_rsvps', './mine.ts'] } }, false],
    ['a refused demo', { flags: { datasets: ['meetup_rsvps'], demo: false } }, false],
    ['--set', { set: ['datasets=meetup_rsvps'] }, false],
    ['the environment', { environment: { WATERSHED_DATASETS: 'meetup_rsvps' } }, false],
  ])('%s: whether a demo stream is made', async (_, sources, demo) => {
    expect((await loadConfiguration(sources)).demo).toBe(demo)
  })

  test('flags win over the environment, and the environment over the file', async () => {
    const file = await fileWith('{ "port": 1, "partitions": 2, "segmentAgeMsMax": 100 }')
    const configuration = await loadConfiguration({
      file,
      environment: { WATERSHED_PORT: '2', WATERSHED_PARTITIONS: '3', WATERSHED_DEMO: 'false' },
      flags: { port: 4, host: undefined },
    })
    expect(configuration).toMatchObject({ port: 4, partitions: 3, segmentAgeMsMax: 100, demo: false })
  })

  test('paths in a file are relative to the file', async () => {
    const file = await fileWith('{ "data": "here", "datasets": ["./mine.ts", "meetup_rsvps"] }')
    const configuration = await loadConfiguration({ file })
    expect(configuration.data).toBe(resolve(file, '../here'))
    expect(configuration.datasets).toEqual([resolve(file, '../mine.ts'), 'meetup_rsvps'])
  })

  test('a .ts file works as well', async () => {
    const file = await fileWith('export default { port: 4711 as number }', 'watershed.config.ts')
    expect((await loadConfiguration({ file })).port).toBe(4711)
  })

  test('an unknown key is refused with the nearest name', async () => {
    const file = await fileWith('{ "segmentAgeMaxMs": 1 }')
    await expect(loadConfiguration({ file })).rejects.toThrow(
      /'segmentAgeMaxMs' is not a setting \(did you mean 'segmentAgeMsMax'\?\)/,
    )
    await expect(loadConfiguration({ environment: { WATERSHED_PROT: '1' } })).rejects.toThrow(/WATERSHED_PORT/)
  })

  test('a wrong value is refused with its setting and its source', async () => {
    const wrong = loadConfiguration({ environment: { WATERSHED_PORT: 'eighty' } })
    await expect(wrong).rejects.toThrow(/port \(environment WATERSHED_PORT\): .*"eighty"/)
  })

  test('an address that others can reach needs keys', async () => {
    await expect(loadConfiguration({ flags: { host: '0.0.0.0' } })).rejects.toThrow(/keys/)
    const keys = 'a-long-enough-api-key,another-long-enough-key'
    const configuration = await loadConfiguration({ flags: { host: '0.0.0.0' }, environment: { WATERSHED_KEYS: keys } })
    expect(configuration.keys).toEqual(keys.split(','))
    const unsendable = loadConfiguration({ environment: { WATERSHED_KEYS: 'schlüssel-mit-umlaut-€' } })
    await expect(unsendable).rejects.toThrow(/keys.*must be printable ASCII/s)
    await expect(unsendable).rejects.not.toThrow(/umlaut/)
  })
})

describe('sections', () => {
  test('come from the file as objects, and from the environment and --set with their name before', async () => {
    const file = await fileWith('{ "kafka": { "brokers": ["a:1"], "topics": { "x": "y" }, "clientId": "file" } }')
    const { kafka, redis } = await loadConfiguration({
      file,
      environment: { WATERSHED_KAFKA_BROKERS: 'b:1,c:2', WATERSHED_REDIS_URL: 'redis://r:1' },
      set: ['kafka.clientId=set', 'kafka.ssl=true', 'redis.keyPrefix=a=b:'],
    })
    expect(kafka).toMatchObject({ brokers: ['b:1', 'c:2'], topics: { x: 'y' }, clientId: 'set', ssl: true })
    expect(redis).toEqual({ url: 'redis://r:1', keyPrefix: 'a=b:' })
    const map = await loadConfiguration({ environment: { WATERSHED_KAFKA_TOPICS: 'x=y,z=web.z' } })
    expect(map.kafka.topics).toEqual({ x: 'y', z: 'web.z' })
    const source = 'https://example.org/groups?id={key}&fields=all'
    const sources = await loadConfiguration({
      environment: { WATERSHED_DICTIONARY_SOURCES: `group_details=${source}` },
    })
    expect(sources.dictionarySources).toEqual({ group_details: source })
  })

  test.each([
    ['{ "kafka": { "broker": [] } }', /'kafka.broker' is not a setting \(did you mean 'kafka.brokers'\?\)/],
    ['{ "kafka": "a:1" }', /'kafka' is a section/],
    ['{ "kafka": { "brokers": "a:1" } }', /^kafka\.brokers \(file .*"a:1"$/],
    ['{ "kafka.brokers": ["a:1"], "log": "kafak" }', /^log \(file .*"kafak"$/],
  ])('%s is refused', async (text, message) => {
    await expect(loadConfiguration({ file: await fileWith(text) })).rejects.toThrow(message)
  })

  test('--set reports unknown names and malformed values', async () => {
    await expect(loadConfiguration({ set: ['redis.ur=x'] })).rejects.toThrow(/did you mean 'redis.url'/)
    await expect(loadConfiguration({ set: ['redis.url'] })).rejects.toThrow(/example: --set port=8080/)
    await expect(loadConfiguration({ set: ['port=x'] })).rejects.toThrow(/^port \(--set\)/)
  })

  test.each([
    [['kafka.saslUsername=me'], /set all three, or none/],
    [['elasticsearch.username=me'], /set both, or none/],
    [['elasticsearch.apiKey=k', 'elasticsearch.username=me', 'elasticsearch.password=p'], /set only one of them/],
    [['kafka.format=confluent'], /requires kafka.registryUrl/],
    [['kafka.registryUsername=me'], /set both, or none/],
    [['tlsCert=cert.pem'], /tlsCert and tlsKey must be set together/],
    [['batchEngine=trino'], /set trino.lakeUri to the folder's address/],
    [['batchEngine=trino', 'lake=s3://b/p', 'trino.password=p', 'trino.token=t'], /set only one of them/],
  ])('%j is refused as a combination', async (set, message) => {
    await expect(loadConfiguration({ set })).rejects.toThrow(message)
  })
})

test.each([
  ['batchEngine=spark', /^batchEngine .*"trino"/],
  ['trino.url=http://host:99999', /^trino\.url .*must be http\(s\):\/\/host:port/],
  ['trino.url=http://host:8080/ui', /^trino\.url .*must be http\(s\):\/\/host:port/],
  ['trino.user=Łukasz', /^trino\.user .*printable ASCII/],
  ['trino.lakeUri=/srv/lake', /^trino\.lakeUri .*must be a URI/],
  ['trino.lakeUri=s3://bucket/prefix?versioned', /^trino\.lakeUri .*must be a URI/],
  ['s3.endpoint=http://host:99999', /^s3\.endpoint .*must be http\(s\):\/\/host:port/],
  ['s3.endpoint=http://me:hidden@host:9000', /^s3\.endpoint (?!.*hidden).*must be http\(s\):\/\/host:port/],
  ['trino.url=http://me:hidden@host:99999', /^trino\.url (?!.*hidden).*must be http\(s\):\/\/host:port/],
])('--set %s is refused', async (set, message) => {
  await expect(loadConfiguration({ set: [set] })).rejects.toThrow(message)
})

describe('credentials that would be sent unencrypted to another machine', () => {
  const KAFKA = ['log=kafka', 'kafka.brokers=b1:9092', 'kafka.saslMechanism=plain', 'kafka.saslUsername=me']
  const elasticsearch = ['speedStore=elasticsearch', 'elasticsearch.node=http://es:9200']
  const refused: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['elasticsearch.node', [...elasticsearch, 'elasticsearch.apiKey=k'], ['elasticsearch.node=https://es:9200']],
    [
      'elasticsearch.node',
      ['presented=elasticsearch', 'elasticsearch.node=http://me:pass@es:9200'],
      ['elasticsearch.node=http://me:pass@127.0.0.1:9200'],
    ],
    ['redis.url', ['dictionary=redis', 'redis.url=redis://:pass@redis:6379'], ['redis.url=rediss://:pass@redis:6379']],
    ['redis.url', ['schedule=bullmq', 'redis.url=redis://:pass@10.0.0.7'], ['redis.url=redis://:pass@localhost']],
    ['kafka.brokers', [...KAFKA, 'kafka.saslPassword=p'], ['kafka.ssl=true']],
    [
      'kafka.registryUrl',
      ['log=kafka', 'kafka.registryUrl=http://r', 'kafka.registryUsername=me', 'kafka.registryPassword=p'],
      ['kafka.registryUrl=https://r'],
    ],
    [
      'trino.url',
      ['batchEngine=trino', 'lake=s3://b/p', 'trino.url=http://t:8080', 'trino.token=t'],
      ['trino.url=https://t:8443'],
    ],
    [
      'dictionarySources, g',
      ['dictionarySources=g=http://h/{key}?api_key=abc'],
      ['dictionarySources=g=http://h/{key}?fields=all'],
    ],
  ]
  test.each(refused)('%s: %j is refused unless it is encrypted, local or allowed', async (name, set, right) => {
    await expect(loadConfiguration({ set })).rejects.toThrow(`${name}`)
    await expect(loadConfiguration({ set })).rejects.toThrow('unencrypted; use')
    await expect(loadConfiguration({ set: [...set, 'plaintextCredentials=true'] })).resolves.toBeDefined()
    await expect(loadConfiguration({ set: [...set, ...right] })).resolves.toBeDefined()
  })

  test('services that are not used, or need no credentials, are not looked at', async () => {
    const set = ['elasticsearch.node=http://me:pass@es:9200', 'log=kafka', 'kafka.brokers=b1:9092']
    await expect(loadConfiguration({ set })).resolves.toBeDefined()
  })
})

describe('secrets', () => {
  const KEY = 'a-long-enough-api-key'
  const environment = {
    WATERSHED_KEYS: `${KEY},another-long-enough-key`,
    WATERSHED_REDIS_URL: 'redis://me:p%40ssword@host:6379/1',
    WATERSHED_KAFKA_SASL_MECHANISM: 'plain',
    WATERSHED_KAFKA_SASL_USERNAME: 'me',
    WATERSHED_KAFKA_SASL_PASSWORD: 'kafka-password',
    WATERSHED_ELASTICSEARCH_API_KEY: 'elastic-key',
    WATERSHED_KAFKA_REGISTRY_URL: 'https://me:registry-password@host:8081',
    WATERSHED_TRINO_URL: 'https://me:trino-password@host:8443',
    WATERSHED_TRINO_TOKEN: 'trino-token',
    WATERSHED_DICTIONARY_SOURCES:
      'groups=https://me:source-password@host/{key}?token=source-token,places=https://host/?id={key}&key=place-token',
  }
  const SECRETS = [
    ...[KEY, 'another-long-enough-key', 'p%40ssword', 'p@ssword', 'kafka-password', 'elastic-key'],
    ...['trino-password', 'trino-token'],
    ...['registry-password', 'source-password', 'token=source-token', 'key=place-token'],
  ]

  test('are masked where settings are shown, with the place that each came from', async () => {
    const shown = await settingsInForce({ environment, flags: { port: 1 }, set: ['log=kafka'] })
    const of = (name: string): unknown[] => {
      const { value, from } = shown.find((setting) => setting.name === name)!
      return [value, from]
    }
    expect(of('keys')).toEqual([['***', '***'], 'environment WATERSHED_KEYS'])
    expect(of('redis.url')).toEqual(['redis://me:***@host:6379/1', 'environment WATERSHED_REDIS_URL'])
    expect(of('kafka.saslUsername')).toEqual(['me', 'environment WATERSHED_KAFKA_SASL_USERNAME'])
    expect(of('kafka.registryUrl')[0]).toBe('https://me:***@host:8081')
    expect(of('dictionarySources')[0]).toEqual({
      groups: 'https://me:***@host/{key}?token=***',
      places: 'https://host/?id={key}&key=***',
    })
    expect(of('port')).toEqual([1, 'flag'])
    expect(of('log')).toEqual(['kafka', '--set'])
    expect(of('host')).toEqual(['127.0.0.1', 'default'])
    expect(of('kafka.retentionMs')).toEqual([null, 'default'])
    for (const secret of SECRETS) expect(JSON.stringify(shown)).not.toContain(secret)
  })

  test('are known to the log', async () => {
    expect([...secretsOf(await loadConfiguration({ environment }))].sort()).toEqual([...SECRETS].sort())
  })

  test('are masked in messages about them', async () => {
    const wrong = loadConfiguration({ environment: { WATERSHED_KEYS: 'short-key' } })
    await expect(wrong).rejects.toThrow(/^keys \(environment WATERSHED_KEYS\)/)
    await expect(wrong).rejects.not.toThrow(/short-key/)
    for (const sources of ['groups=https://me:source-password@host/', 'https://me:source-password@host/{key}'])
      await expect(loadConfiguration({ environment: { WATERSHED_DICTIONARY_SOURCES: sources } })).rejects.toThrow(
        /^dictionarySources (?!.*source-password)/,
      )
  })
})

test('docs/reference/configuration.md lists exactly the settings, with their defaults', async () => {
  const text = await readFile(new URL('../../docs/reference/configuration.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `([\w.]+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)].map((row) => row.slice(1, 5))
  const expected = [...ALL_SETTINGS.values()].map(({ name, kind, schema }) => {
    const fallback = schema.safeParse(undefined).data
    return [name, kind, fallback === undefined ? '' : `\`${JSON.stringify(fallback)}\``, schema.description]
  })
  expect(rows).toEqual(expected)
  expect(text).toContain(variableOf('segmentAgeMsMax'))
  expect(text).toContain(variableOf('kafka.topicPrefix'))
})
