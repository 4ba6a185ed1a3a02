/**
 * Answers about old panes of which `keep.panes` left less: any question, of any grain, range and zone, is answered exactly for the largest range
 * that the detail left can tell, and says which one that is. Plain code over the events decides both.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definition as answers, BatchFixture, LOG, PARTITIONS, SMALL_FILE_BYTES } from '#batch-layer/batch-fixture.ts'
import { count, type DatasetDefinition, lag, sum } from '#core/definition.ts'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import type { ViewQuery } from '#core/query.ts'
import type { Removed } from '#serving/answers/answer-meta.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { type ServedDataset, takeSnapshot } from '#serving/answers/snapshot.ts'
import { LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import { viewSource } from '#serving/presented-indices/presented-view.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

const { minute: MINUTE, hour: HOUR, day: DAY } = GRAIN_MS
const BEGAN = Math.floor(1_700_000_000_000 / DAY) * DAY
const measures = { answers: count(), guests: sum('guests') }
const by = { dimensions: { country: 'country' }, measures }
const definition: DatasetDefinition = {
  ...answers,
  keep: { panes: { minute: '3d', '5m': '4d', hour: '8d' } },
  views: {
    minutes: { ...by, time: ['minute', 'hour', 'day', 'month'] },
    sparse: { ...by, time: ['minute', 'day'] },
    hours: { ...by, time: ['hour', 'month'] },
    recent: { ...by, window: { size: '1h', every: '10m' } },
  },
  series: {
    daily: { over: 'minutes', by: ['country'], grain: 'day', columns: { before: lag('answers', 1) } },
    hourly: { over: 'minutes', by: ['country'], grain: 'hour', columns: { before: lag('answers', 1) } },
  },
  groupings: {
    sizes: {
      over: 'minutes',
      by: ['country'],
      dimensions: { many: 'answers > 100' },
      measures: { countries: count() },
    },
  },
}

interface Event {
  readonly atMs: number
  readonly country: string | null
  readonly guests: number
}

let batch: BatchFixture
let served: ServedDataset
let live: LiveAnswers
let events: readonly Event[]
const horizons = new Map<string, PaneHorizon>()

beforeAll(async () => {
  batch = await BatchFixture.open(definition)
  batch.stepMs = 24 * MINUTE
  const run = { stateFileBytes: SMALL_FILE_BYTES }
  for (let day = 0; day < 14; day++) {
    batch.nowMs += DAY
    await batch.land(0, 60)
    if (day === 9) await batch.run({ mode: 'full', ...run })
  }
  // Late events: in files behind the horizon, and in a closed segment behind the boundary.
  await batch.land(1, 500)
  await batch.run({ mode: 'incremental', ...run })
  await batch.land(1, 400)
  const { dataset, lake, engine, folder } = batch
  served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: PARTITIONS }) })
  for (let partition = 0; partition < PARTITIONS; partition++)
    await log.append([{ partition, lines: Buffer.from('{}\n'.repeat(900)), count: 900 }])
  const own: MemoryLog = Object.create(log, { identity: { value: LOG } })
  live = new LiveAnswers(new LiveDataset({ ...served, log: own, scratchFolder: folder }))
  for (const [view, states] of Object.entries((await lake.current())!.views)) horizons.set(view, states.horizon ?? [])
  const chains = await lake.chains(PARTITIONS)
  const rows = typedRowsSql(
    dataset,
    chains.flatMap(({ segments }) => segments),
    (file) => lake.resolve(file),
  )
  events = (
    await batch.connection.rows<Event>(`SELECT _time::DOUBLE AS "atMs", country, guests::DOUBLE AS guests FROM ${rows}`)
  ).map((event) => ({ ...event, atMs: Number(event.atMs) }))
})
afterAll(async () => {
  await live.stop()
  await batch.close()
})

interface Given {
  readonly rows: readonly Record<string, unknown>[]
  readonly removed: Removed | null
  readonly exact: boolean
}

/** From the stores and from resident states, which must say the same. */
async function ask(query: Omit<ViewQuery, 'dataset'>): Promise<Given> {
  const whole: ViewQuery = { dataset: 'answers', limit: 10_000, ...query }
  const { rowsJson, meta } = await answerQuery(served, whole)
  const asked = live.asked(whole)
  for (let time = 0; time < 2; time++) {
    const kept = await live.answer(asked)
    expect([kept.rowsJson, kept.meta.removed]).toEqual([rowsJson, meta.removed])
  }
  return { rows: JSON.parse(rowsJson), removed: meta.removed, exact: meta.exact }
}

