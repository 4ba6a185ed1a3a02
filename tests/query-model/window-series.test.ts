/**
 * A windowed view as a series: the rows of each window are those of `at=<its end>`, and what plain code counts of the events in it, part of
 * them in a generation, part in closed segments and part only in the log. QUERY_MODEL_RUNS=500 asks more.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sliding } from '#core/definition.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { positionText } from '#core/log-position.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type LiveRow, StreamClient } from '../event-stream-client.ts'
import { type GeneratedPlatform, openGenerated } from '../generated-definitions/generated-platform.ts'
import { until } from '../until.ts'
import { comparisonsOf, comparisonText } from './generated-queries.ts'
import {
  type Dimension,
  eventOf,
  FIRST_MS,
  MEASURES,
  type Measure,
  type PlainComparison,
  plainRows,
  type Row,
  sales,
  someSales,
} from './plain-sales.ts'

const seed = Number(process.env.QUERY_MODEL_SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.QUERY_MODEL_RUNS ?? 12)
const HOUR_MS = 3_600_000
const SIZE_HOURS = 6
const RANK = { by: 'n', limit: 2, having: 'n > 1' } as const
const sold = someSales(seed, 400)

const { measures } = sales.views.sold!
const window = sliding({ size: `${SIZE_HOURS}h`, every: '1h' })
const dimensions = { country: 'country', kind: 'kind' }
const windowed: DatasetDefinition = {
  ...sales,
  views: {
    recent: { dimensions, window, measures },
    top: { dimensions, window, measures, rank: RANK },
    hourly: { dimensions, time: ['hour'], measures },
    named: { dimensions: { window_end: 'country' }, window, measures },
  },
}

let folder: string
let engine: DuckDbEngine
let resident: GeneratedPlatform
let stores: GeneratedPlatform
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-window-series-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const parts = { folder, engine, definition: windowed, segmentRecordsMax: 60, batchRecordsMax: 60 }
  resident = await openGenerated({ ...parts, resident: true })
  stores = await openGenerated({ ...parts, resident: false })
  const events = sold.map(eventOf)
  for (const each of [resident, stores]) {
    await each.intake.offer(events.slice(0, 200))
    await each.closed()
    await each.publish('full')
    const { verdicts } = await each.intake.offer(events.slice(200))
    const ends = verdicts.flatMap((verdict) =>
      verdict.status === 'accepted' ? [[verdict.partition, verdict.offset + 1] as const] : [],
    )
    const atLeast = positionText(new Map(ends))
    // Each view is brought up to date by itself, and until then its answers are of an earlier position.
    for (const view of ['recent', 'top']) {
      const look = async () => (await get(each, view, { at: FIRST_MS, atLeast })).statusCode === 200
      await until(`view '${view}' counts all sales`, look)
    }
  }
})
afterAll(async () => {
  await resident.close()
  await stores.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

type Parameters = Readonly<Record<string, string | number | readonly string[] | undefined>>

async function get({ app }: GeneratedPlatform, view: string, given: Parameters) {
  const texts = Object.entries(given).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  return app.inject(`/v1/datasets/sales/views/${view}?${new URLSearchParams(texts)}`)
}

async function answerOf(platform: GeneratedPlatform, view: string, given: Parameters): Promise<Answer> {
  const reply = await get(platform, view, given)
  expect(reply.statusCode, `${JSON.stringify(given)}: ${reply.body}`).toBe(200)
  return reply.json() as Answer
}

interface Answer {
  readonly data: readonly Row[]
  readonly meta: { readonly truncated: boolean }
}

async function rowsOf(platform: GeneratedPlatform, view: string, given: Parameters): Promise<readonly Row[]> {
  return (await answerOf(platform, view, given)).data
}

interface Asked {
  readonly view: 'recent' | 'top'
  readonly dimensions: readonly Dimension[]
  readonly measures: readonly Measure[]
  readonly country: PlainComparison | undefined
  readonly havingN: number | undefined
  readonly order: '-total' | 'buyers' | undefined
  readonly limit: number | undefined
  readonly from: number
  readonly to: number
  readonly everyHours: number
}

const asked: fc.Arbitrary<Asked> = fc
  .record({
    view: fc.constantFrom('recent' as const, 'top' as const),
    dimensions: fc.subarray<Dimension>(['country', 'kind']),
    measures: fc.subarray([...MEASURES], { minLength: 1 }),
    country: fc.option(comparisonsOf('country'), { nil: undefined, freq: 3 }),
    havingN: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 3 }),
    order: fc.constantFrom(undefined, '-total' as const, 'buyers' as const),
    limit: fc.integer({ min: 1, max: 100 }),
    fromHours: fc.integer({ min: -10, max: 14 * 24 }),
    hours: fc.integer({ min: 24, max: 72 }),
    everyHours: fc.constantFrom(1, 2, 3, 5, 6, 8, 24),
  })
  .map(({ fromHours, hours, ...more }) => ({
    ...more,
    limit: more.view === 'top' && more.limit > 50 ? undefined : more.limit,
    from: FIRST_MS + fromHours * HOUR_MS,
    to: FIRST_MS + (fromHours + hours) * HOUR_MS,
  }))

function shared({ dimensions, measures, country, havingN, order, limit }: Asked): Parameters {
  return {
    dimensions,
    measures,
    filter: country && comparisonText('country', country),
    having: havingN && `n:gte:${havingN}`,
    order,
    limit,
  }
}

function endsOf({ from, to, everyHours }: Asked): number[] {
  const everyMs = everyHours * HOUR_MS
  const ends: number[] = []
  for (let at = from + HOUR_MS; at <= to; at += HOUR_MS) if (at % everyMs === 0) ends.push(at)
  return ends
}

/** The window's rows as plain code counts and ranks them. */
function plainWindow(query: Asked, end: number): Row[] {
  const { view, dimensions, country, measures } = query
  const order = query.order ?? (view === 'top' ? '-n' : undefined)
  const [by, direction] = order?.startsWith('-') ? ([order.slice(1), 'desc'] as const) : ([order, 'asc'] as const)
  const all = plainRows(sold, {
    dimensions,
    measures: [...MEASURES],
    filters: country === undefined ? [] : [{ dimension: 'country', ...country }],
    fromMs: end - SIZE_HOURS * HOUR_MS,
    toMs: end,
    timezone: 'UTC',
    having: { measure: 'n', operator: 'gte', value: Math.max(query.havingN ?? 0, view === 'top' ? 2 : 0) },
    order: by === undefined ? [] : [{ by, direction }],
  })
  return all.map((row) => ({
    window_end: new Date(end).toISOString(),
    ...Object.fromEntries(
      [...dimensions, ...MEASURES.filter((name) => measures.includes(name))].map((name) => [name, row[name]!]),
    ),
  }))
}

