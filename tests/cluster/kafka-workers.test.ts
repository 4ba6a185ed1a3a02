/**
 * Several stream workers on one topic of a real Kafka, as real processes: they are killed in the middle of a close, the
 * broker is killed under them, partitions are added. Afterwards every acknowledged event is counted once, and every view is
 * equal to its recount.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { verifyDataset } from '#verification/verify-dataset.ts'
import clicks, { clickLine } from './clicks.ts'
import { WorkerProcess } from './worker-process.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 60_000, interval: 50 }
const TOPIC = 'clicks'
const PARTITIONS = 4
/** More than one close of each partition: also where all close at once, it has closed some whole before. */
const DEADLY_CLOSE = PARTITIONS + 2

describe.skipIf(skip !== null)('stream workers on a real Kafka', () => {
  let kafka: KafkaServer
  let folder: string
  let engine: DuckDbEngine
  const workers: WorkerProcess[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-workers-'))
    kafka = await startKafka()
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  })
  afterAll(async () => {
    for (const worker of workers) await worker.end('SIGKILL')
    await kafka?.stop()
    engine?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const work = (environment: Readonly<Record<string, string>> = {}): WorkerProcess => {
    const shared = { brokers: kafka.brokers, topic: TOPIC, folder, sessionMsMax: 2_000, segmentRecordsMax: 500 }
    const worker = new WorkerProcess(shared, environment)
    workers.push(worker)
    return worker
  }

  test('killed in a close, without a broker for a while, with more partitions: equal to the recount', async () => {
    const log = await KafkaLog.open({
      ...{ brokers: kafka.brokers, dataset: 'clicks', topic: TOPIC, partitions: PARTITIONS, topicEveryMs: 200 },
    })
    const source = new ClickSource(log)
    source.start()
    const [a, b] = [work({ WATERSHED_CRASH_AT: `segment:files-linked:${DEADLY_CLOSE}` }), work()]
    // The first one kills itself between the files and the manifest of a segment.
    await vi.waitFor(() => expect(a.alive, a.said).toBe(false), DEADLINE)
    await a.exited
    expect(a.lines.filter(({ name }) => name === 'segment-closed').length).toBeGreaterThan(0)
    let sinceMs = Date.now()
    await vi.waitFor(() => expect(b.flushed(sinceMs)).toEqual([0, 1, 2, 3]), DEADLINE)

    const c = work()
    await vi.waitFor(() => expect(c.flushed(0).length, c.said).toBeGreaterThan(0), DEADLINE)
    await kafka.kill9()
    await kafka.restart()
    sinceMs = Date.now()
    const flushed = (): number[] => [...new Set([...b.flushed(sinceMs), ...c.flushed(sinceMs)])].sort()
    await vi.waitFor(() => expect(flushed(), b.said + c.said).toEqual([0, 1, 2, 3]), DEADLINE)

    const admin = kafkaClient({ brokers: kafka.brokers }, 30_000).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: PARTITIONS + 1 }] })
    await admin.disconnect()
    await vi.waitFor(() => expect(log.partitions).toBe(PARTITIONS + 1), DEADLINE)
    await vi.waitFor(() => expect([...b.flushed(0), ...c.flushed(0)]).toContain(PARTITIONS), DEADLINE)
    await b.end('SIGKILL')
    await source.stop()

    const dataset = await compileDataset(clicks, await engine.connect())
    const store = await SqliteSpeedStore.open({
      file: join(folder, 'speed.sqlite'),
      dataset: 'clicks',
      log: log.identity,
    })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
    const served = { dataset, lake, store, engine, log, partitions: log.partitions }
    await vi.waitFor(async () => {
      const { partitions } = await takeSnapshot(served)
      for (const { partition, position } of partitions) expect(position).toBe((await log.range(partition)).end)
    }, DEADLINE)
    const report = await verifyDataset({ ...served, scratchFolder: folder, snapshot: () => mergedSnapshot(served) })
    expect(report.problems).toEqual([])
    expect(report.equal).toBe(true)

    // Once each, by the view that has a row per event: what was acknowledged and is usable.
    const { merged } = await mergedSnapshot(served)
    const connection = await engine.connect()
    const { sql, parameters } = merged(dataset.views.get('by_id')!)
    const counted = new Map(
      (await connection.rows<{ id: number; clicks: number }>(`SELECT id, clicks FROM ${sql}`, parameters)).map(
        (row) => [Number(row.id), Number(row.clicks)],
      ),
    )
    const usable = source.acknowledged.filter((id) => id % 100 !== 37)
    expect(usable.filter((id) => counted.get(id) !== 1)).toEqual([])
    expect(source.refused).toEqual([])
    expect(counted.size).toBe(usable.length)
    const letters = report.partitions.reduce((sum, { deadLetters }) => sum + deadLetters, 0)
    expect(letters).toBe(source.acknowledged.length - usable.length)
    await c.end('SIGTERM')
    expect(c.said).toBe('')
    await log.close()
    await store.close()
  })
})

/** Appends clicks to all partitions, some hundred a second, and remembers which were acknowledged. */
class ClickSource {
  readonly acknowledged: number[] = []
  readonly refused: string[] = []
  readonly #log: KafkaLog
  #next = 0
  #running: Promise<void> = Promise.resolve()
  #going = true

  constructor(log: KafkaLog) {
    this.#log = log
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#running
  }

  async #run(): Promise<void> {
    for (let turn = 0; this.#going; turn++) {
      const ids = Array.from({ length: 20 }, () => this.#next++)
      const lines = Buffer.from(ids.map((id) => `${clickLine(id)}\n`).join(''))
      try {
        await this.#log.append([{ partition: turn % this.#log.partitions, lines, count: ids.length }])
        this.acknowledged.push(...ids)
      } catch (error) {
        this.refused.push((error as Error).message)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