const ZONES: Readonly<Record<string, number>> = { UTC: 0, 'Europe/Berlin': HOUR, 'Asia/Kolkata': 5.5 * HOUR }

/** No clock changes in these weeks. */
function bucketOf(atMs: number, grain: string, offsetMs: number): readonly [fromMs: number, beforeMs: number] {
  const wall = atMs + offsetMs
  if (grain === 'month') {
    const date = new Date(wall)
    const month = (more: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more) - offsetMs
    return [month(0), month(1)]
  }
  const length = GRAIN_MS[grain as FixedGrain]
  const from = Math.floor(wall / length) * length - offsetMs
  return [from, from + length]
}

/** What is left of the minute: where its events are told apart from no others; null: nothing. */
function leftOf(
  horizon: PaneHorizon,
  paneMs: number,
  atMs: number,
): readonly [fromMs: number, beforeMs: number] | null {
  const level = horizon.find(({ beforeMs }) => atMs < beforeMs)
  if (level?.grain === null) return null
  const length = level === undefined ? paneMs : GRAIN_MS[level.grain]
  const from = Math.floor(atMs / length) * length
  return [from, from + length]
}

interface Told {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
}

const [FIRST, LAST] = [BEGAN - 3 * DAY, BEGAN + 40 * DAY]

/** The largest range that ends where the asked one does, and that what is left can tell. */
function toldOf(view: string, { fromMs, toMs, grain, timezone = 'UTC' }: ViewQuery): Told {
  const horizon = horizons.get(view)!
  const paneMs = view === 'hours' ? HOUR : MINUTE
  let to = toMs
  for (
    let left = to === undefined ? null : leftOf(horizon, paneMs, to);
    left !== null && left[0] < to!;
    left = leftOf(horizon, paneMs, to!)
  )
    to = left[0]
  let from = fromMs
  let lost: number | null = null
  for (let at = fromMs ?? FIRST; at < (to ?? LAST); at += paneMs) {
    const left = leftOf(horizon, paneMs, at)
    const bucket = grain === undefined ? null : bucketOf(at, grain, ZONES[timezone]!)
    const isCut = bucket !== null && (left === null || left[0] < bucket[0] || left[1] > bucket[1])
    // Where the zone's hours are not those of UTC, no merged hour is used, whether a bucket ends in it or not.
    const isApart = grain !== undefined && left !== null && ZONES[timezone]! % (left[1] - left[0]) !== 0
    if (left === null || isCut || isApart) lost = at
  }
  // Nothing is known of a range of which nothing is left.
  if (lost === null && to !== undefined && (fromMs ?? FIRST) >= to && leftOf(horizon, paneMs, to) === null) lost = to
  if (lost !== null) {
    const next = lost + paneMs
    const bucket = grain === undefined ? null : bucketOf(next, grain, ZONES[timezone]!)
    from = bucket === null || bucket[0] === next ? next : bucket[1]
    const end = horizon.findLast(({ beforeMs }) => beforeMs >= next)
    if (bucket === null && end !== undefined && lost >= LAST) from = end.beforeMs
  }
  const left = from === undefined ? null : leftOf(horizon, paneMs, from)
  if (left !== null && left[0] < from!) from = left[1]
  return { fromMs: from, toMs: to === undefined || from === undefined ? to : Math.max(to, from) }
}

function plainRows({ grain, timezone = 'UTC' }: ViewQuery, { fromMs = -Infinity, toMs = Infinity }: Told): unknown[] {
  const within = events.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  const keyOf = ({ atMs, country }: Event): string =>
    JSON.stringify([grain === undefined ? null : bucketOf(atMs, grain, ZONES[timezone]!)[0], country])
  return [...Map.groupBy(within, keyOf)].map(([key, own]) => {
    const [time, country] = JSON.parse(key) as [number | null, string | null]
    const guests = own.reduce((total, event) => total + event.guests, 0)
    const at = time === null ? {} : { time: new Date(time).toISOString() }
    return { ...at, country, answers: own.length, guests }
  })
}

const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort()
const text = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())

const time = (view: string): fc.Arbitrary<number> =>
  fc
    .tuple(fc.integer({ min: -2, max: 18 }), fc.constantFrom(0, 1, 7, 13, 22), fc.constantFrom(0, 0, 10, 37))
    .map(([day, hour, minute]) => BEGAN + day * DAY + hour * HOUR + (view === 'hours' ? 0 : minute * MINUTE))

