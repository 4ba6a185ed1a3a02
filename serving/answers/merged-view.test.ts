/** One stream of events, cut anywhere between generation, closed segments and open ones, always gives the naive answer. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, countDistinct, defineDataset, latest, sliding, sum } from '#core/definition.ts'
import { quoteText } from '#core/sql-names.ts'
import { keyJsonSql, stateJsonSql } from '#core/state-json.ts'
import { parseQuery, type QueryTexts } from '#serving/http/queries/parse-query.ts'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { ViewStates } from '#storage/lake/generation-manifest.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { answerQuery } from './merged-view.ts'
import type { ServedDataset } from './snapshot.ts'

const definition = defineDataset({
  name: 'talks',
  time: 'said_at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    said_at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    topic: { type: 'VARCHAR', path: '$.topic' },
    big: { type: 'BIGINT', path: '$.big' },
    price: { type: 'DECIMAL(18,2)', path: '$.price' },
  },
  views: {
    by_topic: {
      dimensions: { topic: 'topic' },
      time: ['minute', 'hour', 'day'],
      measures: {
        n: count(),
        ids: countDistinct('id'),
        total: sum('big'),
        last: latest('said_at'),
        price: latest('price'),
      },
    },
    trending: {
      dimensions: { topic: 'topic' },
      window: sliding({ size: '5m', every: '10s' }),
      measures: { n: count() },
      rank: { by: 'n', limit: 2, having: 'n > 1' },
    },
  },
})

interface Event {
  readonly id: number
  readonly at: number
  readonly topic: string | null
  readonly big: bigint
  /** the text of a DECIMAL(18,2) */
  readonly price: string
}

