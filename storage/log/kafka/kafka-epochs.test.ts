/** Leader epochs on a real Kafka: a leader that has another history than what was read says so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { LIMITS, lines } from '../log-contract.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaLog } from './kafka-log.ts'
import { readHead } from './kafka-records.ts'
import { NO_EPOCH } from './kafka-requests.ts'
import { KafkaWire } from './kafka-wire.ts'

const skip = await kafkaSkipReason()
const BYTES_MAX = 1_000_000

describe.skipIf(skip !== null)('on a real Kafka', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.stop())

  test('a record of an epoch that ended before it is diverging, every other one is not', async () => {
    const topic = 'epochs'
    const options = { brokers: kafka.brokers, dataset: 'd', topic, partitions: 1 } as const
    const log = await KafkaLog.open(options)
    await log.append([lines(0, '0', '1', '2')])
    expect((await log.read(0, 0, LIMITS))!.count).toBe(3)
    await kafka.restart()
    await log.append([lines(0, '3', '4')])
    // Read on over the change of the leader's epoch.
    expect((await log.read(0, 3, LIMITS))!.lines.toString()).toBe('3\n4\n')
    const wire = new KafkaWire(kafkaClient(options, 0), { topic, outageMsMax: 30_000 })
    try {
      await wire.refresh()
      const epochAt = async (offset: number): Promise<number> =>
        readHead((await wire.fetch(0, offset, BYTES_MAX, NO_EPOCH)).records, 0)!.leaderEpoch
      const [before, after] = [await epochAt(0), await epochAt(3)]
      expect(after).toBeGreaterThan(before)
      const isDiverging = async (from: number, lastEpoch: number) =>
        (await wire.fetch(0, from, BYTES_MAX, lastEpoch)).isDiverging
      expect(await isDiverging(3, before)).toBe(false)
      expect(await isDiverging(5, after)).toBe(false)
      expect(await isDiverging(4, before)).toBe(true)
    } finally {
      await wire.close()
      await log.close()
    }
  })
})
