/** The JSON of events is kept in their segments: columns that are added or changed later get their values from past events. */
import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { createZstdDecompress } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchFixture, LOG, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { compactSegments } from '#batch-layer/compact.ts'
import { type ColumnDefinition, count, type DatasetDefinition, sum } from '#core/definition.ts'
import { RowsFold } from '#speed-layer/rows-fold.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { jsonRowsSql } from '#verification/json-rows.ts'

const SEGMENT = 400
const SEGMENTS = 6

interface Event {
  readonly id: number
  readonly at: number
  readonly price?: string
  readonly shop?: { readonly city?: string; readonly floor?: number }
  readonly tags?: readonly string[]
}

/** Some events lack members, and one in fifty is a dead letter. */
const eventOf = (id: number): Event => ({
  id,
  at: 1_700_000_000_000 + id * 60_000,
  ...(id % 3 > 0 && { price: `${id % 7}.50` }),
  ...(id % 4 > 0 && { shop: { city: ['Ulm', 'Köln'][id % 2]!, ...(id % 5 > 0 && { floor: id % 5 }) } }),
  ...(id % 2 > 0 && { tags: [`t${id % 3}`, 'x'] }),
})
const isDead = (id: number): boolean => id % 50 === 7
const lineOf = (id: number): string => (isDead(id) ? '{"id":' : JSON.stringify(eventOf(id)))
const EVENTS = Array.from({ length: SEGMENT * SEGMENTS }, (_, id) => id)
  .filter((id) => !isDead(id))
  .map(eventOf)

const COLUMNS = {
  id: { type: 'BIGINT', path: '$.id', required: true },
  at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  city: { type: 'VARCHAR', path: '$.shop.city' },
} as const satisfies Record<string, ColumnDefinition>
const VIEWS: DatasetDefinition['views'] = {
  by_city: { dimensions: { city: 'city' }, time: ['hour'], measures: { n: count() } },
}
const definitionOf = (
  columns: Readonly<Record<string, ColumnDefinition>>,
  more: Partial<DatasetDefinition> = {},
): DatasetDefinition => ({ name: 'sales', time: 'at', key: 'id', columns, views: VIEWS, ...more })

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(definitionOf(COLUMNS))
})
afterEach(() => batch.close())

/** Lands events as a partition's owner does, each segment in several micro-batches. */
async function land(from: number, segments: number): Promise<SegmentManifest[]> {
  const { dataset, lake, connection, folder } = batch
  const fold = new RowsFold({ dataset, partition: 0, logIdentity: LOG, connection, lake, scratchFolder: folder })
  const landed: SegmentManifest[] = []
  for (let start = from; start < from + segments * SEGMENT; start += SEGMENT) {
    await fold.begin(start)
    for (let at = start; at < start + SEGMENT; at += 90) {
      const count = Math.min(90, start + SEGMENT - at)
      const lines = Buffer.from(Array.from({ length: count }, (_, index) => `${lineOf(at + index)}\n`).join(''))
      const arrivals = [{ count, atMs: 5 }]
      await fold.append({ partition: 0, start: at, end: at + count, count, lines, offsets: null, arrivals })
    }
    landed.push(await fold.land(batch.nowMs))
    await lake.commitSegment(landed.at(-1)!)
  }
  return landed
}

async function values(...names: string[]): Promise<Record<string, unknown>[]> {
  const { dataset, lake, connection } = batch
  const segments = (await lake.chains(PARTITIONS, { compacted: true })).flatMap((chain) => chain.segments)
  const rows = typedRowsSql(dataset, segments, (file) => lake.resolve(file))
  const list = names.map((name) => `to_json("${name}")::VARCHAR AS "${name}"`).join(', ')
  const found = await connection.rows<Record<string, string | null>>(`SELECT ${list} FROM ${rows} ORDER BY _offset`)
  return found.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, json]) => [name, json === null ? null : JSON.parse(json)])),
  )
}

test('each usable event has its JSON in the segment, byte for byte and in order', async () => {
  const [segment] = await land(0, 1)
  const { file } = segment!.raw!
  const lines = await text(createReadStream(batch.lake.resolve(file)).pipe(createZstdDecompress()))
  const expected = EVENTS.filter(({ id }) => id < SEGMENT).map((event) => `${JSON.stringify(event)}\n`)
  expect(lines).toBe(expected.join(''))
  expect([file.rows, segment!.rows, segment!.deadLetters]).toEqual([expected.length, expected.length, SEGMENT / 50])
  expect(segment!.raw!.lineBytesMax).toBeGreaterThan(Math.max(...expected.map((line) => Buffer.byteLength(line))))
})