const questions: fc.Arbitrary<ViewQuery> = fc
  .constantFrom<[string, string[]]>(
    ['minutes', ['minute', 'hour', 'day', 'month']],
    ['sparse', ['minute', 'day']],
    ['hours', ['hour', 'month']],
  )
  .chain(([view, grains]) =>
    fc.record({
      dataset: fc.constant('answers'),
      view: fc.constant(view),
      grain: fc.option(fc.constantFrom(...(grains as FixedGrain[])), { nil: undefined }),
      fromMs: fc.option(time(view), { nil: undefined }),
      toMs: fc.option(time(view), { nil: undefined }),
      timezone: fc.constantFrom(...Object.keys(ZONES)),
    }),
  )
  .filter(({ fromMs, toMs }) => fromMs === undefined || toMs === undefined || fromMs < toMs)
  // Hours of UTC are no hours, days or months of half an hour besides.
  .filter(({ view, grain, timezone }) => view !== 'hours' || grain === undefined || timezone !== 'Asia/Kolkata')
  .map(({ timezone, ...query }) => (query.grain === undefined || timezone === 'UTC' ? query : { ...query, timezone }))

test('any question is answered exactly for what is left, and says what is not', async () => {
  const seen = { whole: 0, narrowed: 0 }
  await fc.assert(
    fc.asyncProperty(questions, async (query) => {
      const told = toldOf(query.view, query)
      const { rows, removed, exact } = await ask(query)
      const isWhole = told.fromMs === query.fromMs && told.toMs === query.toMs
      expect([removed === null, exact]).toEqual([isWhole, isWhole])
      // Where nothing is left, the bounds are equal, wherever they are.
      if (told.fromMs === told.toMs && told.toMs !== undefined) expect([removed!.from, rows]).toEqual([removed!.to, []])
      else if (removed !== null) expect([removed.from, removed.to]).toEqual([text(told.fromMs), text(told.toMs)])
      expect(sorted(rows)).toEqual(sorted(plainRows(query, told)))
      seen[isWhole ? 'whole' : 'narrowed']++
    }),
    { numRuns: 60 },
  )
  expect(Math.min(seen.whole, seen.narrowed)).toBeGreaterThan(5)
})

const beforeOf = (view: string): number => horizons.get(view)!.at(-1)!.beforeMs
const dayAfter = (ms: number): number => Math.ceil(ms / DAY) * DAY
const total = (rows: Given['rows'], name = 'answers'): number => rows.reduce((sum, row) => sum + Number(row[name]), 0)
const byTime = (one: Given['rows'][number], other: Given['rows'][number]): number =>
  String(one.time) < String(other.time) ? -1 : 1
const within = (fromMs: number, toMs: number): number =>
  events.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length

test('a window that reaches behind the horizon has no rows, one after it is whole, and a series of windows has the whole ones', async () => {
  const before = beforeOf('recent')
  expect(before).toBe(Math.floor((batch.nowMs - 4 * DAY) / 600_000) * 600_000)
  const cut = await ask({ view: 'recent', at: before + HOUR - 600_000 })
  expect(cut).toMatchObject({ rows: [], exact: false, removed: { grain: null, before: text(before) } })
  const whole = await ask({ view: 'recent', at: before + HOUR })
  expect([whole.removed, total(whole.rows)]).toEqual([null, within(before, before + HOUR)])
  const windows = { view: 'recent', limit: 100, everyMs: HOUR, fromMs: before - 5 * HOUR, toMs: before + 5 * HOUR }
  const { rows, removed } = await ask(windows)
  const ends = [...new Set(rows.map(({ window_end }) => Date.parse(window_end as string)))]
  const first = Math.ceil((before + HOUR) / HOUR) * HOUR
  expect([Math.min(...ends), Math.max(...ends) <= before + 5 * HOUR]).toEqual([first, true])
  for (const end of ends)
    expect(total(rows.filter((row) => row.window_end === text(end)))).toBe(within(end - HOUR, end))
  expect(removed).not.toBeNull()
})

