/** Pages of raw events against a recount of what was appended: each event once, in order, wherever it is stored, and without reading the history. */
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compactSegments } from '#batch-layer/compact.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import { RAW_EVENTS } from '#serving/http/contract/schemas/raw-events.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import type { LocalLake } from '#storage/lake/local/local-lake.ts'
import { cutChain } from '#storage/lake/segment-chain.ts'
import { silent } from '#telemetry/emit.ts'
import { until } from '#tests/until.ts'
import { EventsFixture, type LoggedEvent, START } from './events-fixture.ts'
import { type EventsDataset, type EventsMeta, eventsPage } from './events-page.ts'
import { type EventsLimits, type EventsQuery, planEvents } from './events-query.ts'
import { openEvents } from './open-events.ts'

let site: EventsFixture

beforeEach(async () => {
  site = await new EventsFixture().open()
})
afterEach(() => site.close())

/** Lands everything in closed segments. */
async function closeSegments(): Promise<void> {
  const { log, lake, store, engine, dataset, folder } = site
  const limits = { segmentRecordsMax: 1_000_000, segmentAgeMsMax: 1, pollEveryMs: 1 }
  const scratchFolder = join(folder, 'scratch-stream')
  const role = new StreamRole({ log, lake, store, engine, dataset, limits, scratchFolder, emit: silent })
  await role.start()
  await until('everything is in closed segments', async () => {
    const chains = await lake.chains(2)
    const ranges = await Promise.all(chains.map(({ partition }) => log.range(partition)))
    return chains.every(({ end }, partition) => end === ranges[partition]!.end)
  })
  await role.stop()
}

/** Publishes a generation. */
async function publish(): Promise<void> {
  const { lake, store, engine, dataset, log, folder } = site
  const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const own = { lake, store, engine, dataset, dictionary, partitions: 2, logIdentity: log.identity, emit: silent }
  await runBatch({ ...own, mode: 'full', keepGenerations: 1, readersGraceMs: 0 })
  await dictionary.close()
}

/** Publishes a generation, and puts larger segments in the place of those that it counts. */
async function compact(): Promise<void> {
  await publish()
  const { lake, engine } = site
  await compactSegments({ lake, engine, partitions: 2 })
}

interface ReadPage {
  readonly events: readonly { readonly place: string; readonly raw?: string | null }[]
  readonly meta: EventsMeta
}

async function page(
  query: Partial<EventsQuery>,
  limits: Partial<EventsLimits> = {},
  served: EventsDataset = site.served,
): Promise<ReadPage> {
  const { rowsJson, meta } = await eventsPage(served, { dataset: 'visits', filters: [], ...query }, { limits })
  const { data } = RAW_EVENTS.parse({ data: JSON.parse(rowsJson), meta })
  return { events: data.map(({ partition, offset, raw }) => ({ place: `${partition}:${offset}`, raw })), meta }
}

/** All pages of a question; `between` is done after each. */
async function pages(
  query: Partial<EventsQuery>,
  limits: Partial<EventsLimits> = {},
  between: () => Promise<void> = async () => {},
  served: () => EventsDataset = () => site.served,
): Promise<ReadPage[]> {
  const all = [await page(query, limits, served())]
  for (let { cursor } = all[0]!.meta; cursor !== null; cursor = all.at(-1)!.meta.cursor) {
    await between()
    all.push(await page({ ...query, cursor }, limits, served()))
  }
  return all
}