/** A quantile is within 1 %, and plain code adds doubles. */
function near(found: readonly Row[], wanted: readonly Row[]): Row[] {
  const within = (name: string, a: number, b: number): boolean =>
    Math.abs(a - b) <= (name === 'middle' ? 0.0101 : 1e-9) * Math.abs(b)
  return found.map((row, at) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        const other = wanted[at]?.[name]
        return [
          name,
          typeof value === 'number' && typeof other === 'number' && within(name, value, other) ? other : value,
        ]
      }),
    ),
  )
}

test.each(['resident states', 'the stores'])(
  `each window of a series from %s is what at=<its end> and plain code give (seed ${seed})`,
  async (where) => {
    const platform = where === 'the stores' ? stores : resident
    await fc.assert(
      fc.asyncProperty(asked, fc.nat(), async (query, some) => {
        const { view, from, to, everyHours } = query
        const { data: rows, meta } = await answerOf(platform, view, {
          ...shared(query),
          from,
          to,
          every: `${everyHours}h`,
        })
        const ends = endsOf(query)
        const [windows, limit] = [ends.map((end) => plainWindow(query, end)), query.limit ?? RANK.limit]
        const wanted = windows.flatMap((window) => window.slice(0, limit))
        expect(near(rows, wanted)).toEqual(wanted)
        expect(meta.truncated).toBe(windows.some((window) => window.length > limit))
        for (const end of [ends[some % ends.length]!, ends.at(-1)!]) {
          const alone = await rowsOf(platform, view, { ...shared(query), at: end })
          const own = rows.filter((row) => row.window_end === new Date(end).toISOString())
          expect(own).toEqual(alone.map((row) => ({ window_end: new Date(end).toISOString(), ...row })))
        }
      }),
      { numRuns: where === 'the stores' ? Math.ceil(numRuns / 3) : numRuns, seed },
    )
  },
)

const DAY = { from: FIRST_MS + 24 * HOUR_MS, to: FIRST_MS + 48 * HOUR_MS, every: '2h' }

test('the same series by GET, POST, as Arrow, CSV, NDJSON and as an export', async () => {
  const wanted = await rowsOf(resident, 'top', DAY)
  const got = await get(resident, 'top', DAY)
  const body = { view: 'top', time: { from: DAY.from, to: DAY.to, every: DAY.every } }
  const posted = await resident.app.inject({ method: 'POST', url: '/v1/datasets/sales/query', payload: body })
  expect(posted.headers.etag).toBe(got.headers.etag)
  expect((posted.json() as { data: Row[] }).data).toEqual(wanted)
  const again = await resident.app.inject({
    method: 'GET',
    url: `/v1/datasets/sales/views/top?${new URLSearchParams({ ...DAY, from: String(DAY.from), to: String(DAY.to) })}`,
    headers: { 'if-none-match': String(got.headers.etag) },
  })
  expect(again.statusCode).toBe(304)
  const arrow = tableFromIPC((await get(resident, 'top.arrow', DAY)).rawPayload)
  expect(arrow.schema.fields[0]!.type.toString()).toBe('Timestamp<MICROSECOND, UTC>')
  const ends = wanted.map(({ window_end: end }) => end)
  expect([...arrow.getChild('window_end')!].map((ms) => new Date(Number(ms)).toISOString())).toEqual(ends)
  const lines = (await get(resident, 'top.ndjson', DAY)).body.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line) as Row)).toEqual(wanted)
  const [head, ...records] = (await get(resident, 'top.csv', DAY)).body.trim().split(/\r?\n/)
  expect(head).toBe(`window_end,country,kind,${MEASURES.join()}`)
  expect(records.map((record) => record.split(',')[0])).toEqual(ends)
  const every = await get(resident, 'recent.ndjson', { ...DAY, limit: 'all' })
  const all = await rowsOf(resident, 'recent', { ...DAY, limit: 100 })
  expect(
    every.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row),
  ).toEqual(all)
})

