/** The Delta tables of a lake as others read them: deltalake, pandas and Polars have the rows of REST, and a follower never sees half a version. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { count, countDistinct, defineDataset, latest, sum } from '#core/definition.ts'
import { type OwnPlatform, type OwnPlatformOptions, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { duckdbFolder, provisionDuckdb } from '#tests/servers/duckdb-program.ts'
import { mustRun } from '#tests/servers/must-run.ts'
import { provisionPython, pythonReaders } from '#tests/servers/python-readers.ts'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { S3_CREDENTIALS, whyNoS3 } from '#tests/servers/s3-server.ts'
import { until } from '#tests/until.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  tables: 'delta',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'us', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    price: { type: 'DECIMAL(12,2)', path: '$.price' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    sales: {
      dimensions: { country: 'country' },
      time: ['hour'],
      measures: {
        orders: count(),
        ids: sum('id'),
        turnover: sum('price'),
        people: countDistinct('id'),
        tags: latest('tags'),
      },
    },
  },
})
const START_US = 1_700_000_000_000_000
const GENERATIONS = 6
const EVENTS = 40
const SEGMENT = 8
const run = promisify(execFile)

interface Seen {
  readonly boundary: readonly number[]
  /** of each partition: rows, different offsets, and the largest of them */
  readonly partitions: Readonly<Record<string, readonly [number, number, number]>>
}

interface Read {
  readonly version: number
  readonly counted: Readonly<Record<'watershed.generation' | 'watershed.boundary', string>>
  readonly columns: Readonly<Record<string, string>>
  readonly deltalake: number
  readonly pandas: number
  readonly polars: number
  /** column, the largest value by a query, and by the rows */
  readonly largest: readonly (readonly [string, string, string])[]
  readonly rows: readonly Readonly<Record<string, string | null>>[]
}

interface Answer {
  readonly meta: { readonly rows: { readonly open: number; readonly batch: number } }
}

function someEvents(from: number): string[] {
  return Array.from({ length: EVENTS }, (_, index) => {
    const id = from + index
    const [country, price] = [['de', 'us', null][id % 3], `${id % 100}.${10 + (id % 90)}`]
    return JSON.stringify({ id, at: START_US + id * 61_000_001, country, price, tags: [`t${id % 4}`, null] })
  })
}

const OPTIONS = { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }
const script = join(import.meta.dirname, 'read_tables.py')
const noPython = pythonReaders() === null && !mustRun()

describe.skipIf(noPython)('open tables in a folder', () => openTables(async () => ({ close: async () => {} })))

describe.skipIf(noPython || whyNoS3() !== null)('open tables in a bucket', () => {
  openTables(async () => {
    const s3 = await S3Fixture.start()
    const prefix = s3.prefix()
    const { accessKeyId, secretAccessKey } = S3_CREDENTIALS
    return {
      openLake: (ground, dataset) => s3.open(prefix, { dataset, cacheFolder: join(ground, 'cache') }),
      storage: {
        ...{ AWS_ENDPOINT_URL: s3.server.endpoint, AWS_ALLOW_HTTP: 'true', AWS_REGION: 'us-east-1' },
        ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      },
      duckdbSecret: `LOAD httpfs; CREATE SECRET (TYPE s3, KEY_ID '${accessKeyId}', SECRET '${secretAccessKey}', REGION 'us-east-1', ENDPOINT '${new URL(s3.server.endpoint).host}', URL_STYLE 'path', USE_SSL false);`,
      close: () => s3.stop(),
    }
  })
})

interface Where {
  readonly openLake?: OwnPlatformOptions['openLake']
  /** as readers want it */
  readonly storage?: Readonly<Record<string, string>>
  readonly duckdbSecret?: string
  close(): Promise<void>
}

