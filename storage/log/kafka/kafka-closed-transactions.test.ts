/**
 * Transactions that the coordinator takes for complete, while partitions wait to hear of them: made on a real Kafka by records that
 * carry the slot's producer, but whose partitions were not added to a transaction.
 */
import { crc32 } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { rangesText } from '../append-once.ts'
import { lines, readAll, textOf } from '../log-contract.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaLog } from './kafka-log.ts'
import { KEY_SLOTS } from './kafka-side-topic.ts'
import { KafkaWire } from './kafka-wire.ts'

const skip = await kafkaSkipReason()
const ONCE = { key: 'k', fingerprint: 'f' }
const SLOT = crc32(ONCE.key) % KEY_SLOTS
/** another key of the slot */
const BEFORE = Array.from({ length: 1_000 }, (_, number) => `before${number}`).find(
  (key) => crc32(key) % KEY_SLOTS === SLOT,
)!

interface Topic {
  readonly topic: string
  readonly partitions: readonly number[]
}

interface ProducingBroker {
  produce(request: object): Promise<unknown>
}

describe.skipIf(skip !== null)('on a real Kafka', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    // Else brokers refuse records of partitions that were not added to a transaction.
    kafka = await startKafka({ properties: { 'transaction.partition.verification.enable': 'false' } })
  })
  afterAll(() => kafka?.stop())

  let topic = ''
  let made = 0
  let log: KafkaLog
  let wire: KafkaWire
  beforeEach(async () => {
    topic = `closed-transactions-${++made}`
    log = await KafkaLog.open({ brokers: kafka.brokers, dataset: 'd', topic, partitions: 2 })
    // Makes the topic of keys, and an owner of the slot.
    await log.appendOnce([lines(0, '{"before":1}')], { key: BEFORE, fingerprint: 'f' })
    await log.close()
    wire = new KafkaWire(kafkaClient({ brokers: kafka.brokers }, 0), { topic, outageMsMax: 30_000 })
    await wire.refresh()
    log = await KafkaLog.open({ brokers: kafka.brokers, dataset: 'd', topic, partitions: 2 })
  })
  afterEach(async () => {
    await wire.close()
    await log.close()
  })
  /** Records of the slot's producer; of what is not `added` nobody tells the partitions. */
  async function produce(
    parts: readonly { topic: string; partition: number; value: string; key?: string }[],
    added: readonly Topic[],
    isCommitted: boolean,
  ): Promise<void> {
    const transactionalId = `${topic}.idempotency-keys-${SLOT}`
    const { producerId, producerEpoch, coordinator } = await wire.transactionOwner(transactionalId)
    const own = { transactionalId, producerId: String(producerId), producerEpoch }
    if (added.length > 0) await coordinator.addPartitionsToTxn({ ...own, topics: added })
    for (const { topic, partition, value, key = null } of parts) {
      const topicData = [
        { topic, partitions: [{ partition, firstSequence: sequence(topic, partition), messages: [{ key, value }] }] },
      ]
      await (coordinator as unknown as ProducingBroker).produce({
        ...own,
        acks: -1,
        timeout: 10_000,
        compression: 0,
        topicData,
      })
    }
    if (added.length > 0) await coordinator.endTxn({ ...own, transactionResult: isCommitted })
  }
  /** The producer wrote one record into partition 0 and one key before. */
  const sequence = (of: string, partition: number): number => (of === topic && partition === 1 ? 0 : 1)

  const records = (): readonly { topic: string; partition: number; value: string }[] =>
    [0, 1].map((partition) => ({ topic, partition, value: `{"a":${partition}}` }))
  /** Partition 0 begins with a record and its marker. */
  const ranges = [
    { partition: 0, start: 2, end: 3 },
    { partition: 1, start: 0, end: 1 },
  ]
  const key = (): { topic: string; partition: number; value: string; key: string } => {
    const value = { log: log.identity, ...ONCE, by: 'another', ranges: rangesText(ranges) }
    return { topic: `${topic}.idempotency-keys`, partition: SLOT, key: 'k', value: JSON.stringify(value) }
  }
  const append = () => log.appendOnce([lines(0, '{"a":0}'), lines(1, '{"a":1}')], ONCE)
  const held = async (): Promise<string[]> =>
    (await Promise.all([0, 1].map(async (partition) => textOf(await readAll(log, partition))))).flatMap((text) =>
      text.split('\n').slice(0, -1),
    )
  const EACH_ONCE = ['{"before":1}', '{"a":0}', '{"a":1}']

  test('a source whose newest position is hidden by the open transaction of another one waits for it', async () => {
    const { epoch } = await log.sources.claim('b')
    await log.sources.claim('a')
    const transactionalId = `${topic}.sources-a`
    const { producerId, producerEpoch, coordinator } = await wire.transactionOwner(transactionalId)
    const own = { transactionalId, producerId: String(producerId), producerEpoch }
    await coordinator.addPartitionsToTxn({ ...own, topics: [{ topic: `${topic}.sources`, partitions: [0] }] })
    const messages = [{ key: 'a', value: JSON.stringify({ log: log.identity, source: 'a' }) }]
    const topicData = [{ topic: `${topic}.sources`, partitions: [{ partition: 0, firstSequence: 1, messages }] }]
    const sent = { ...own, acks: -1, timeout: 10_000, compression: 0, topicData }
    await (coordinator as unknown as ProducingBroker).produce(sent)
    await log.sources.append([lines(0, '{"b":1}')], { source: 'b', epoch, cursor: '"newest"' })
    const other = await KafkaLog.open({ brokers: kafka.brokers, dataset: 'd', topic, partitions: 2 })
    const before = await wire.transactionOwner(`${topic}.sources-b`)
    const claiming = other.sources.claim('b')
    const isOwned = async (): Promise<boolean> =>
      (await wire.transactionOwner(`${topic}.sources-b`)).producerEpoch > before.producerEpoch
    await expect.poll(isOwned, { timeout: 30_000 }).toBe(true)
    await coordinator.endTxn({ ...own, transactionResult: false })
    expect(await claiming).toMatchObject({ cursor: '"newest"', epoch: epoch + 1 })
    await other.close()
  })

  test('whole, and open everywhere: it counts, and the repeat finds it', async () => {
    await produce([...records(), key()], [], true)
    expect(await append()).toEqual({ ranges, repeated: true })
    expect(await held()).toEqual(EACH_ONCE)
  })

  test('open without a key: it is aborted, and the repeat appends', async () => {
    await produce(records(), [], true)
    const appended = await append()
    expect(appended.repeated).toBe(false)
    expect(appended.ranges).not.toEqual(ranges)
    expect(await held()).toEqual(EACH_ONCE)
  })

  test.each([0, 1])('committed in partition %i only: it is committed in the others', async (partition) => {
    await produce([...records(), key()], [{ topic, partitions: [partition] }], true)
    expect(await append()).toEqual({ ranges, repeated: true })
    expect(await held()).toEqual(EACH_ONCE)
  })

  test.each([0, 1])('aborted in partition %i only: it is aborted in the others', async (partition) => {
    await produce([...records(), key()], [{ topic, partitions: [partition] }], false)
    expect((await append()).repeated).toBe(false)
    expect(await held()).toEqual(EACH_ONCE)
  })

  test.each([true, false])('only the slot was told (committed: %s): the partitions follow', async (isCommitted) => {
    await produce([...records(), key()], [{ topic: `${topic}.idempotency-keys`, partitions: [SLOT] }], isCommitted)
    expect((await append()).repeated).toBe(isCommitted)
    expect(await held()).toEqual(EACH_ONCE)
  })
})
