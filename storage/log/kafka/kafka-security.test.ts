/** TLS and logins on a real broker: every mechanism reads and writes, and what is wrong is said at once. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { KafkaGroup } from './kafka-group.ts'
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts'

const USER = { username: 'mill', password: 'a-password-of-the-mill' }
const skip = await kafkaSkipReason()

describe.skipIf(skip !== null)('Kafka with TLS and SASL', () => {
  let kafka: KafkaServer
  beforeAll(async () => {
    kafka = await startKafka({ user: USER })
  })
  afterAll(() => kafka?.stop())

  const options = (topic: string, more: Partial<KafkaLogOptions> = {}): KafkaLogOptions => {
    const { brokers, ca } = kafka.secure!
    const sasl = { mechanism: 'scram-sha-512', ...USER } as const
    return { brokers, ssl: { ca }, sasl, dataset: 'd', topic, partitions: 2, outageMsMax: 10_000, ...more }
  }

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('%s: makes, writes, reads', async (mechanism) => {
    const log = await KafkaLog.open(options(`by-${mechanism}`, { sasl: { mechanism, ...USER } }))
    try {
      const [range] = await log.append([{ partition: 1, lines: Buffer.from('{"a":1}\n{"a":2}\n'), count: 2 }])
      expect(range).toEqual({ partition: 1, start: 0, end: 2 })
      const batch = await log.read(1, 0, { bytesMax: 1_000, recordsMax: 10 })
      expect(batch?.lines.toString()).toBe('{"a":1}\n{"a":2}\n')
    } finally {
      await log.close()
    }
  })

  test('a group shares the partitions out', async () => {
    const log = await KafkaLog.open(options('grouped'))
    const { brokers, ssl, sasl, topic } = options('grouped')
    const group = new KafkaGroup({ brokers, ssl, sasl, topic, groupId: 'grouped-stream' })
    const assigned = Promise.withResolvers<readonly number[]>()
    try {
      await group.start((partitions) => partitions.length > 0 && assigned.resolve(partitions))
      expect(await assigned.promise).toEqual([0, 1])
    } finally {
      await group.stop()
      await log.close()
    }
  })

  const failure = (more: Partial<KafkaLogOptions>): Promise<Error> =>
    KafkaLog.open(options('by-nobody', { outageMsMax: 3_000, ...more })).then(
      async (log) => {
        await log.close()
        throw new Error('it was opened')
      },
      (error: Error) => error,
    )

  test('a wrong password is refused without waiting, and is not told', async () => {
    const password = 'another-password'
    const error = await failure({ outageMsMax: 600_000, sasl: { mechanism: 'plain', ...USER, password } })
    expect(error.message).toMatch(/authenticat/i)
    expect(error.message).not.toContain(password)
  })

  test.each([
    ['an untrusted certificate', { ssl: true }, /self.signed certificate.*NODE_EXTRA_CA_CERTS/],
    ['no TLS where there is TLS', { ssl: undefined }, /whether they require TLS/],
  ])('%s', async (_, more, message) => {
    expect((await failure(more)).message).toMatch(message)
  })
})