const START = Date.UTC(2026, 0, 31, 22, 58)
const EVENTS: Event[] = Array.from({ length: 120 }, (_, i) => ({
  id: i % 37,
  at: START + ((i * 7_919) % 900_000),
  topic: i % 11 === 0 ? null : ['a', 'b', "c'; DROP TABLE x", 'é😀'][i % 4]!,
  big: 2n ** 61n + BigInt(i),
  price: `9999999999999${i + 100}.99`,
}))

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset
let lake: LocalLake
let store: SqliteSpeedStore
let served: ServedDataset

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-serve-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(definition, connection)
  lake = await LocalLake.open({ folder, dataset: 'talks' })
  store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'talks' })
  served = { dataset, lake, store, engine, partitions: 1 }
})
afterEach(async () => {
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

function rowsSql(events: readonly Event[], from: number): string {
  const rows = events.map(
    (e, i) =>
      `(0, ${from + i}, ${e.at}, ${e.at}, ${e.id}, epoch_ms(${e.at}), ${e.topic === null ? 'NULL' : quoteText(e.topic)}, ${e.big}, ${e.price})`,
  )
  const names = dataset.rowColumns.map(({ name }) => `"${name}"`).join(', ')
  const types = dataset.rowColumns.map(({ name, type }) => `"${name}"::${type} AS "${name}"`).join(', ')
  return `(SELECT ${types} FROM (VALUES ${rows.join(', ')}) AS t(${names}))`
}

const totals = (events: readonly Event[]) => ({ rows: events.length, deadLetters: 0, late: { rows: 0, maxMs: 0 } })

async function close(events: readonly Event[], start: number): Promise<void> {
  if (events.length === 0) return
  const partials: Record<
    string,
    { hash: string; file: Awaited<ReturnType<Awaited<ReturnType<LocalLake['stageSegmentFile']>>['finish']>> }
  > = {}
  for (const view of dataset.views.values()) {
    const staged = await lake.stageSegmentFile(0, start, view.name)
    const rows = await connection.run(
      `COPY (${view.partialSql(rowsSql(events, start))}) TO ${quoteText(staged.writePath)} (FORMAT parquet)`,
    )
    partials[view.name] = { hash: view.hash, file: await staged.finish(rows) }
  }
  const raw = await lake.stageSegmentFile(0, start, 'events')
  await connection.run(`COPY (SELECT * FROM ${rowsSql(events, start)}) TO ${quoteText(raw.writePath)} (FORMAT parquet)`)
  await lake.commitSegment({
    format: 1,
    dataset: 'talks',
    log: 'l',
    kind: 'events',
    partition: 0,
    start,
    end: start + events.length,
    events: await raw.finish(events.length),
    deadLetterFile: null,
    partials,
    ...totals(events),
    timeRange: { minMs: 0, maxMs: 1 },
    schemaHash: dataset.schemaHash,
    columns: dataset.rowColumns,
    createdAtMs: 1,
  })
}

async function publish(events: readonly Event[]): Promise<void> {
  const staged = await lake.beginGeneration()
  const views: Record<string, ViewStates> = {}
  for (const view of dataset.views.values()) {
    const file = await staged.stageFile('states', view.name)
    const rows = await connection.run(
      `COPY (${view.partialSql(rowsSql(events, 0))}) TO ${quoteText(file.writePath)} (FORMAT parquet)`,
    )
    views[view.name] = { hash: view.hash, files: [await file.finish(rows)] }
  }
  await staged.commit({
    format: 4,
    dataset: 'talks',
    id: staged.id,
    log: 'l',
    mode: 'full',
    boundary: [events.length],
    segments: [],
    base: null,
    views,
    dictionaries: {},
    rows: events.length,
    deadLetters: 0,
    lateRows: 0,
    gaps: [],
    startedAtMs: 1,
    finishedAtMs: 2,
  })
  await lake.setCurrent(staged.id)
}

async function open(events: readonly Event[], start: number): Promise<void> {
  const partials = []
  for (const view of dataset.views.values()) {
    const pane = view.time.kind === 'panes' ? 'pane' : 'NULL::BIGINT'
    const [keys, texts, panes] = await connection.columns(
      `SELECT ${keyJsonSql(view)}::VARCHAR, ${stateJsonSql(view)}::VARCHAR, ${pane} FROM (${view.partialSql(rowsSql(events, start))})`,
    )
    partials.push(
      ...(keys as string[]).map((key, i) => ({
        view: view.hash,
        partition: 0,
        segmentStart: start,
        key,
        pane: panes![i] === null ? null : Number(panes![i]),
        version: start + events.length,
        row: texts![i] as string,
      })),
    )
  }
  await store.flush(partials, {
    partition: 0,
    segmentStart: start,
    through: start + events.length,
    atMs: 1,
    rows: events.length,
    deadLetters: 0,
    lateRows: 0,
    timeMaxMs: null,
    views: [...dataset.views.values()].map((view) => view.hash),
  })
}

const ask = async (view: string, texts: QueryTexts, nowMs = START + 600_000) => {
  const answer = await answerQuery(served, parseQuery('talks', view, texts), { nowMs })
  return { rows: JSON.parse(answer.rowsJson), json: answer.rowsJson, meta: answer.meta }
}

test('having selects merged rows, by measures that need not be shown, before the limit', async () => {
  await close(EVENTS.slice(0, 50), 0)
  await open(EVENTS.slice(50), 50)
  const having = async (filters: string[], more: QueryTexts = {}): Promise<(string | null)[]> => {
    const { rows } = await ask('by_topic', { having: filters, measures: 'ids', order: 'topic', ...more })
    return rows.map(({ topic, ...values }: Record<string, unknown>) => {
      expect(Object.keys(values)).toEqual(['ids'])
      return topic
    })
  }
  const sizes = new Map([...Map.groupBy(EVENTS, (e) => e.topic)].map(([topic, group]) => [topic, group.length]))
  const least = Math.min(...sizes.values())
  const large = [...sizes].flatMap(([topic, n]) => (n > least && topic !== null ? [topic] : [])).sort()
  expect(large.length).toBeGreaterThan(1)
  expect(await having([`n:gt:${least}`], { filter: 'topic:notnull' })).toEqual(large)
  expect(await having([`n:gt:${least}`], { filter: 'topic:notnull', limit: '1' })).toEqual([large[0]])
  expect(await having([`n:gt:${least}`, 'ids:gte:1000'])).toEqual([])
  expect(await having(['last:gt:2026-01-31T22:00:00Z', 'price:in:9999999999999100.99,1.00'])).toEqual([])
  await expect(having(['n:gt:5.5'])).rejects.toThrow(/having: n:gt: '5.5' is not an integer/)
  await expect(having(['topic:eq:a'])).rejects.toThrow(/having: 'topic' is unknown/)
  await expect(having(['n'])).rejects.toThrow(/having: 'n' does not have the form measure:operator:value/)
})

test('partials are read of the panes that are asked for, and of no others', async () => {
  await open(EVENTS, 0)
  let read = 0
  const counting = new Proxy(store, {
    get: (_, name) => {
      const own = Reflect.get(store, name)
      if (name !== 'read') return typeof own === 'function' ? own.bind(store) : own
      return async (...asked: Parameters<typeof store.read>) => {
        const found = await store.read(...asked)
        read = [...found.rows.values()].flat().length
        return found
      }
    },
  })
  served = { ...served, store: counting }
  const [from, to] = [START + 120_000, START + 240_000]
  const inside = EVENTS.filter(({ at }) => at >= from && at < to)
  const keysOf = (events: readonly Event[]): number =>
    new Set(events.map(({ at, topic }) => `${Math.floor(at / 60_000)} ${topic}`)).size
  const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  const { rows } = await ask('by_topic', range)
  expect((rows as { n: number }[]).reduce((sum, { n }) => sum + n, 0)).toBe(inside.length)
  expect([read, keysOf(inside) > 0]).toEqual([keysOf(inside), true])
  await ask('by_topic', {})
  expect(read).toBe(keysOf(EVENTS))
})

test('having is added to the condition of a ranking', async () => {
  await open(EVENTS, 0)
  const { rows } = await ask('trending', {})
  expect(rows).toHaveLength(2)
  const [first] = rows as { topic: string | null; n: number }[]
  const { rows: others } = await ask('trending', { having: `n:lt:${first!.n}` })
  expect((others as { n: number }[]).every(({ n }) => n > 1 && n < first!.n)).toBe(true)
  expect(others.length).toBeGreaterThan(0)
})

test.each([
  [0, 0],
  [40, 40],
  [40, 90],
  [0, 90],
  [120, 120],
  [30, 119],
])('a generation of %i events, segments to %i, the rest open', async (boundary, closed) => {
  await close(EVENTS.slice(0, boundary), 0)
  await close(EVENTS.slice(boundary, closed), boundary)
  if (boundary > 0) await publish(EVENTS.slice(0, boundary))
  if (closed < EVENTS.length) await open(EVENTS.slice(closed), closed)
  const { rows, json, meta } = await ask('by_topic', {})
  const naive = [...Map.groupBy(EVENTS, (e) => e.topic)].map(([topic, group]) => ({
    topic,
    n: group.length,
    ids: new Set(group.map((e) => e.id)).size,
    last: new Date(group.reduce((a, b) => (b.at >= a.at ? b : a)).at).toISOString(),
  }))
  const byTopic = (a: { topic: string | null }, b: { topic: string | null }): number =>
    String(a.topic).localeCompare(String(b.topic))
  expect(
    rows.map(({ topic, n, ids, last }: Record<string, unknown>) => ({ topic, n, ids, last })).sort(byTopic),
  ).toEqual(naive.sort(byTopic))
  for (const [, group] of Map.groupBy(EVENTS, (e) => e.topic)) {
    expect(json).toContain(`"total":${group.reduce((sum, e) => sum + e.big, 0n)}`)
    expect(json).toContain(`"price":${group.reduce((a, b) => (b.at >= a.at ? b : a)).price}`)
  }
  expect(meta).toMatchObject({
    boundary: [boundary],
    position: [120],
    rows: { batch: boundary, closed: closed - boundary, open: 120 - closed },
    exact: true,
    gapFree: true,
  })
})

test('local days, ranges, filters and limits', async () => {
  await open(EVENTS, 0)
  const days = await ask('by_topic', { dimensions: '', grain: 'day', timezone: 'Europe/Berlin', measures: 'n' })
  const midnight = Date.UTC(2026, 0, 31, 23)
  expect(days.rows).toEqual([
    { time: '2026-01-30T23:00:00.000Z', n: EVENTS.filter((e) => e.at < midnight).length },
    { time: '2026-01-31T23:00:00.000Z', n: EVENTS.filter((e) => e.at >= midnight).length },
  ])
  const some = await ask('by_topic', {
    filter: ["topic:in:a,c'; DROP TABLE x"],
    from: '2026-01-31T23:00:00Z',
    to: String(midnight + 300_000),
    order: '-n',
    limit: '1',
  })
  const wanted = EVENTS.filter(
    (e) => e.at >= midnight && e.at < midnight + 300_000 && (e.topic === 'a' || e.topic?.startsWith('c')),
  )
  const best = Math.max(...[...Map.groupBy(wanted, (e) => e.topic).values()].map((group) => group.length))
  expect(some.rows).toHaveLength(1)
  expect(some.rows[0].n).toBe(best)
  expect(some.meta.truncated).toBe(true)
})

test('a pane that a time zone cuts is refused with its time, and others are answered', async () => {
  const at = (hour: number, minute: number) => Date.UTC(2006, 9, 29, hour, minute)
  const times = [at(2, 31), at(3, 29), Date.UTC(1883, 0, 1)]
  await open(
    times.map((time, id) => ({ ...EVENTS[0]!, id, at: time })),
    0,
  )
  const days = (timezone: string, from: number) =>
    ask('by_topic', { dimensions: '', grain: 'day', timezone, measures: 'n', from: String(from) })
  expect((await days('America/St_Johns', at(2, 31))).rows).toEqual([{ time: '2006-10-28T02:30:00.000Z', n: 2 }])
  await expect(days('Europe/Berlin', times[2]!)).rejects.toThrow(
    "timezone: the offset of Europe/Berlin at 1883-01-01T00:00:00.000Z is not a multiple of the view's pane of 1 minutes, so its events cannot be assigned to one day; leave this time out with 'from' and 'to', query in UTC, or give the view a finer grain in its 'time'",
  )
  expect((await days('Europe/Berlin', at(2, 31))).rows).toEqual([{ time: '2006-10-28T22:00:00.000Z', n: 2 }])
})

test('a window merges first and ranks last', async () => {
  await close(EVENTS.slice(0, 60), 0)
  await open(EVENTS.slice(60), 60)
  const { rows, meta } = await ask('trending', {}, START + 400_001)
  const to = START + 410_000
  const counts = [
    ...Map.groupBy(
      EVENTS.filter((e) => e.at >= to - 300_000 && e.at < to),
      (e) => e.topic,
    ),
  ].map(([topic, group]) => [topic, group.length] as const)
  const top = counts
    .filter(([, n]) => n > 1)
    .map(([, n]) => n)
    .sort((a, b) => b - a)
    .slice(0, 2)
  expect(rows.map(({ n }: { n: number }) => n)).toEqual(top)
  expect(meta.window).toEqual({
    from: new Date(to - 300_000).toISOString(),
    to: new Date(to).toISOString(),
    ended: false,
  })
})

test.each([
  ['by_topic', { measures: 'm' }, /measures: 'm' is unknown/],
  ['by_topic', { mesures: 'n' }, /did you mean 'measures'/],
  ['by_topic', { dimensions: 'topik' }, /did you mean 'topic'/],
  ['by_topic', { filter: 'topic' }, /dimension:operator:value/],
  ['by_topic', { grain: '10s' }, /grain/],
  ['by_topic', { from: '2026-01-31T23:00:01Z' }, /must be a multiple/],
  ['by_topic', { at: 'now' }, /no window/],
  ['by_topic', { limit: '0' }, /limit/],
  ['by_topic', { grain: 'day', timezone: 'Mars/North' }, /IANA/],
  ['by_topick', {}, /did you mean 'by_topic'/],
])('%s %j is refused by name', async (view, texts, message) => {
  await expect(ask(view, texts as QueryTexts)).rejects.toThrow(message)
})

test('a file that was edited in place gives an error that names it, not another answer', async () => {
  await close(EVENTS.slice(0, 40), 0)
  await publish(EVENTS.slice(0, 40))
  const right = await ask('by_topic', {})
  const [file] = (await lake.current())!.views.by_topic!.files
  const path = lake.resolve(file!)
  const bytes = readFileSync(path)
  for (const at of [200, 400, bytes.length - 300]) {
    const edited = Buffer.from(bytes)
    edited[at]! ^= 1
    writeFileSync(path, edited)
    await expect(ask('by_topic', {})).rejects.toThrow(
      /states\/by_topic\/[0-9a-f]+\.parquet' does not have the checksum.*`watershed batch run --full`/,
    )
  }
  writeFileSync(path, bytes)
  expect((await ask('by_topic', {})).rows).toEqual(right.rows)
})

test('partials of another definition are never mixed in', async () => {
  await close(EVENTS.slice(0, 10), 0)
  const changed = await compileDataset(
    { ...definition, views: { ...definition.views, by_topic: { ...definition.views.by_topic!, where: 'id > 3' } } },
    connection,
  )
  served = { ...served, dataset: changed }
  await expect(ask('by_topic', {})).rejects.toThrow(/watershed backfill talks/)
  expect((await ask('trending', {})).meta.rows.closed).toBe(10)
})

test('the time of a query is over also where no statement runs at that moment', async () => {
  await close(EVENTS.slice(0, 10), 0)
  const check = lake.check.bind(lake)
  vi.spyOn(lake, 'check').mockImplementation(async (files) => {
    await sleep(30)
    await check(files)
  })
  const query = parseQuery('talks', 'by_topic', {})
  await expect(answerQuery(served, query, { queryMsMax: 10 })).rejects.toThrow('queryMsMax = 10 ms')
})