/** Its lake lists as little as it may: as one whose checkpoints have a part for each segment. @param looks what was asked for after which offsets */
function withShortChains(looks: (readonly number[])[] = []): EventsDataset {
  const { served } = site
  const chains: LocalLake['chains'] = async (partitions, options) => {
    const { after = [] } = options ?? {}
    looks.push(after)
    const whole = await served.lake.chains(partitions, { compacted: options?.compacted })
    return whole.map((chain) => cutChain(chain, after[chain.partition] ?? 0))
  }
  const lake = new Proxy(served.lake, {
    get: (target, name) => {
      if (name === 'chains') return chains
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  return { ...served, lake }
}

const placesOf = (all: readonly ReadPage[]): string[] => all.flatMap(({ events }) => events.map(({ place }) => place))

/** What the question is after, newest first: by arrival, then partition, then offset. */
function recount(logged: readonly LoggedEvent[], { key, filters = [], fromMs, toMs }: Partial<EventsQuery>): string[] {
  const [filter] = filters
  return logged
    .filter(({ event }) => event !== null)
    .filter(({ event }) => key === undefined || event!.id === Number(key))
    .filter(({ event }) => filter === undefined || filter.values.includes(event!.page))
    .filter(({ event }) => (fromMs === undefined || event!.at >= fromMs) && (toMs === undefined || event!.at < toMs))
    .toSorted((a, b) => b.arrivalMs - a.arrivalMs || a.partition - b.partition || b.offset - a.offset)
    .map(({ partition, offset }) => `${partition}:${offset}`)
}

let made = 0
const event = (id: number, pageName: string, at = START + id * 1_000): string =>
  JSON.stringify({ id, at, page: pageName, price: `${made++}.50` })
const PAGES = ['/', '/a', "/'b"]

/** Appends to both partitions by turns, each turn at a time of its own; every seventh record is unusable. */
async function appendMany(count: number): Promise<void> {
  for (let done = 0; done < count; done += 20, site.nowMs += 10) {
    const lines = Array.from({ length: 20 }, (_, index) =>
      index % 7 === 6 ? '{"no":"event"}' : event((done + index) % 11, PAGES[index % 3]!),
    )
    await site.append((done / 20) % 2, lines)
  }
}

test('pages show each event once and newest first, while events arrive, segments close and are compacted between them', async () => {
  const question = fc.record(
    {
      key: fc.integer({ min: 0, max: 11 }).map(String),
      filters: fc.constantFrom(...PAGES).map((value) => [{ column: 'page', operator: 'in' as const, values: [value] }]),
      fromMs: fc.integer({ min: 0, max: 11 }).map((second) => START + second * 1_000),
      limit: fc.constantFrom(1, 7, 50, 1_000),
    },
    { requiredKeys: ['limit'] },
  )
  const change = fc.constantFrom('append', 'close', 'compact')
  await appendMany(100)
  await closeSegments()
  await appendMany(100)
  await closeSegments()
  await compact()
  await appendMany(100)
  const looks: (readonly number[])[] = []
  await fc.assert(
    fc.asyncProperty(question, fc.array(change, { maxLength: 3 }), async (query, changes) => {
      const before = [...site.logged]
      const left = [...changes]
      const between = async (): Promise<void> => {
        const next = left.shift()
        if (next === 'append') await appendMany(40)
        if (next === 'close') await closeSegments()
        if (next === 'compact') await compact()
      }
      const limited = { ...query, limit: Math.max(query.limit, 20) }
      const shown = await pages(limited, {}, between, () => withShortChains(looks))
      expect(placesOf(shown)).toEqual(recount(before, query))
      const few = await page(query)
      expect(few.events.map(({ place }) => place)).toEqual(recount(site.logged, query).slice(0, query.limit))
    }),
    { numRuns: 12 },
  )
  expect(looks.filter((after) => after.includes(Number.MAX_SAFE_INTEGER)).length).toBeGreaterThan(10)
})

test('segments that a generation counts are looked up when a page goes that far back, and only those of its partition', async () => {
  for (let round = 0; round < 3; round++) {
    await appendMany(80)
    await closeSegments()
  }
  await publish()
  await appendMany(80)
  await closeSegments()
  const looks: (readonly number[])[] = []
  const newest = await page({ limit: 30 }, {}, withShortChains(looks))
  expect(looks).toEqual([[120, 120]])
  const expected = recount(site.logged, {})
  expect(placesOf([newest])).toEqual(expected.slice(0, 30))
  const [, ...older] = await pages({ limit: 30 }, {}, undefined, () => withShortChains(looks))
  expect(placesOf(older)).toEqual(expected.slice(30))
  const back = looks.filter((after) => after.includes(Number.MAX_SAFE_INTEGER))
  expect(back.length).toBeGreaterThan(0)
  for (const after of back) expect(after.filter((offset) => offset < 120)).toHaveLength(1)
})

test('the newest events cost the same with much history: files are read from the newest on, until the page is full', async () => {
  for (let round = 0; round < 4; round++) {
    await appendMany(80)
    await closeSegments()
  }
  const newest = await page({ limit: 30 })
  expect(newest.meta.read).toMatchObject({ files: 2, openRecords: 0 })
  await appendMany(80)
  expect((await page({ limit: 30 })).meta.read).toMatchObject({ files: 0, rows: 0 })
  // Two files for the page before, two for this one: what is between them is not read again.
  const second = await page({ limit: 30, cursor: newest.meta.cursor! })
  expect(second.meta.read.files).toBeLessThanOrEqual(4)
})

test('files whose event times lie outside the range are not opened', async () => {
  for (const hour of [0, 1, 2]) {
    await site.append(0, [event(1, '/', START + hour * 3_600_000)])
    await closeSegments()
  }
  const [fromMs, toMs] = [START + 3_600_000, START + 7_200_000]
  const { events, meta } = await page({ fromMs, toMs })
  expect([events.map(({ place }) => place), meta.read.files, meta.cursor]).toEqual([['0:1'], 1, null])
})

test('a page ends at each limit of what it reads, names it, and its cursor goes on', async () => {
  for (let round = 0; round < 4; round++) {
    await appendMany(80)
    await closeSegments()
  }
  await appendMany(1_600)
  await site.append(1, [event(99, '/rare')])
  const expected = recount(site.logged, { key: '99' })
  for (const [limits, endedBy] of [
    [{ eventFilesMax: 1 }, 'eventFilesMax'],
    [{ eventRowsMax: 10 }, 'eventRowsMax'],
    [{ openEventsMax: 500 }, 'openEventsMax'],
    [{ pageMsMax: 0 }, 'pageMsMax'],
  ] as const) {
    const all = await pages({ key: '99' }, limits)
    expect(all[0]!.meta).toMatchObject({ endedBy })
    expect(placesOf(all)).toEqual(expected)
    expect(all.at(-1)!.meta).toMatchObject({ endedBy: null, cursor: null })
  }
})

test('the JSON is what was sent, with its spaces and digits, from the log and from closed and compacted segments', async () => {
  const lines = [
    `{"id":1, "at":${START}, "more": 12345678901234567890.10}`,
    '{"no":"event"}',
    `{"id":2,"at":${START},"page":"é\\u00e9\\n"}`,
  ]
  await site.append(0, lines)
  const expected = [
    { place: '0:2', raw: lines[2] },
    { place: '0:0', raw: lines[0] },
  ]
  expect((await page({ raw: true })).events).toEqual(expected)
  await closeSegments()
  expect((await page({ raw: true })).events).toEqual(expected)
  await site.append(0, lines)
  await closeSegments()
  await compact()
  const { events, meta } = await page({ raw: true })
  expect(events.slice(2)).toEqual(expected)
  expect(meta.rawMissing).toBe(0)
})

test('a clock that goes back does not disturb: each event once, in the order of its partition', async () => {
  for (const backMs of [0, 5_000, 60_000]) {
    site.nowMs = START + 100_000 - backMs
    await appendMany(60)
    await closeSegments()
  }
  const all = await pages({ limit: 9 })
  const offsets = (partition: number): number[] =>
    placesOf(all)
      .filter((place) => place.startsWith(`${partition}:`))
      .map((place) => Number(place.slice(2)))
  for (const partition of [0, 1]) expect(offsets(partition)).toEqual(offsets(partition).toSorted((a, b) => b - a))
  expect(placesOf(all).toSorted()).toEqual(recount(site.logged, {}).toSorted())
})

test('values keep their digits, and times are ISO 8601', async () => {
  await site.append(1, ['{"id":9007199254740993,"at":1780272000001,"price":"1234567890123456.78"}'])
  const { rowsJson } = await eventsPage(site.served, { dataset: 'visits', filters: [] })
  expect(rowsJson).toBe(
    '[{"partition":1,"offset":0,"time":"2026-06-01T00:00:00.001Z","arrivedAt":"2026-06-01T00:00:00.000Z","columns":{"id":9007199254740993,"at":"2026-06-01T00:00:00.001Z","page":null,"price":1234567890123456.78}}]',
  )
})

test('a question that is wrong is refused, with the name of the parameter', async () => {
  const wrong: readonly [Partial<EventsQuery>, string][] = [
    [
      { filters: [{ column: 'pge', operator: 'eq', values: ['/'] }] },
      "filter: 'pge' is unknown (did you mean 'page'?)",
    ],
    [{ key: 'x' }, "key: id:eq: 'x' is not an integer of type BIGINT"],
    [{ limit: 0 }, 'limit: must be an integer from 1 to eventsMax = 1000'],
    [{ fromMs: 2, toMs: 1 }, 'to: must be after from'],
    [{ cursor: 'x' }, "cursor: it is not a cursor, as 'meta' of a page has it"],
  ]
  for (const [query, why] of wrong) await expect(page(query)).rejects.toThrow(why)
})

test('a cursor is good for its own question and log only', async () => {
  await appendMany(40)
  const { cursor } = (await page({ limit: 1 })).meta
  await expect(page({ key: '1', cursor: cursor! })).rejects.toThrow('cursor: it belongs to another question')
})

test('partitions that the log gets between pages do not end them', async () => {
  await appendMany(40)
  const before = [...site.logged]
  const first = await page({ limit: 5 })
  const own = { range: rangeOfThree, read: site.log.read.bind(site.log) }
  const wider = { ...site.served, partitions: 3, log: Object.assign(Object.create(site.log), own) }
  const all = [first]
  while (all.at(-1)!.meta.cursor !== null)
    all.push(await page({ limit: 5, cursor: all.at(-1)!.meta.cursor! }, {}, wider))
  expect(all.length).toBeGreaterThan(3)
  expect(placesOf(all)).toEqual(recount(before, {}))
})

/** The third partition is empty. */
async function rangeOfThree(partition: number): ReturnType<typeof site.log.range> {
  return partition === 2 ? { partition, start: 0, end: 0 } : site.log.range(partition)
}

test('of large records only one read of the log is held at a time', async () => {
  const sent = Array.from({ length: 17 }, (_, id) => event(id, '/').replace('}', `,"more":"${'x'.repeat(1_000_000)}"}`))
  for (const line of sent) await site.append(0, [line])
  const done: string[] = []
  const log = Object.assign(Object.create(site.log), {
    read: (...asked: Parameters<typeof site.log.read>) => {
      done.push('read')
      return site.log.read(...asked)
    },
  })
  const connection = await site.engine.connect()
  const run = connection.run.bind(connection)
  connection.run = (sql, ...more) => {
    if (sql.startsWith('DROP')) done.push('decode')
    return run(sql, ...more)
  }
  const parts = { dataset: site.dataset, log, scratchFolder: site.served.scratchFolder!, answerBytesMax: 20_000_000 }
  const plan = planEvents(site.dataset, { dataset: 'visits', filters: [] }, undefined)
  const raws = new Map<string, string>()
  const range = { partition: 0, start: 0, end: sent.length }
  const found = await openEvents({ ...parts, connection }, range, { plan, before: 17, need: 2 }, raws)
  connection.close()
  expect(found.map(({ offset }) => offset)).toEqual([16, 15])
  expect([...raws]).toEqual([
    ['0:15', sent[15]],
    ['0:16', sent[16]],
  ])
  expect(done.slice(0, 6)).toEqual(['read', 'decode', 'read', 'decode', 'read', 'decode'])
})

test('without the log, pages end with the closed segments and say so; a page that needs it is refused', async () => {
  await appendMany(40)
  await closeSegments()
  await appendMany(40)
  const { cursor } = (await page({ limit: 1 })).meta
  const log = Object.assign(Object.create(site.log), { range: () => Promise.reject(new Error('no disk')) })
  const broken = { ...site.served, log }
  const ask = (more: Partial<EventsQuery>): ReturnType<typeof eventsPage> =>
    eventsPage(broken, { dataset: 'visits', filters: [], ...more })
  const { rowCount, meta } = await ask({})
  expect([rowCount, meta.liveMissing]).toEqual([36, 'the log cannot be read: no disk'])
  await expect(ask({ limit: 1, cursor: cursor! })).rejects.toThrow(/before offset \d+ of partition \d: the log cannot/)
})
