/** What an idle stream worker asks of a real Kafka and a real Elasticsearch, counted: the same for 128 partitions as for one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { ElasticsearchSpeedStore } from '#storage/speed-store/elasticsearch/elasticsearch-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { until } from '#tests/until.ts'
import clicks, { clickLine } from './clicks.ts'

const missing = (await elasticsearchMissing()) ?? (await kafkaSkipReason())
const PARTITIONS = 128
const SERVERS_MS_MAX = 300_000
const TEST_MS_MAX = 480_000
const TOPIC_EVERY_MS = 1_000
/** https://kafka.apache.org/protocol#protocol_api_keys */
const [FETCH, LIST_OFFSETS, METADATA] = [1, 2, 3]

describe.skipIf(missing !== null)('an idle worker on Kafka and Elasticsearch', () => {
  let kafka: KafkaServer
  let server: ElasticsearchServer
  let folder: string
  let engine: DuckDbEngine
  /** requests to Kafka, by the key of their kind */
  const asked = new Map<number, number>()
  const times = (kind: number): number => asked.get(kind) ?? 0
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-idle-'))
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    ;[kafka, server] = await Promise.all([startKafka(), startElasticsearch()])
    countRequests(Number(kafka.brokers[0]!.split(':').at(-1)))
  }, SERVERS_MS_MAX)
  afterAll(async () => {
    vi.restoreAllMocks()
    await Promise.all([kafka?.stop(), server?.stop()])
    engine?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The client library writes each request at once: its size, then the key of its kind. */
  function countRequests(port: number): void {
    const { write } = Socket.prototype
    vi.spyOn(Socket.prototype, 'write').mockImplementation(function (this: Socket, ...words: unknown[]) {
      const [bytes] = words
      if (this.remotePort === port && bytes instanceof Uint8Array) {
        const kind = Buffer.from(bytes).readInt16BE(4)
        asked.set(kind, times(kind) + 1)
      }
      return Reflect.apply(write, this, words) as boolean
    })
  }

  test(
    'asks Kafka for the ends of all partitions at once, reads none of them, and has one heartbeat',
    async () => {
      const dataset = await compileDataset(clicks, await engine.connect())
      const where = { brokers: kafka.brokers, dataset: 'clicks', topic: 'idle', partitions: PARTITIONS }
      const log = await KafkaLog.open({ ...where, topicEveryMs: TOPIC_EVERY_MS })
      const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
      const proxy = await FaultyProxy.start(server.node)
      const own = { dataset: 'clicks', log: log.identity, indexPrefix: 'idle', replicas: 0 }
      const store = await ElasticsearchSpeedStore.open({ node: proxy.url, ...own })
      const limits = { flushEveryMs: 50, idlePollEveryMs: 100, markerEveryMs: 2_000 }
      let faults: PlatformEvent[] = []
      const emit = (event: PlatformEvent): void => {
        if (event.level === 'error') faults.push(event)
      }
      const role = new StreamRole({ dataset, log, lake, store, engine, scratchFolder: join(folder, 's'), limits, emit })
      try {
        await role.start()
        await until('each partition has its marker', async () => (await store.markers()).size === PARTITIONS, {
          // Shards of new indices start one after the other.
          ...{ withinMs: TEST_MS_MAX / 2, everyMs: 1_000, faultsPass: true },
        })
        const settled = times(LIST_OFFSETS) + 10
        await until('they wait', () => times(LIST_OFFSETS) >= settled)

        // While 128 indices are made, some requests are given up, and made again.
        faults = []
        const before = new Map(asked)
        const requests = proxy.requests
        const beganMs = performance.now()
        await until('the log was looked at often', () => times(LIST_OFFSETS) >= before.get(LIST_OFFSETS)! + 40)
        const passedMs = performance.now() - beganMs
        const more = (kind: number): number => times(kind) - (before.get(kind) ?? 0)
        expect(more(FETCH)).toBe(0)
        expect(more(LIST_OFFSETS)).toBeLessThanOrEqual(passedMs / limits.idlePollEveryMs + 10)
        expect(more(METADATA)).toBeLessThanOrEqual(passedMs / TOPIC_EVERY_MS + 2)
        expect([...asked.keys()].filter((kind) => more(kind) > 0).sort()).toEqual([LIST_OFFSETS, METADATA].sort())
        // A heartbeat writes a marker, and makes it visible.
        expect(proxy.requests - requests).toBeLessThanOrEqual(2 * (passedMs / limits.markerEveryMs + 2))
        expect(proxy.requests - requests).toBeGreaterThan(0)

        await log.append([{ partition: 100, lines: Buffer.from(`${clickLine(1)}\n`), count: 1 }])
        await until('the event is counted', async () => (await store.markers()).get(100)?.through === 1)
        expect(faults).toEqual([])
      } finally {
        await role.stop()
        await Promise.all([store.close(), log.close(), proxy.stop()])
      }
    },
    TEST_MS_MAX,
  )
})
