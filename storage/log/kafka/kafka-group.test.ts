import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka } from 'kafkajs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaGroup, type KafkaGroupOptions } from './kafka-group.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 60_000, interval: 20 }

describe.skipIf(skip !== null)('a group on a real Kafka', () => {
  let kafka: KafkaServer
  let admin: ReturnType<Kafka['admin']>
  beforeAll(async () => {
    kafka = await startKafka()
    admin = kafkaClient({ brokers: kafka.brokers }, 30_000).admin()
    await admin.connect()
  })
  afterAll(async () => {
    await admin?.disconnect()
    await kafka?.stop()
  })

  let topic = ''
  let made = 0
  const running: KafkaGroup[] = []
  beforeEach(async () => {
    topic = `group-${++made}`
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await Promise.all(running.splice(0).map((group) => group.stop()))
  })

  const worker = async (more: Partial<KafkaGroupOptions> = {}) => {
    const notices: string[] = []
    const group = new KafkaGroup({
      ...{ brokers: kafka.brokers, topic, groupId: `${topic}-stream`, sessionMsMax: 2_000, topicEveryMs: 200 },
      notice: (message) => notices.push(message),
      commitEveryMs: 50,
      ...more,
    })
    running.push(group)
    const told: (readonly number[])[] = []
    await group.start((partitions) => told.push(partitions))
    const own = () => [...(told.at(-1) ?? [])]
    return { group, own, told, notices }
  }
  type Worker = Awaited<ReturnType<typeof worker>>
  const allOf = (...workers: Worker[]) => workers.flatMap(({ own }) => own()).sort()

  test('shares the partitions, moves as few as it can, and gives those of one who goes to the others', async () => {
    const a = await worker()
    expect(a.own()).toEqual([0, 1, 2, 3])
    const b = await worker()
    await vi.waitFor(
      () =>
        expect([a.own(), b.own()]).toEqual([
          [0, 1],
          [2, 3],
        ]),
      DEADLINE,
    )
    const c = await worker()
    await vi.waitFor(() => expect([a, b, c].map(({ own }) => own().length).sort()).toEqual([1, 1, 2]), DEADLINE)
    expect(allOf(a, b, c)).toEqual([0, 1, 2, 3])
    await c.group.stop()
    await vi.waitFor(() => expect(allOf(a, b)).toEqual([0, 1, 2, 3]), DEADLINE)
    expect([a.own().length, b.own().length]).toEqual([2, 2])
  })

  test('tells of partitions that are added', async () => {
    const a = await worker()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 6 }] })
    await vi.waitFor(() => expect(a.own()).toEqual([0, 1, 2, 3, 4, 5]), DEADLINE)
  })

  test('commits how far owners are, for who watches lag', async () => {
    const a = await worker()
    a.group.progressed(1, 42)
    await vi.waitFor(async () => {
      const [committed] = await admin.fetchOffsets({ groupId: `${topic}-stream`, topics: [topic] })
      expect(committed?.partitions.find(({ partition }) => partition === 1)?.offset).toBe('42')
    }, DEADLINE)
  })

  test('a consumer that stops for good is built anew', async () => {
    const make = Kafka.prototype.consumer
    let consumers = 0
    vi.spyOn(Kafka.prototype, 'consumer').mockImplementation(function (this: Kafka, config) {
      const consumer = make.call(this, config)
      if (++consumers > 1) return consumer
      // The library gives up on a TypeError of a handler: this one reads, and its handler is broken.
      const { run } = consumer
      const eachBatch = async (): Promise<void> => {
        throw new TypeError('a broken handler')
      }
      return Object.assign(consumer, { pause: () => {}, run: () => run({ autoCommit: false, eachBatch }) })
    })
    const producer = kafkaClient({ brokers: kafka.brokers }, 30_000).producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ value: '{}' }] })
    await producer.disconnect()
    const a = await worker()
    await vi.waitFor(() => expect(consumers).toBe(2), DEADLINE)
    await vi.waitFor(() => expect(a.told.length).toBeGreaterThanOrEqual(2), DEADLINE)
    expect(a.own()).toEqual([0, 1, 2, 3])
    expect(a.notices.some((notice) => /its consumer stopped: a broken handler; rejoining/.test(notice))).toBe(true)
  })

  test('a broker that is killed and comes back finds its workers again', async () => {
    const [a, b] = [await worker({ silentMsMax: 3_000 }), await worker({ silentMsMax: 3_000 })]
    await vi.waitFor(() => expect(allOf(a, b)).toEqual([0, 1, 2, 3]), DEADLINE)
    await kafka.kill9()
    expect(allOf(a, b)).toEqual([0, 1, 2, 3])
    await kafka.restart()
    const c = await worker()
    await vi.waitFor(() => {
      expect(c.own().length).toBeGreaterThan(0)
      expect(allOf(a, b, c)).toEqual([0, 1, 2, 3])
    }, DEADLINE)
  })

  test('a group that cannot be reached at start is joined when it can', async () => {
    await kafka.kill9()
    const a = await worker({ outageMsMax: 300 })
    expect(a.told).toEqual([])
    await kafka.restart()
    await vi.waitFor(() => expect(a.own()).toEqual([0, 1, 2, 3]), DEADLINE)
  })
})

