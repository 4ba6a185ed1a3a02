import { afterAll, beforeAll, describe } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { appendOnceContract } from '../append-once-contract.ts'
import { logContract } from '../log-contract.ts'
import type { LogHarness } from '../log-handles-fixture.ts'
import { sourceLedgerContract } from '../source-ledger-contract.ts'
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts'

const skip = await kafkaSkipReason()

describe.skipIf(skip !== null)('on a real Kafka', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.stop())

  let topics = 0
  const harness = async (more: Partial<KafkaLogOptions> = {}): Promise<LogHarness> => {
    const topic = `contract-${++topics}`
    const options = {
      brokers: kafka.brokers,
      dataset: 'd',
      topic,
      partitions: 3,
      trim: 'delete-records',
      ...more,
    } as const
    return { open: () => KafkaLog.open(options), close: async () => {} }
  }

  appendOnceContract('kafka', async () => {
    const topic = `once-${++topics}`
    const options = { brokers: kafka.brokers, dataset: 'd', topic, partitions: 3 }
    return { open: (more) => KafkaLog.open({ ...options, ...more }), close: async () => {} }
  })
  sourceLedgerContract('kafka', async () => {
    const topic = `sources-${++topics}`
    const options = { brokers: kafka.brokers, dataset: 'd', topic, partitions: 3 }
    return { open: (more) => KafkaLog.open({ ...options, ...more }), close: async () => {} }
  })
  logContract('kafka', () => harness())
  logContract('kafka, in tiny sends, fetches and queues', () =>
    harness({ compression: 'none', sendBytesMax: 20, sendRecordsMax: 3, fetchBytesMax: 30, waitingBytesMax: 40 }),
  )
})