const LATER: Readonly<Record<string, ColumnDefinition>> = {
  ...COLUMNS,
  city: { type: 'VARCHAR', path: '$.shop.city', default: 'nowhere' },
  price: { type: 'DECIMAL(9,2)', path: '$.price' },
  floor: { type: 'INTEGER', path: '$.shop.floor', required: true },
  tags: { type: 'VARCHAR[]', path: '$.tags' },
}
const later = ({ id, price, shop, tags }: Event) => ({
  id,
  city: shop?.city ?? 'nowhere',
  price: price === undefined ? null : Number(price),
  floor: shop?.floor ?? null,
  tags: tags ?? null,
})

test('columns that were added or changed have the values of past events, also after compaction', async () => {
  await land(0, 3)
  await batch.redefine(definitionOf(LATER))
  await land(3 * SEGMENT, 3)
  const isNow = EVENTS.filter(({ id, shop }) => id < 3 * SEGMENT || shop?.floor !== undefined).map(later)
  expect(await values('id', 'city', 'price', 'floor', 'tags')).toEqual(isNow)
  const generation = await batch.run({ mode: 'full', keepGenerations: 1 })
  await batch.expectRecount(generation)
  await compactSegments({ lake: batch.lake, engine: batch.engine, partitions: PARTITIONS, clock: () => batch.nowMs })
  const [chain] = await batch.lake.chains(PARTITIONS, { compacted: true })
  expect(chain!.segments.map(({ start, end, raw, rows }) => [start, end, raw?.file.rows === rows])).toEqual([
    [0, 3 * SEGMENT, true],
    [3 * SEGMENT, 6 * SEGMENT, true],
  ])
  expect(await values('id', 'city', 'price', 'floor', 'tags')).toEqual(isNow)
  expect((await batch.lake.verifyFiles()).problems).toEqual([])
})

