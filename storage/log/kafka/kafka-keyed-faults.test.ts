/** Appends under a key on a real Kafka, by processes that die, or stand still, between two steps, and through the death of the broker. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Admin } from 'kafkajs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { thaw } from '#tests/servers/freeze.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import type { AppendedOnce } from '../append-once.ts'
import { heldTexts, lines } from '../log-contract.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts'
import { KafkaSideTopic, KEY_SLOTS, keyTopic } from './kafka-side-topic.ts'

const skip = await kafkaSkipReason()
const PARTITIONS = 3
const KEYS = 40
const WAIT = { timeout: 240_000, interval: 20 }

/** Appends under the key 'k', says what came of it, and does to itself what the test wants at the named step. */
const CHILD = `
  import { KafkaLog } from '${join(import.meta.dirname, 'kafka-log.ts')}'
  const [brokers, topic, at, signal] = process.argv.slice(1)
  let left = 1
  const step = (name) => {
    if (name !== at || left-- <= 0) return
    process.stdout.write(name + '\\n')
    process.kill(process.pid, signal)
    // A stopped process stands still in here.
    const until = performance.now() + 200
    while (performance.now() < until) {}
  }
  const log = await KafkaLog.open({ brokers: brokers.split(','), dataset: 'd', topic, partitions: ${PARTITIONS}, step })
  const batch = (partition, text) => ({ partition, lines: Buffer.from(text + '\\n'), count: 1 })
  const appended = await log.appendOnce([batch(0, '{"a":1}'), batch(2, '{"a":2}')], { key: 'k', fingerprint: 'f' })
  process.stdout.write(JSON.stringify(appended) + '\\n')
  await log.close()`

describe.skipIf(skip !== null)('on a real Kafka', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.stop())

  let topic = ''
  let made = 0
  const opened: KafkaLog[] = []
  const children: ChildProcess[] = []
  beforeEach(() => {
    topic = `keyed-faults-${++made}`
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    for (const log of opened.splice(0)) await log.close()
  })
  const open = async (more: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> => {
    const options = { brokers: kafka.brokers, dataset: 'd', topic, partitions: PARTITIONS, ...more }
    const log = await KafkaLog.open(options)
    opened.push(log)
    return log
  }
  const spawned = (at: string, signal: string): { readonly child: ChildProcess; readonly said: Interface } => {
    const words = ['--input-type=module', '-e', CHILD, kafka.brokers.join(','), topic, at, signal]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    return { child, said: createInterface({ input: child.stdout! }) }
  }
  const line = async (said: Interface): Promise<string> => (await once(said, 'line'))[0] as string
  const append = (log: KafkaLog): Promise<AppendedOnce> =>
    log.appendOnce([lines(0, '{"a":1}'), lines(2, '{"a":2}')], { key: 'k', fingerprint: 'f' })

  const held = async (log: KafkaLog): Promise<string[]> => (await heldTexts(log, PARTITIONS)).sort()

  test.each([
    ['append:before-commit', false],
    ['append:committed', true],
  ])('a process killed at %s: its append, repeated by another, counts once', async (at, repeated) => {
    const { child, said } = spawned(at, 'SIGKILL')
    expect(await line(said)).toBe(at)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const log = await open()
    const again = await append(log)
    expect(again.repeated).toBe(repeated)
    expect(await append(await open())).toEqual({ ...again, repeated: true })
    await expect.poll(() => held(log), WAIT).toEqual(['{"a":1}', '{"a":2}'])
    for (const { partition, start } of again.ranges)
      expect((await log.read(partition, start, { recordsMax: 1, bytesMax: 100 }))!.count).toBe(1)
  })

  test('a process that stands still before it commits cannot commit after another did', async () => {
    const { child, said } = spawned('append:before-commit', 'SIGSTOP')
    expect(await line(said)).toBe('append:before-commit')
    const log = await open()
    const other = await append(log)
    expect(other.repeated).toBe(false)
    const told = line(said)
    thaw(child.pid!)
    expect(JSON.parse(await told)).toEqual({ ...other, repeated: true })
    await expect.poll(() => held(log), WAIT).toEqual(['{"a":1}', '{"a":2}'])
  })

  test('the keys of a topic that was deleted do not count for another one of the same name', async () => {
    const log = await open()
    const first = await append(log)
    await log.close()
    const admin = kafkaClient({ brokers: kafka.brokers }, 30_000).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    const again = await append(await open())
    expect(again).toEqual({ ...first, repeated: false })
  })

  test('where topics are not made, a missing topic of keys is an error that says what to do; appends without a key go on', async () => {
    await open()
    const log = await open({ createTopic: false })
    await expect(append(log)).rejects.toThrow(
      /'keyed-faults-\d+\.idempotency-keys': the topic does not exist, .* create it with 8 partitions/,
    )
    expect(await log.append([lines(0, '{}')])).toHaveLength(1)
  })

  test('what is read at a start begins with the time for which keys count', async () => {
    const log = await open()
    for (let key = 0; key < 40; key++) await log.appendOnce([lines(0, '{}')], { key: `k${key}`, fingerprint: 'f' })
    const read = async (sinceMs: number): Promise<number> => {
      const client = kafkaClient({ brokers: kafka.brokers }, 30_000)
      const asAdmin = async <Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> => {
        const admin = client.admin()
        await admin.connect()
        return work(admin).finally(() => admin.disconnect())
      }
      const settings = { brokers: kafka.brokers, dataset: 'd', topic }
      const keys = new KafkaSideTopic({ settings, outageMsMax: 30_000, purpose: keyTopic(60_000), asAdmin })
      await keys.made()
      let lines = 0
      for (let slot = 0; slot < KEY_SLOTS; slot++) await keys.read(slot, { sinceMs }, () => lines++)
      await keys.close()
      return lines
    }
    expect(await read(0)).toBe(40)
    expect(await read(Date.now() + 60_000)).toBe(0)
  })

  test('the broker is killed again and again: appends that are repeated until they succeed count once each', async () => {
    const logs = [await open({ outageMsMax: 2_000 }), await open({ outageMsMax: 2_000 })]
    const acknowledged = new Map<string, Set<string>>()
    const persist = async (log: KafkaLog, key: string): Promise<void> => {
      const batches = () => [lines(0, `{"key":"${key}","part":0}`), lines(1, `{"key":"${key}","part":1}`)]
      for (;;) {
        try {
          const { ranges } = await log.appendOnce(batches(), { key, fingerprint: key })
          acknowledged.set(key, (acknowledged.get(key) ?? new Set()).add(JSON.stringify(ranges)))
          return
        } catch (error) {
          expect((error as Error).name).toMatch(/^Kafka/)
        }
      }
    }
    const faults = (async () => {
      for (let round = 1; round <= 2; round++) {
        await expect.poll(() => acknowledged.size, WAIT).toBeGreaterThanOrEqual((KEYS / 4) * round)
        await kafka.kill9()
        await kafka.restart()
      }
    })()
    const lane = async (log: KafkaLog): Promise<void> => {
      for (let key = 0; key < KEYS; key++) await persist(log, `k${key}`)
    }
    await Promise.all([...logs.map(lane), faults])
    expect(acknowledged.size).toBe(KEYS)
    for (const ranges of acknowledged.values()) expect(ranges.size).toBe(1)
    const wanted = Array.from({ length: KEYS }, (_, key) => [0, 1].map((part) => `{"key":"k${key}","part":${part}}`))
    await expect.poll(() => held(logs[0]!), WAIT).toEqual(wanted.flat().sort())
  }, 600_000)
})