test('the newest window is first where the order says so', async () => {
  const rows = await rowsOf(resident, 'top', DAY)
  const windows = [...Map.groupBy(rows, (row) => row.window_end).values()]
  expect(windows.length).toBeGreaterThan(1)
  expect(await rowsOf(resident, 'top', { ...DAY, order: '-n,-window_end' })).toEqual(windows.toReversed().flat())
})

test('the provenance names the event time that is counted', async () => {
  const { meta } = (await get(resident, 'top', DAY)).json() as { meta: Record<string, unknown> }
  expect(meta).toMatchObject({
    from: new Date(DAY.from + 2 * HOUR_MS - SIZE_HOURS * HOUR_MS).toISOString(),
    to: new Date(DAY.to).toISOString(),
    window: null,
  })
})

test.each([
  ['every', 'hourly', {}, "view 'hourly' has no window"],
  ['every', 'recent', { every: '90m' }, 'must be a multiple of 3600 s'],
  ['every', 'recent', { every: 'soon' }, "'soon' is not a duration"],
  ['every', 'recent', { from: undefined }, "requires 'from' and 'to'"],
  ['every', 'recent', { every: '3d', to: DAY.from + HOUR_MS }, 'no window ends'],
  ['every', 'recent', { every: '1h', to: FIRST_MS + 2 ** 40 }, 'windowPanesMax = 1000000'],
  ['every', 'named', {}, "the column 'window_end' would have the name of another one"],
  ['to', 'recent', { to: DAY.from }, 'must be after from'],
  ['limit', 'recent', {}, '12 windows of up to 1000 rows can be 12000 rows, more than rowsMax = 10000'],
  ['at', 'recent', { at: 'now' }, "cannot be combined with 'every'"],
  ['grain', 'recent', { grain: 'hour' }, "cannot be combined with 'every'"],
  ['fill', 'recent', { fill: 'zero' }, "cannot be combined with 'every'"],
  ['compare', 'recent', { compare: '1d' }, "cannot be combined with 'every'"],
  ['totals', 'recent', { totals: 'true' }, "cannot be combined with 'every'"],
  ['shares', 'recent', { shares: 'n' }, "cannot be combined with 'every'"],
  ['per', 'recent', { per: 'country' }, 'which ranks within each window'],
  ['cursor', 'recent', { cursor: 'start' }, "cannot be combined with 'every'"],
])("'%s' is refused by its name (%s, %j)", async (field, view, given, message) => {
  const reply = await get(resident, view, { ...DAY, ...given })
  expect(reply.statusCode, reply.body).toBe(400)
  expect(reply.json()).toMatchObject({ field, detail: expect.stringContaining(message) })
})

test('a series that is followed changes window by window, as it is asked anew', async () => {
  await resident.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = resident.app.server.address() as AddressInfo
  const texts = new URLSearchParams({ from: `${DAY.from}`, to: `${DAY.to}`, every: DAY.every, limit: '100' })
  const client = await StreamClient.open(`http://127.0.0.1:${port}/v1/datasets/sales/views/recent/live?${texts}`)
  try {
    await client.next('the answer', ({ event }) => event === 'answer')
    expect(client.rows).toEqual(await rowsOf(resident, 'recent', { ...DAY, limit: 100 }))
    const atMs = DAY.from + 10.5 * HOUR_MS
    const more = { atMs, country: 'nz', kind: 'web', size: null, buyer: 'b1', amount: 100 }
    await resident.intake.offer([eventOf(more, sold.length)])
    const isNew = ({ country }: LiveRow): boolean => country === 'nz'
    const { data } = await client.next('the new rows', ({ rows }) => rows.some(isNew))
    expect(client.rows.filter(isNew).map((row) => row.window_end)).toEqual(
      [12, 14, 16].map((hours) => new Date(DAY.from + hours * HOUR_MS).toISOString()),
    )
    expect(client.rows).toEqual(await rowsOf(resident, 'recent', { ...DAY, limit: 100 }))
    expect(Object.keys(data as object)).toEqual(['added', 'meta'])
    expect(data).toMatchObject({ added: Array.from({ length: 3 }, () => ({ row: { country: 'nz', n: 1 } })) })
  } finally {
    client.close()
  }
})

test('a series that may be too long is refused before it is followed', async () => {
  const reply = await get(resident, 'recent/live', DAY)
  expect(reply.statusCode, reply.body).toBe(400)
  expect(reply.json()).toMatchObject({ field: 'limit' })
})