test('rows of a series are calculated from what is left, and the first one has none before it', async () => {
  // Hours older than 8 days became days.
  const [days] = horizons.get('minutes')!
  const hourly = await ask({ view: 'hourly' })
  expect(hourly.removed).toMatchObject({ grain: 'day', from: text(days!.beforeMs) })
  expect(total(hourly.rows)).toBe(within(days!.beforeMs, Infinity))
  const first = hourly.rows.filter(({ country }) => country === 'us').toSorted(byTime)[0]
  expect([Date.parse(first!.time as string) >= days!.beforeMs, first!.before]).toEqual([true, null])
  // The row before the first one was removed, so that not all is what it would be.
  const second = await ask({ view: 'hourly', fromMs: days!.beforeMs })
  expect([second.exact, second.removed]).toEqual([false, expect.objectContaining({ from: text(days!.beforeMs) })])
  expect((await ask({ view: 'hourly', fromMs: days!.beforeMs, measures: ['answers'] })).removed).toBeNull()
  const plain = await ask({ view: 'hourly', measures: ['answers'] })
  expect([plain.exact, plain.removed]).toEqual([false, expect.objectContaining({ from: text(days!.beforeMs) })])
  expect((await ask({ view: 'hourly', fromMs: days!.beforeMs + HOUR })).removed).toBeNull()
  // Days are made from what is left of all.
  const daily = await ask({ view: 'daily' })
  expect([daily.removed, total(daily.rows)]).toEqual([null, events.length])
  const later = await ask({ view: 'daily', fromMs: days!.beforeMs })
  expect(sorted(later.rows)).toEqual(
    sorted(daily.rows.filter(({ time }) => Date.parse(time as string) >= days!.beforeMs)),
  )
})

test('gaps, shares, totals, an earlier period, groupings and several views are about what is left', async () => {
  const before = beforeOf('minutes')
  const [fromMs, toMs] = [before - 2 * HOUR, before + 2 * HOUR]
  const filled = await ask({ view: 'minutes', grain: 'minute', fromMs, toMs, fill: 'zero', dimensions: [] })
  expect(filled.rows).toHaveLength(120)
  expect([filled.rows[0]!.time, total(filled.rows)]).toEqual([text(before), within(before, toMs)])
  const gone = await ask({ view: 'minutes', grain: 'minute', fromMs, toMs: before, fill: 'zero', dimensions: [] })
  expect([gone.rows, gone.removed]).toEqual([[], expect.objectContaining({ from: text(before), to: text(before) })])
  const query = { dataset: 'answers', view: 'minutes', grain: 'minute', fromMs, toMs } as const
  const { rowsJson, meta } = await answerQuery(served, { ...query, shares: ['answers'], totals: true, limit: 10_000 })
  expect(JSON.stringify(meta.totals)).toContain(`"answers":${within(before, toMs)},`)
  expect(total(JSON.parse(rowsJson), 'answers_share')).toBeCloseTo(1, 9)
  const hours = {
    view: 'minutes',
    grain: 'hour',
    fromMs: before,
    toMs: before + 2 * HOUR,
    compare: 'previous',
  } as const
  expect((await ask(hours)).removed).toBeNull()
  const compared = await ask({ ...hours, grain: 'minute' })
  expect(compared.removed).toMatchObject({ grain: 'hour', before: text(before) })
  expect(total(compared.rows, 'answers_previous')).toBe(0)
  expect(compared.rows.every((row) => row.answers_previous === null)).toBe(true)
  const sizes = await ask({ view: 'sizes', fromMs: dayAfter(before), dimensions: [] })
  expect([sizes.removed, sizes.rows.length]).toEqual([null, 1])
  const both = await ask({
    view: 'minutes+hours',
    views: ['minutes', 'hours'],
    grain: 'hour',
    fromMs: BEGAN,
    dimensions: [],
  })
  expect(both.removed).toMatchObject({ grain: null, before: text(beforeOf('hours')) })
  expect(total(both.rows, 'minutes.answers')).toBe(within(beforeOf('hours'), Infinity))
  expect(total(both.rows, 'hours.answers')).toBe(within(beforeOf('hours'), Infinity))
})

