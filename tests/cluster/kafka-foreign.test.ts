/** A topic that others write, in transactions and with records that are none, and that lost its beginning: counted to the last offset. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { deadLettersJson } from '#serving/dead-letters/letter-list.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { verifyDataset } from '#verification/verify-dataset.ts'
import clicks, { clickLine } from './clicks.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 30_000, interval: 20 }

describe.skipIf(skip !== null)('a foreign topic on a real Kafka', () => {
  let kafka: KafkaServer
  let folder: string
  let engine: DuckDbEngine
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-foreign-'))
    kafka = await startKafka()
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  })
  afterAll(async () => {
    await kafka?.stop()
    engine?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('every offset is a row, a dead letter with its bytes, a gap or a hole', async () => {
    const client = kafkaClient({ brokers: kafka.brokers }, 30_000)
    const admin = client.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'theirs', numPartitions: 1 }] })
    const producer = client.producer({ transactionalId: 'theirs', maxInFlightRequests: 1 })
    await producer.connect()
    let [next, kept] = [0, 0]
    const send = async (count: number, commit: boolean): Promise<void> => {
      const transaction = await producer.transaction()
      const values = Array.from({ length: count }, () => clickLine(next++))
      await transaction.send({ topic: 'theirs', messages: values.map((value) => ({ value })) })
      await (commit ? transaction.commit() : transaction.abort())
      if (commit) kept += count
    }
    for (let i = 0; i < 10; i++) await send(30, i % 3 !== 2)
    await admin.fetchTopicOffsets('theirs')
    await admin.deleteTopicRecords({ topic: 'theirs', partitions: [{ partition: 0, offset: '15' }] })
    const binary = Buffer.from([1, 10, 2, 255])
    const transaction = await producer.transaction()
    await transaction.send({
      topic: 'theirs',
      messages: [{ value: binary }, { value: JSON.stringify({ id: -1, at: 60_000, page: '/pretty' }, null, 2) }],
    })
    await transaction.commit()
    await send(5, false)
    await producer.disconnect()
    await admin.disconnect()

    const log = await KafkaLog.open({ brokers: kafka.brokers, dataset: 'clicks', topic: 'theirs' })
    const dataset = await compileDataset(clicks, await engine.connect())
    const store = await SqliteSpeedStore.open({
      file: join(folder, 'speed.sqlite'),
      dataset: 'clicks',
      log: log.identity,
    })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
    const limits = { pollEveryMs: 5, flushEveryMs: 20, segmentRecordsMax: 50 }
    const role = new StreamRole({ dataset, log, store, lake, engine, scratchFolder: folder, limits, emit: silent })
    await role.start()
    // ten transactions, one of two records, one of five: each with a marker
    const end = 10 * 31 + 3 + 6
    await vi.waitFor(() => expect(role.status()[0]).toMatchObject({ position: end, logEnd: end }), DEADLINE)
    const served = { dataset, lake, store, engine, log, partitions: 1 }
    const check = async () => {
      const report = await verifyDataset({ ...served, scratchFolder: folder, snapshot: () => mergedSnapshot(served) })
      expect(report.problems).toEqual([])
      const [count] = report.partitions
      expect(count!.gaps).toBe(15)
      expect(count!.rows + count!.deadLetters).toBe(kept - 15 + 2)
      // 3 of the 10 transactions and the last one were aborted; 12 markers
      expect(count!.holes).toBe(3 * 30 + 5 + 12)
    }
    await check()
    await vi.waitFor(async () => expect((await lake.chains(1))[0]!.segments.length).toBeGreaterThan(3), DEADLINE)
    await role.stop()
    const letters = JSON.parse(await deadLettersJson(served, 100)) as { text: string }[]
    expect(letters.length).toBeGreaterThan(0)
    expect(letters.filter(({ text }) => !text.endsWith('"soon'))).toEqual([])
    await check()
    await log.close()
    await store.close()
  })
})
