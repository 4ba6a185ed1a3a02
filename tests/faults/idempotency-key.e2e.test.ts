/** Requests under an Idempotency-Key, whose client never got an answer: repeated, they count once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '../servers/kafka-server.ts'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from './notes.ts'
import { type Reply, RunningPlatform } from './watershed.ts'

const skip = await kafkaSkipReason()
const KEY = { 'idempotency-key': '"8e03978e-40d5-43e8-bc93-6894a57f9324"' }
const LINES = linesOf(notes(0, 30))
const STARTED_MS_MAX = 120_000

let folder: string
let words: readonly string[]
const running: RunningPlatform[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-keys-'))
  const definition = join(folder, 'notes.ts')
  await writeFile(definition, notesDefinition('watershed'))
  words = ['--dataset', definition]
})
afterEach(async () => {
  for (const platform of running.splice(0)) await platform.stop()
  await rm(folder, { recursive: true, force: true })
})

async function started(platform: Promise<RunningPlatform>): Promise<RunningPlatform> {
  const one = await platform
  running.push(one)
  return one
}
const start = (environment: Readonly<Record<string, string>> = {}): Promise<RunningPlatform> =>
  started(RunningPlatform.start(join(folder, 'data'), words, environment))

const taken = ({ status, body }: Reply): Record<string, unknown> => ({
  ...(JSON.parse(body) as Record<string, unknown>),
  status,
})

/** What is counted when everything up to the position is. */
async function countedAt(platform: RunningPlatform, position: unknown): Promise<unknown> {
  return (await platform.answer(`/v1/datasets/${DATASET}/views/by_topic?atLeast=${position}`)).data
}

/** Sent to a process that dies before it answers. */
async function expectNoAnswer(platform: RunningPlatform): Promise<void> {
  await expect(platform.post(DATASET, LINES, KEY)).rejects.toThrow()
  await platform.ended
}

test.each([
  ['append:before-commit', false],
  ['append:committed', true],
])(
  'the process is killed at %s: after a restart the repeated request counts once',
  async (step, repeated) => {
    await expectNoAnswer(await start({ WATERSHED_CRASH_AT: step }))
    const platform = await start()
    const again = taken(await platform.post(DATASET, LINES, KEY))
    expect(again).toMatchObject({ status: 202, accepted: 30, rejected: 0, rows: [], repeated })
    expect(taken(await platform.post(DATASET, LINES, KEY))).toEqual({ ...again, repeated: true })
    expect(await countedAt(platform, again.position)).toEqual(byTopic(notes(0, 30)))
  },
  STARTED_MS_MAX,
)

test(
  'concurrent repeats count once; other events under the key, and too many keys, are refused; without a key all count',
  async () => {
    const platform = await start({ WATERSHED_IDEMPOTENCY_KEYS_MAX: '8' })
    const replies = await Promise.all(Array.from({ length: 12 }, () => platform.post(DATASET, LINES, KEY)))
    const all = replies.map(taken)
    expect(new Set(all.map(({ status, position }) => `${status} ${position}`)).size).toBe(1)
    expect(all.filter(({ repeated }) => !repeated)).toHaveLength(1)
    const other = taken(await platform.post(DATASET, LINES.slice(1), KEY))
    expect(other).toMatchObject({ status: 422, type: 'urn:watershed:problem:key-reused' })
    for (let key = 1; key < 8; key++)
      expect((await platform.post(DATASET, [LINES[0]!], { 'idempotency-key': `k${key}` })).status).toBe(202)
    const full = taken(await platform.post(DATASET, [LINES[0]!], { 'idempotency-key': 'k8' }))
    expect(full).toMatchObject({ status: 429, type: 'urn:watershed:problem:busy' })
    expect(full.detail).toMatch(/idempotencyKeysMax = 8/)
    const plain = taken(await platform.post(DATASET, LINES))
    expect(plain).toMatchObject({ status: 202 })
    expect(plain).not.toHaveProperty('repeated')
    const counted = [...notes(0, 30), ...notes(0, 30), ...Array.from({ length: 7 }, () => notes(0, 1)[0]!)]
    expect(await countedAt(platform, plain.position)).toEqual(byTopic(counted))
  },
  STARTED_MS_MAX,
)

describe.skipIf(skip !== null)('two processes on a real Kafka', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.stop())

  test.each([
    ['append:before-commit', false],
    ['append:committed', true],
  ])(
    'one is killed at %s: repeated to the other, the request counts once',
    async (step, repeated) => {
      const onKafka = {
        WATERSHED_LOG: 'kafka',
        WATERSHED_KAFKA_BROKERS: kafka.brokers.join(','),
        WATERSHED_KAFKA_TOPIC_PREFIX: `${step.replace(':', '-')}-`,
      }
      const serve = (environment: Readonly<Record<string, string>>): Promise<RunningPlatform> =>
        started(RunningPlatform.serve(join(folder, 'data'), words, environment))
      const platform = await serve(onKafka)
      await expectNoAnswer(await serve({ ...onKafka, WATERSHED_CRASH_AT: step }))
      const again = taken(await platform.post(DATASET, LINES, KEY))
      expect(again).toMatchObject({ status: 202, accepted: 30, rejected: 0, rows: [], repeated })
      expect(taken(await platform.post(DATASET, LINES, KEY))).toEqual({ ...again, repeated: true })
      expect(await countedAt(platform, again.position)).toEqual(byTopic(notes(0, 30)))
    },
    STARTED_MS_MAX,
  )
})
