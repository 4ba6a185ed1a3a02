/** A topic of others as a source beside the embedded log: platform and broker are killed, and each record is in the log once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { notes, notesDefinition } from '#tests/faults/notes.ts'
import { RunningPlatform } from '#tests/faults/watershed.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { until } from '#tests/until.ts'

const skip = await kafkaSkipReason()
const LANGUAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))
const TOPIC = 'their.notes'

describe.skipIf(skip !== null)('a topic on a real Kafka', () => {
  let kafka: KafkaServer
  let folder: string
  let producer: Producer
  const platforms: RunningPlatform[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-kafka-source-'))
    kafka = await startKafka()
    const client = kafkaClient({ brokers: kafka.brokers }, 30_000)
    const admin = client.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 3 }] })
    await admin.disconnect()
    producer = client.producer({ transactionalId: 'theirs', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const source = `{ name: 'theirs', kind: 'kafka', topic: '${TOPIC}' }`
    writeFileSync(join(folder, 'base.ts'), notesDefinition(LANGUAGE))
    writeFileSync(
      join(folder, 'notes.ts'),
      `import notes from './base.ts'\nexport default { ...notes, sources: [${source}] }\n`,
    )
  })
  afterAll(async () => {
    for (const platform of platforms) await platform.kill()
    await producer?.disconnect()
    await kafka?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  let sent = 0
  const send = async (count: number, commit = true): Promise<void> => {
    const transaction = await producer.transaction()
    const some = notes(sent, sent + count).map((note) => ({ key: String(note.id), value: JSON.stringify(note) }))
    await transaction.send({ topic: TOPIC, messages: some })
    await (commit ? transaction.commit() : transaction.abort())
    if (commit) sent += count
  }
  const start = async (): Promise<RunningPlatform> => {
    const environment = { WATERSHED_KAFKA_BROKERS: kafka.brokers.join(',') }
    const platform = await RunningPlatform.start(
      join(folder, 'data'),
      ['--dataset', join(folder, 'notes.ts')],
      environment,
    )
    platforms.push(platform)
    return platform
  }
  const taken = async (platform: RunningPlatform): Promise<number> => {
    const { body } = await platform.get('/v1/sources')
    return (JSON.parse(body) as { sources: { events: number }[] }).sources[0]?.events ?? 0
  }

  test('each committed record is counted once, although platform and broker are killed', async () => {
    await send(5_000)
    for (const enough of [1_000, 8_000]) {
      const platform = await start()
      await until('it is in the middle', async () => (await taken(platform)) >= enough)
      await platform.kill()
      await send(5_000)
      await send(500, false)
    }
    const platform = await start()
    await until('it reads', async () => (await taken(platform)) > 10_000)
    await kafka.kill9()
    await kafka.restart()
    await send(1_000)
    await producer.send({ topic: TOPIC, messages: [{ value: 'not JSON' }] })
    await until('all is taken', async () => (await taken(platform)) >= sent + 1)
    const answer = await until('all is counted', async () => {
      const answer = await platform.answer('/v1/datasets/notes/views/by_topic?dimensions=')
      return answer.meta.position.reduce((sum, end) => sum + end, 0) > sent && answer.meta.behind === 0 && answer
    })
    expect(answer.data).toEqual([
      { notes: sent, words: notes(0, sent).reduce((sum, { words }) => sum + words, 0), ids: expect.any(Number) },
    ])
    expect(answer.meta).toMatchObject({ deadLetters: 1, gapFree: true })
    expect(answer.meta.position.reduce((sum, end) => sum + end, 0)).toBe(sent + 1)
  })
})