test('derived columns that are added later are derived from past events, also the event time and what a derived column reads', async () => {
  await land(0, 2)
  const derived: Readonly<Record<string, ColumnDefinition>> = {
    ...COLUMNS,
    made: { type: 'TIMESTAMP', path: '$.at', unit: 'ms' },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
    dear: { type: 'BOOLEAN', as: 'price > 3' },
    place: { type: 'VARCHAR', as: "upper(city) || coalesce(' ' || price::VARCHAR, '')" },
  }
  const at = { type: 'TIMESTAMP', as: 'make_timestamp(epoch_us(made) + id * 1000)' } as const
  await batch.redefine(definitionOf({ ...derived, at }))
  await land(2 * SEGMENT, 2)
  const isNow = EVENTS.filter(({ id }) => id < 4 * SEGMENT).map(({ id, price, shop, at }) => ({
    _time: at + id,
    dear: price === undefined ? null : Number(price) > 3,
    place: shop === undefined ? null : `${shop.city!.toUpperCase()}${price === undefined ? '' : ` ${price}`}`,
  }))
  expect(await values('_time', 'dear', 'place')).toEqual(isNow)
  await batch.expectRecount(await batch.run({ mode: 'full', keepGenerations: 1 }))
  const { dataset, lake, connection } = batch
  const segments = (await lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const own = segments
    .slice(0, 2)
    .map((segment) => `SELECT * FROM ${jsonRowsSql(dataset, segment, lake)}`)
    .join(' UNION ALL ')
  const merged = `SELECT * FROM ${typedRowsSql(dataset, segments.slice(0, 2), (file) => lake.resolve(file))}`
  expect(
    await connection.rows(
      `(FROM (${own}) EXCEPT ALL FROM (${merged})) UNION ALL (FROM (${merged}) EXCEPT ALL FROM (${own}))`,
    ),
  ).toEqual([])
  // What a derived column reads changes: it is derived again, and nothing else is.
  await batch.redefine(definitionOf({ ...derived, at, city: { type: 'VARCHAR', path: '$.shop.city', default: 'x' } }))
  const [first] = await values('_time', 'dear', 'place')
  expect(first).toEqual({ _time: 1_700_000_000_000, dear: null, place: 'X' })
})

test('another unit of the event time is applied to the past; where it gives no time, the stored one counts', async () => {
  await land(0, 1)
  await batch.redefine(
    definitionOf({ ...COLUMNS, at: { type: 'TIMESTAMP', path: '$.at', unit: 'us', required: true } }),
  )
  const [first] = await values('_time')
  expect(first).toEqual({ _time: 1_700_000_000 })
  await batch.redefine(definitionOf({ ...COLUMNS, at: { type: 'TIMESTAMP', path: '$.at', required: true } }))
  expect((await values('_time', 'at'))[1]).toEqual({ _time: 1_700_000_060_000, at: null })
})

test("with raw: 'drop' and in segments of earlier versions, stored values are kept and new columns are NULL", async () => {
  await batch.redefine(definitionOf(COLUMNS, { raw: 'drop' }))
  expect((await land(0, 1))[0]).not.toHaveProperty('raw')
  await batch.redefine(definitionOf(LATER))
  await land(SEGMENT, 1)
  const found = await values('id', 'city', 'price')
  for (const { id, city, price } of found as { id: number; city: string; price: number }[]) {
    const { shop, price: paid } = eventOf(id)
    if (id < SEGMENT) expect({ city, price }).toEqual({ city: shop?.city ?? null, price: null })
    else expect({ city, price }).toEqual({ city: shop?.city, price: paid === undefined ? null : Number(paid) })
  }
  const [chain] = await batch.lake.chains(PARTITIONS)
  expect(chain!.segments.map(({ raw }) => raw !== undefined)).toEqual([false, true])
})

test('JSON that does not match its rows is an error, never a wrong value', async () => {
  const [first, second] = await land(0, 2)
  await batch.redefine(definitionOf(LATER))
  const wrong = { ...first!, raw: second!.raw! }
  const rows = typedRowsSql(batch.dataset, [wrong], (file) => batch.lake.resolve(file))
  await expect(batch.connection.rows(`SELECT count(*), sum(_time) FROM ${rows}`)).rejects.toThrow(
    'does not match its rows',
  )
})

test('a view over an added column counts past events after a full run', async () => {
  await land(0, 2)
  await batch.run({ mode: 'full' })
  const views: DatasetDefinition['views'] = {
    by_floor: { dimensions: { floor: 'floor' }, measures: { n: count(), paid: sum('price') } },
  }
  await batch.redefine(definitionOf({ ...LATER, floor: { type: 'INTEGER', path: '$.shop.floor' } }, { views }))
  const generation = await batch.run({ mode: 'incremental' })
  const view = batch.dataset.views.get('by_floor')!
  const [file] = generation!.views.by_floor!.files
  const states = `(SELECT * FROM read_parquet('${batch.lake.resolve(file!)}'))`
  const answer = await batch.connection.rows(
    `SELECT floor, n, paid::DOUBLE AS paid FROM (${view.presentSql(states, ['floor'])}) ORDER BY floor NULLS LAST`,
  )
  const past = EVENTS.filter(({ id }) => id < 2 * SEGMENT)
  const expected = [1, 2, 3, 4, undefined].map((floor) => {
    const own = past.filter(({ shop }) => shop?.floor === floor)
    return {
      floor: floor ?? null,
      n: own.length,
      paid: own.reduce((total, { price = '0' }) => total + Number(price), 0),
    }
  })
  expect(answer).toEqual(expected)
})

test('the recount of verify reads the same rows from the JSON in a way of its own', async () => {
  await land(0, 3)
  await batch.redefine(definitionOf({ ...LATER, whole: { type: 'JSON', path: '$.shop' } }))
  const { dataset, lake, connection } = batch
  const segments = (await lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const own = segments.map((segment) => `SELECT * FROM ${jsonRowsSql(dataset, segment, lake)}`).join(' UNION ALL ')
  const merged = `SELECT * FROM ${typedRowsSql(dataset, segments, (file) => lake.resolve(file))}`
  const differences = `(FROM (${own}) EXCEPT ALL FROM (${merged})) UNION ALL (FROM (${merged}) EXCEPT ALL FROM (${own}))`
  expect(await connection.rows(`SELECT * FROM (${differences}) LIMIT 3`)).toEqual([])
  expect(await connection.rows(`SELECT count(*) AS n, count(tags) AS tagged FROM (${own})`)).toEqual([
    {
      n: EVENTS.filter(({ id }) => id < 3 * SEGMENT).length,
      tagged: EVENTS.filter(({ id, tags }) => id < 3 * SEGMENT && tags).length,
    },
  ])
})
