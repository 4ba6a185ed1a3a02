/**
 * A topic of others as a source beside the embedded log: platform and broker are killed, and each record is in the log once. A sink writes a
 * view's changes to another topic meanwhile, which is the answer's table in the end.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Consumer, Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { notes, notesDefinition } from '#tests/faults/notes.ts'
import { RunningPlatform } from '#tests/faults/watershed.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { until } from '#tests/until.ts'

const skip = await kafkaSkipReason()
const LANGUAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))
const TOPIC = 'their.notes'
/** what the view's sink writes */
const TABLE = 'our.topics'

const sorted = (rows: ReadonlyMap<string, string>): [string, string][] =>
  [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))

/** Events before the position that an id begins with. */
const countedAt = (id: string): number =>
  [...id.split('/')[0]!.matchAll(/:(\d+)/g)].reduce((sum, [, offset]) => sum + Number(offset), 0)

describe.skipIf(skip !== null)('a topic on a real Kafka', () => {
  let kafka: KafkaServer
  let folder: string
  let producer: Producer
  let reader: Consumer | null = null
  const platforms: RunningPlatform[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-kafka-source-'))
    kafka = await startKafka()
    const client = kafkaClient({ brokers: kafka.brokers }, 30_000)
    const admin = client.admin()
    await admin.connect()
    await admin.createTopics({
      topics: [
        { topic: TOPIC, numPartitions: 3 },
        { topic: TABLE, numPartitions: 2 },
      ],
    })
    await admin.disconnect()
    producer = client.producer({ transactionalId: 'theirs', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const source = `{ name: 'theirs', kind: 'kafka', topic: '${TOPIC}' }`
    writeFileSync(join(folder, 'base.ts'), notesDefinition(LANGUAGE))
    const sink = `{ name: 'table', kind: 'kafka', view: 'by_topic', topic: '${TABLE}', every: '50ms' }`
    writeFileSync(
      join(folder, 'notes.ts'),
      `import notes from './base.ts'\nexport default { ...notes, sources: [${source}], sinks: [${sink}] }\n`,
    )
  })
  afterAll(async () => {
    for (const platform of platforms) await platform.kill()
    await producer?.disconnect()
    await reader?.disconnect()
    await kafka?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** what a reader of the sink's topic has, by key */
  const table = new Map<string, string>()
  /** by key, the ids of its records */
  const idsOf = new Map<string, string[]>()
  const follow = async (): Promise<void> => {
    reader = kafkaClient({ brokers: kafka.brokers }, 30_000).consumer({
      groupId: 'ours',
      allowAutoTopicCreation: false,
    })
    await reader.connect()
    await reader.subscribe({ topic: TABLE, fromBeginning: true })
    await reader.run({
      eachMessage: async ({ message: { key, value, headers } }) => {
        if (value === null) table.delete(String(key))
        else table.set(String(key), String(value))
        idsOf.set(String(key), [...(idsOf.get(String(key)) ?? []), String(headers!['watershed-id'])])
      },
    })
  }
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
    await follow()
    const { data } = await platform.answer('/v1/datasets/notes/views/by_topic')
    const wanted = new Map(data.map((row) => [JSON.stringify({ topic: row.topic }), JSON.stringify(row)]))
    await until('the table has every row', () => JSON.stringify(sorted(table)) === JSON.stringify(sorted(wanted)), {
      said: () => JSON.stringify([...table]),
    })
    for (const ids of idsOf.values()) expect(ids.map(countedAt)).toEqual(ids.map(countedAt).toSorted((a, b) => a - b))
    const sink = await until('its last delivery is taken', async () => {
      const { sinks } = JSON.parse((await platform.get('/v1/sinks')).body) as { sinks: { state: string }[] }
      return sinks[0]!.state === 'running' && sinks[0]!
    })
    expect(sink).toMatchObject({ dataset: 'notes', sink: 'table', kind: 'kafka', reason: null, waitingMs: null })
  })
})
