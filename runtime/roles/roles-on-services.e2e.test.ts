/** The roles on real servers: all drivers of a cluster, each role a process; and drivers of both kinds mixed, in one process. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { type AnswerChange, applyChange } from '#core/answer-changes.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { type LiveRow, StreamClient } from '#tests/event-stream-client.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { rolesApartContract } from './roles-apart-contract.ts'

interface Servers {
  readonly kafka: KafkaServer
  readonly elasticsearch: ElasticsearchServer
  readonly redis: RedisServer
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEADLINE_MS = 60_000
const missing = (await kafkaSkipReason()) ?? (await elasticsearchMissing()) ?? whyNoRedis()

let started: Promise<Servers> | null = null

function servers(): Promise<Servers> {
  started ??= Promise.all([startKafka(), startElasticsearch(), startRedis()]).then(([kafka, elasticsearch, redis]) => ({
    kafka,
    elasticsearch,
    redis,
  }))
  return started
}

function sections({ kafka, elasticsearch, redis }: Servers): Record<string, unknown> {
  return {
    kafka: { brokers: kafka.brokers, sessionMsMax: 2_000 },
    elasticsearch: { node: elasticsearch.node, replicas: 0 },
    redis: { url: redis.url },
  }
}

describe.skipIf(missing !== null)('cluster', () => {
  afterAll(async () => {
    const all = await started
    if (all !== null) await Promise.all([all.kafka.stop(), all.elasticsearch.stop(), all.redis.stop()])
  })

  rolesApartContract('Kafka, Elasticsearch and Redis', async () => ({
    settings: {
      log: 'kafka',
      speedStore: 'elasticsearch',
      dictionary: 'redis',
      schedule: 'bullmq',
      ...sections(await servers()),
    },
    stop: async () => {},
  }))

  test('drivers are mixed freely: log on Kafka, speed store and schedule embedded, dictionary on Redis, answers as indices', async () => {
    const all = await servers()
    const folder = mkdtempSync(join(tmpdir(), 'watershed-mixed-'))
    const configuration = join(folder, 'watershed.json')
    const receiver = new Receiver()
    const base = fileURLToPath(new URL('../../tests/live-readers/shop.ts', import.meta.url))
    const sink = { name: 'hook', kind: 'webhook', view: 'by_kind', query: { dimensions: 'kind' }, every: '50ms' }
    const sinks = JSON.stringify([{ ...sink, url: await receiver.address }])
    writeFileSync(join(folder, 'shop.ts'), `import shop from '${base}'\nexport default { ...shop, sinks: ${sinks} }\n`)
    const settings = { data: 'data', datasets: ['meetup_rsvps', './shop.ts'], port: 0, partitions: 2, flushEveryMs: 50 }
    const own = sections(all)
    const mixed = {
      log: 'kafka',
      dictionary: 'redis',
      presented: 'elasticsearch',
      presentEveryMs: 200,
      ...own,
      kafka: { ...(own.kafka as object), topicPrefix: 'mixed-', groupPrefix: 'mixed-' },
      redis: { ...(own.redis as object), keyPrefix: 'mixed:' },
    }
    writeFileSync(configuration, JSON.stringify({ ...settings, ...mixed }))
    const watershed = (input: string | undefined, ...words: string[]) =>
      spawnSync(process.execPath, [MAIN, ...words, '--config', configuration], {
        encoding: 'utf8',
        input,
        maxBuffer: 16 * 1024 * 1024,
      })
    const platform = new PlatformProcess({ arguments: ['--config', configuration] })
    try {
      const address = await platform.address
      const events = watershed(undefined, 'generate', '--count', '1000').stdout
      const taken = watershed(events, 'ingest', 'meetup_rsvps', '-', '--keep-unusable', '--json')
      expect(JSON.parse(taken.stdout)).toMatchObject({ accepted: 1_000, rejected: 0 })
      const acceptedMs = Date.now()
      const view = `${address}/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=&measures=responses`
      const answer = await until(
        async () =>
          (await (await fetch(view)).json()) as {
            data: { responses: number }[]
            meta: { behind: number; asOf: string }
          },
        ({ data, meta }) => data.length === 1 && meta.behind === 0 && Date.parse(meta.asOf) >= acceptedMs,
      )
      const { responses } = answer.data[0]!
      const sum = { size: 0, aggs: { sum: { sum: { field: 'responses' } } } }
      const search = `${all.elasticsearch.node}/meetup_rsvps-responses_by_country/_search`
      const headers = { 'content-type': 'application/json' }
      await until(
        async () =>
          (await (await fetch(search, { method: 'POST', headers, body: JSON.stringify(sum) })).json()) as {
            aggregations?: { sum: { value: number } }
          },
        ({ aggregations }) => aggregations?.sum.value === responses,
      )
      const listed = JSON.parse(watershed(undefined, 'dictionaries', 'list', '--json').stdout) as { entries: number }[]
      expect(listed.filter(({ entries }) => entries > 100).length).toBeGreaterThan(1)
      expect(watershed(undefined, 'verify').status).toBe(0)
      const shop = `${address}/v1/datasets/shop/views/by_kind`
      const reader = await StreamClient.open(`${shop}/live?dimensions=kind`)
      for (const [at, kind] of ['order', 'refund', 'order'].entries()) {
        const events = JSON.stringify([{ id: at, at: Date.now(), kind, amount: 2 }])
        const posted = await fetch(`${address}/v1/datasets/shop/events`, { method: 'POST', headers, body: events })
        expect(posted.status).toBe(202)
        const { data } = await until(
          async () =>
            (await (await fetch(`${shop}?dimensions=kind&order=kind`)).json()) as { data: readonly LiveRow[] },
          (counted) => counted.data.reduce((sum, { n }) => sum + Number(n), 0) === at + 1,
        )
        await until(
          async () => sortedRows(receiver.rows),
          (rows) => JSON.stringify(rows) === JSON.stringify(data),
        )
        await until(
          async () => sortedRows(reader.rows),
          (rows) => JSON.stringify(rows) === JSON.stringify(data),
        )
      }
      reader.close()
      expect(receiver.rows).toHaveLength(2)
      for (const [at, { after }] of receiver.deliveries.entries())
        expect(after).toBe(receiver.deliveries[at - 1]?.id ?? null)
      const ready = await until(
        async () => (await (await fetch(`${address}/readyz`)).json()) as Readiness,
        ({ parts }) => parts.some(({ detail }) => detail.includes(receiver.deliveries.at(-1)!.id)),
      )
      expect(ready.status).toBe('ready')
      expect(ready.parts.find(({ name }) => name === 'sink hook of shop')).toMatchObject({
        ready: true,
        state: 'running',
        detail: `deliveries ${receiver.deliveries.length}, delivered ${receiver.deliveries.at(-1)!.id}`,
      })
    } finally {
      receiver.close()
      expect((await platform.stop()).code).toBe(0)
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

interface Readiness {
  readonly status: string
  readonly parts: readonly { readonly name: string; readonly detail: string }[]
}

interface Delivered extends AnswerChange<LiveRow> {
  readonly id: string
  readonly after: string | null
  readonly data?: readonly LiveRow[]
}

/** A webhook that keeps the answer which its deliveries lead to. */
class Receiver {
  readonly deliveries: Delivered[] = []
  rows: readonly LiveRow[] = []
  readonly #server = createServer((request, response) => {
    void json(request).then((body) => {
      const delivered = body as Delivered
      this.deliveries.push(delivered)
      this.rows = delivered.data ?? applyChange(this.rows, delivered)
      response.end()
    })
  }).listen(0, '127.0.0.1')

  get address(): Promise<string> {
    const ready = this.#server.listening ? Promise.resolve() : once(this.#server, 'listening')
    return ready.then(() => `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

const sortedRows = (rows: readonly LiveRow[]): readonly LiveRow[] =>
  rows.toSorted((one, other) => (String(one.kind) < String(other.kind) ? -1 : 1))

async function until<T>(look: () => Promise<T>, isSo: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const seen = await look()
    if (isSo(seen)) return seen
    if (performance.now() > deadline) throw new Error(`not so within ${DEADLINE_MS} ms: ${JSON.stringify(seen)}`)
    await sleep(50)
  }
}
