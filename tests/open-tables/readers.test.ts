/** The Delta tables of a lake as others read them: deltalake, pandas and Polars have the rows of REST, and a follower never sees half a version. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { count, countDistinct, defineDataset, latest, sum } from '#core/definition.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { mustRun } from '#tests/servers/must-run.ts'
import { provisionPython, pythonReaders } from '#tests/servers/python-readers.ts'
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
  readonly rows: readonly Readonly<Record<string, string | null>>[]
}

function someEvents(from: number): string[] {
  return Array.from({ length: EVENTS }, (_, index) => {
    const id = from + index
    const [country, price] = [['de', 'us', null][id % 3], `${id % 100}.${10 + (id % 90)}`]
    return JSON.stringify({ id, at: START_US + id * 61_000_001, country, price, tags: [`t${id % 4}`, null] })
  })
}

describe.skipIf(pythonReaders() === null && !mustRun())('open tables', () => {
  let platform: OwnPlatform
  let python: string
  /** ends the follower of a test that failed */
  const given = new AbortController()
  let seen: Readonly<Record<string, Seen>>
  const table = (name = ''): string => join(platform.folder, 'lake/shop', name)
  const read = async (name = ''): Promise<Read> => {
    const { stdout } = await run(python, [join(import.meta.dirname, 'read_tables.py'), 'read', table(name)])
    return JSON.parse(stdout) as Read
  }

  beforeAll(async () => {
    python = await provisionPython()
    platform = await openOwn({ definition, segmentRecordsMax: SEGMENT })
    const stop = join(platform.ground, 'stop')
    const script = join(import.meta.dirname, 'read_tables.py')
    const following = run(python, [script, 'follow', table(), stop], { signal: given.signal })
    for (let generation = 0; generation < GENERATIONS; generation++) {
      const position = await platform.take(someEvents(generation * EVENTS))
      // What is still open is less than a segment.
      await until('less than a segment of each partition is open', async () => {
        const reply = await platform.app.inject(`/v1/datasets/shop/views/sales?atLeast=${position}`)
        return (reply.json() as { meta: { rows: { open: number } } }).meta.rows.open < 2 * SEGMENT
      })
      await platform.publish(generation % 3 === 0 ? 'full' : 'incremental')
    }
    writeFileSync(stop, '')
    seen = JSON.parse((await following).stdout) as Record<string, Seen>
  }, 300_000)
  afterAll(async () => {
    given.abort()
    await platform?.close()
  })

  test('a follower has every version whole: each partition up to its boundary, and no offset twice', () => {
    expect(Object.keys(seen)).toContain(String(GENERATIONS - 1))
    for (const { boundary, partitions } of Object.values(seen))
      for (const [partition, end] of boundary.entries())
        expect(partitions[partition] ?? [0, 0, -1]).toEqual([end, end, end - 1])
  })

  test('every reader has the raw events that the generation counts', async () => {
    const { columns, rows, ...events } = await read()
    const boundary = JSON.parse(events.counted['watershed.boundary']) as number[]
    const total = boundary.reduce((sum, end) => sum + end, 0)
    expect(total).toBeGreaterThan(EVENTS)
    expect(events).toMatchObject({ version: GENERATIONS - 1, deltalake: total, pandas: total, polars: total })
    expect(columns).toMatchObject({ at: 'timestamp[us]', price: 'decimal128(12, 2)', id: 'int64' })
    const row = rows.find(({ id }) => id === '7')
    expect(row).toMatchObject({ country: 'us', price: '7.17', tags: "['t3', None]", at: '2023-11-14 22:20:27.000007' })
  })

  test('the table of a view has the rows of the generation, as a count in plain code has them', async () => {
    const [{ rows: counted }, view] = [await read(), await read('tables/sales')]
    expect([view.deltalake, view.pandas, view.polars]).toEqual(view.rows.map(() => view.rows.length).slice(0, 3))
    const hours = Map.groupBy(counted, ({ at, country }) => `${at!.slice(0, 13)}:00:00 ${country}`)
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
})