describe('a group whose library is made up', () => {
  afterEach(() => void vi.restoreAllMocks())

  /** Consumers whose broker is reached when `connect` resolves. */
  function consumers(connect: () => Promise<void>) {
    let made = 0
    const committed: object[] = []
    const listeners = new Map<string, (event: object) => void>()
    const assign = (partitions: readonly number[]) =>
      listeners.get('join')!({ payload: { memberAssignment: { t: partitions } } })
    vi.spyOn(Kafka.prototype, 'consumer').mockImplementation(() => {
      made++
      let beat: NodeJS.Timeout | undefined
      const consumer = {
        events: { HEARTBEAT: 'heartbeat', GROUP_JOIN: 'join', CRASH: 'crash' },
        on: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
        connect,
        subscribe: async () => {},
        run: async () => {
          beat = setInterval(() => listeners.get('heartbeat')!({}), 10)
          assign([0])
        },
        pause: () => {},
        commitOffsets: async (offsets: readonly object[]) => void committed.push(...offsets),
        disconnect: async () => clearInterval(beat),
      }
      return consumer as unknown as ReturnType<Kafka['consumer']>
    })
    return { made: () => made, assign, committed }
  }
  const options = { brokers: ['127.0.0.1:1'], topic: 't', groupId: 'g', silentMsMax: 100, outageMsMax: 10 }

  test('joins once when it is back, however long that took', async () => {
    let back = false
    const library = consumers(async () => {
      await sleep(400)
      if (!back) throw new Error('away')
    })
    const group = new KafkaGroup(options)
    const told: (readonly number[])[] = []
    await group.start((partitions) => told.push(partitions))
    await sleep(3_000)
    back = true
    await vi.waitFor(() => expect(told).toEqual([[0]]), DEADLINE)
    const made = library.made()
    await sleep(1_500)
    expect(library.made()).toBe(made)
    expect(told).toEqual([[0]])
    await group.stop()
  })

  test('commits nothing for a partition that it has lost', async () => {
    const { assign, committed } = consumers(async () => {})
    const group = new KafkaGroup({ ...options, silentMsMax: 60_000 })
    await group.start(() => {})
    assign([1, 2])
    for (const partition of [0, 1, 2]) group.progressed(partition, 7)
    assign([2])
    group.progressed(1, 8)
    await group.stop()
    expect(committed).toEqual([{ topic: 't', partition: 2, offset: '7' }])
  })

  test('stops although a join gets no answer', async () => {
    consumers(() => new Promise(() => {}))
    const group = new KafkaGroup(options)
    await group.start(() => {})
    await group.stop()
  }, 20_000)
})