function openTables(begin: () => Promise<Where>): void {
  let where: Where
  let platform: OwnPlatform
  /** ends the follower of a test that failed */
  const given = new AbortController()
  let seen: Readonly<Record<string, Seen>>
  let events: Read
  let view: Read
  /** of the last generation, as REST has it */
  let answer: Answer
  const table = (name: string): string => platform.lake.tables().nameOf(name)

  beforeAll(async () => {
    const python = await provisionPython()
    where = await begin()
    const options = { ...OPTIONS, env: { ...process.env, STORAGE: JSON.stringify(where.storage ?? null) } }
    platform = await openOwn({ definition, segmentRecordsMax: SEGMENT, openLake: where.openLake })
    const stop = join(platform.ground, 'stop')
    const following = run(python, [script, 'follow', table(''), stop], { ...options, signal: given.signal })
    for (let generation = 0; generation < GENERATIONS; generation++) {
      const position = await platform.take(someEvents(generation * EVENTS))
      // What is still open is less than a segment.
      await until('less than a segment of each partition is open', async () => {
        const reply = await platform.app.inject(`/v1/datasets/shop/views/sales?atLeast=${position}`)
        return (reply.json() as Answer).meta.rows.open < 2 * SEGMENT
      })
      await platform.publish(generation % 3 === 0 ? 'full' : 'incremental')
    }
    writeFileSync(stop, '')
    seen = JSON.parse((await following).stdout) as Record<string, Seen>
    const { stdout } = await run(python, [script, 'read', table(''), table('tables/sales')], options)
    ;[events, view] = JSON.parse(stdout) as [Read, Read]
    answer = (await platform.app.inject('/v1/datasets/shop/views/sales?limit=1')).json() as Answer
  }, 300_000)
  afterAll(async () => {
    given.abort()
    await platform?.close()
    await where?.close()
  })

  test('a follower has every version whole: each partition up to its boundary, and no offset twice', () => {
    expect(Object.keys(seen)).toContain(String(GENERATIONS - 1))
    for (const { boundary, partitions } of Object.values(seen))
      for (const [partition, end] of boundary.entries())
        expect(partitions[partition] ?? [0, 0, -1]).toEqual([end, end, end - 1])
  })

  test('every reader has the raw events that the generation counts', () => {
    const { columns, rows, counted, version, deltalake, pandas, polars } = events
    const boundary = JSON.parse(counted['watershed.boundary']) as number[]
    const total = boundary.reduce((sum, end) => sum + end, 0)
    expect(total).toBe(answer.meta.rows.batch)
    expect({ version, deltalake, pandas, polars }).toEqual({
      ...{ version: GENERATIONS - 1, deltalake: total },
      ...{ pandas: total, polars: total },
    })
    expect(columns).toMatchObject({ at: 'timestamp[us]', price: 'decimal128(12, 2)', id: 'int64' })
    const row = rows.find(({ id }) => id === '7')
    expect(row).toMatchObject({ country: 'us', price: '7.17', tags: "['t3', None]", at: '2023-11-14 22:20:27.000007' })
  })

  test.skipIf(duckdbFolder() === null && !mustRun())('DuckDB has the same rows', async () => {
    const program = join(await provisionDuckdb(), 'duckdb')
    const rowsOf = (name: string): string => `(SELECT count(*) FROM delta_scan('${table(name)}'))`
    const asked = `${where.duckdbSecret ?? ''} LOAD delta; SELECT ${rowsOf('')} AS events, ${rowsOf('tables/sales')} AS sales`
    const { stdout } = await run(program, ['-json', '-c', asked], OPTIONS)
    const counted = JSON.parse(stdout.slice(stdout.lastIndexOf('['))) as unknown
    expect(counted).toEqual([{ events: events.deltalake, sales: view.deltalake }])
  })

  test('queries that use bounds in the log have the values of the rows', () => {
    for (const [name, asked, found] of [...events.largest, ...view.largest])
      expect([name, asked]).toEqual([name, found])
    expect(events.largest.map(([name]) => name)).toEqual(expect.arrayContaining(['_offset', 'at']))
  })

  test('the table of a view has the rows of the generation, as a count in plain code has them', () => {
    expect([view.deltalake, view.pandas, view.polars]).toEqual(view.rows.map(() => view.rows.length).slice(0, 3))
    const hours = Map.groupBy(events.rows, ({ at, country }) => `${at!.slice(0, 13)}:00:00 ${country}`)
    const wanted = [...hours].map(([key, group]) => [
      key,
      String(group.length),
      String(group.reduce((total, { id }) => total + BigInt(id!), 0n)),
      group.reduce((cents, { price }) => cents + Math.round(Number(price) * 100), 0),
    ])
    const got = view.rows.map(({ pane, country, orders, ids, turnover }) => [
      `${pane} ${country}`,
      orders,
      ids,
      Math.round(Number(turnover) * 100),
    ])
    expect(got.sort()).toEqual(wanted.sort())
    expect(view.counted['watershed.generation']).toBe('g000006')
  })
}
