/** A recount that is shared by processes which have only a bucket, and Redis, in common. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RecountQueue, RecountWorker } from '#batch-layer/recount-queue.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, countDistinct, defineDataset, sum } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { type RedisServer, startRedis, whyNoRedis } from '../servers/redis-server.ts'
import { S3Fixture } from '../servers/s3-lakes.ts'
import { whyNoS3 } from '../servers/s3-server.ts'
import { until } from '../until.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 's', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
  },
  views: {
    sales: {
      dimensions: { country: 'country' },
      time: ['hour'],
      measures: { orders: count(), ids: sum('id'), people: countDistinct('id') },
    },
    countries: { dimensions: { country: 'country' }, measures: { orders: count() } },
  },
})
const EVENTS = 600
const SEGMENT = 50
const START = 1_700_000_000
const GROUP_ROWS = 100
const QUESTION = '/v1/datasets/shop/views/sales?dimensions=country&order=country'

interface Answer {
  readonly data: readonly { country: string; orders: number; ids: number; people: number }[]
  readonly meta: { readonly generation: string | null; readonly behind: number; readonly rows: { batch: number } }
}

describe.skipIf(whyNoS3() !== null || whyNoRedis() !== null)('a recount shared through a bucket', () => {
  let s3: S3Fixture
  let redis: RedisServer
  let platform: OwnPlatform
  let prefix: string
  let elsewhere: string
  let engine: DuckDbEngine
  const ends: (() => Promise<void>)[] = []
  const told: PlatformEvent[] = []
  beforeEach(async () => {
    ;[s3, redis] = await Promise.all([S3Fixture.start(), startRedis()])
    prefix = s3.prefix()
    elsewhere = mkdtempSync(join(tmpdir(), 'watershed-elsewhere-'))
    engine = await DuckDbEngine.open({ folders: [elsewhere], threads: 1 })
    platform = await openOwn({
      definition,
      segmentRecordsMax: SEGMENT,
      openLake: (ground, dataset) => s3.open(prefix, { dataset, cacheFolder: join(ground, 'cache') }),
    })
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
    await platform?.close()
    engine?.close()
    await Promise.all([s3?.stop(), redis?.stop()])
    rmSync(elsewhere, { recursive: true, force: true })
  })

  test('other machines count the groups, and nothing of it stays in the bucket', async () => {
    const events = Array.from({ length: EVENTS }, (_, id) =>
      JSON.stringify({ id, at: START + id * 60, country: ['de', 'us', 'sg'][id % 3] }),
    )
    await platform.take(events)
    await until('everything is closed', async () => {
      const chains = await platform.lake.chains(2)
      return chains.reduce((sum, { end }) => sum + end, 0) > EVENTS - 2 * SEGMENT
    })
    const connection = await engine.connect()
    const dataset = await compileDataset(definition, connection)
    connection.close()
    const lake = await s3.open(prefix, { dataset: 'shop', cacheFolder: join(elsewhere, 'cache') })
    const worker = new RecountWorker({ dataset, lake, engine, url: redis.url, emit: (event) => void told.push(event) })
    const queue = new RecountQueue({ dataset, lake: platform.lake, url: redis.url })
    ends.push(
      () => worker.stop(),
      () => queue.close(),
    )

    await platform.publish('full', { recount: { groupRows: GROUP_ROWS, workers: queue } })

    expect(platform.emitted.filter(({ name }) => name === 'group-recounted-here')).toEqual([])
    expect(told.filter(({ name }) => name === 'group-recounted').length).toBeGreaterThan(2 * dataset.views.size)
    expect((await s3.store(prefix).list('shop/handoffs', true)).files).toEqual([])
    const answer = await until('all is counted', async () => {
      const { data, meta }: Answer = JSON.parse((await platform.app.inject(QUESTION)).body)
      return meta.generation !== null && meta.behind === 0 && { data, meta }
    })
    expect(answer.meta.rows.batch).toBeGreaterThan(0)
    const third = EVENTS / 3
    const rowOf = (country: string, rest: number) => ({
      ...{ country, orders: third, ids: rest * third + (3 * third * (third - 1)) / 2, people: third },
    })
    expect(answer.data).toMatchObject([rowOf('de', 0), rowOf('sg', 2), rowOf('us', 1)])
  })
})