test('what is left is compared with the time as far before it, and with nothing where that was removed', async () => {
  const before = beforeOf('hours')
  const of = (rows: Given['rows'], name: string): unknown[] => [...new Set(rows.map((row) => row[name]))]
  const kept = { view: 'hours', fromMs: before + DAY, toMs: before + 2 * DAY, compare: '1d', dimensions: [] } as const
  const whole = await ask(kept)
  expect([whole.removed, total(whole.rows, 'answers_previous')]).toEqual([null, within(before, before + DAY)])
  // Two hours of what came before it are left.
  const part = await ask({ ...kept, fromMs: before + 2 * HOUR, toMs: before + 4 * HOUR, compare: '3h' })
  expect(part).toMatchObject({ exact: false, removed: { before: text(before), from: text(before + 2 * HOUR) } })
  expect([total(part.rows), of(part.rows, 'answers_previous')]).toEqual([
    within(before + 2 * HOUR, before + 4 * HOUR),
    [null],
  ])
  const hours = await ask({ ...kept, fromMs: before, toMs: before + 6 * HOUR, compare: '3h', grain: 'hour' })
  for (const row of hours.rows) {
    const then = Date.parse(row.time as string) - 3 * HOUR
    expect(row.answers_previous).toBe(then < before ? null : within(then, then + HOUR))
  }
  // The asked period began before what is left: the same hours of the day before are compared.
  const later = await ask({
    view: 'minutes',
    compare: '1d',
    dimensions: [],
    fromMs: BEGAN + DAY + HOUR,
    toMs: BEGAN + 3 * DAY,
  })
  expect(later.removed).toMatchObject({ from: text(BEGAN + 2 * DAY) })
  expect(total(later.rows, 'answers_previous')).toBe(within(BEGAN + DAY, BEGAN + 2 * DAY))
  const window = { view: 'recent', compare: '1h', dimensions: [] } as const
  const gone = await ask({ ...window, at: beforeOf('recent') + HOUR })
  expect([total(gone.rows), of(gone.rows, 'answers_previous')]).toEqual([
    within(beforeOf('recent'), beforeOf('recent') + HOUR),
    [null],
  ])
})

test('presented rows are those of the panes that are left, and say how long these are', async () => {
  const { dataset, connection } = batch
  const view = dataset.views.get('minutes')!
  const snapshot = await takeSnapshot(served, { views: [view] })
  const levels = [...horizons.get('minutes')!, { grain: 'minute' as const, beforeMs: undefined }]
  const answered: Record<string, unknown>[] = []
  for (const [place, { grain, beforeMs }] of levels.entries()) {
    const range = { fromMs: levels[place - 1]?.beforeMs, toMs: beforeMs }
    const { rows, removed } = await ask({ view: 'minutes', grain: grain!, ...range })
    expect(removed).toBeNull()
    answered.push(...rows.map((row) => ({ ...row, pane: grain })))
  }
  const some = [...new Set(events.map(({ atMs }) => Math.floor(atMs / MINUTE) * MINUTE))].sort((a, b) => a - b)
  for (const panes of [null, some.filter((_, at) => at % 50 === 0)]) {
    const { sql, members, bound } = await viewSource({ served, snapshot, connection }, view, panes)
    const fields = members.map((member) => `${member.sql} AS "${member.name}"`).join(', ')
    const rows = await connection.rows<Record<string, unknown>>(`SELECT ${fields} FROM (${sql})`, bound.parameters)
    const isAsked = ({ time, pane }: Record<string, unknown>): boolean => {
      const at = Date.parse(time as string)
      return panes === null || panes.some((each) => each >= at && each < at + GRAIN_MS[pane as FixedGrain])
    }
    const wanted = answered.filter(isAsked)
    expect(wanted.length < answered.length).toBe(panes !== null)
    const texts = (all: readonly Record<string, unknown>[]): string[] =>
      all
        .map(({ time, pane, country, answers, guests }) =>
          JSON.stringify([time, pane, country, answers, guests].map(String)),
        )
        .sort()
    expect(texts(rows)).toEqual(texts(wanted))
  }
})

test('a merged pane that a zone cuts is left out, and a zone of whole hours is answered', async () => {
  const before = beforeOf('minutes')
  const cut = await ask({ view: 'minutes', grain: 'hour', fromMs: before - DAY, timezone: 'Asia/Kolkata' })
  expect(cut.removed).toMatchObject({ grain: 'hour', before: text(before), from: text(before + HOUR / 2) })
  // A series that needs none of them is answered.
  const after = Math.ceil(before / DAY) * DAY + DAY - HOUR / 2
  const hourly = await ask({ view: 'hourly', fromMs: after, timezone: 'Asia/Kolkata' })
  expect([hourly.removed, total(hourly.rows)]).toEqual([null, within(after, Infinity)])
  const fits = await ask({ view: 'minutes', grain: 'day', fromMs: before - DAY, timezone: 'Europe/Berlin' })
  expect(fits.removed).toBeNull()
})
