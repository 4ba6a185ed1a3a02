/**
 * Generated queries of one generated log, part of it in a generation, part in closed segments and part only in the log: each answer is what
 * plain code counts, GET and POST give the same bytes, and the pages of an answer are its rows. QUERY_MODEL_RUNS=500 asks more.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { positionText } from '#core/log-position.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { until } from '#tests/until.ts'
import { type GeneratedPlatform, openGenerated } from '../generated-definitions/generated-platform.ts'
import { bodyOf, expectRows, parametersOf, queries } from './generated-queries.ts'
import {
  DAYS,
  type Dimension,
  eventOf,
  FIRST_MS,
  type Measure,
  type PlainQuery,
  plainJoined,
  plainRows,
  plainTotals,
  prefixed,
  type Row,
  sales,
  someSales,
} from './plain-sales.ts'

const seed = Number(process.env.QUERY_MODEL_SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.QUERY_MODEL_RUNS ?? 14)
const PAGES_MAX = 20
const sold = someSales(seed, 400)

let folder: string
let engine: DuckDbEngine
let platform: GeneratedPlatform
let stores: GeneratedPlatform
let atLeast: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-query-model-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const parts = { folder, engine, definition: sales, segmentRecordsMax: 60 }
  platform = await openGenerated({ ...parts, resident: true })
  stores = await openGenerated({ ...parts, resident: false })
  const events = sold.map(eventOf)
  for (const each of [platform, stores]) {
    await each.intake.offer(events.slice(0, 200))
    await each.closed()
    // Small files: of parts of time, and of parts of the keys.
    await each.publish('full', { stateFileBytes: 1_000 })
    const { verdicts } = await each.intake.offer(events.slice(200))
    const ends = verdicts.flatMap((verdict) =>
      verdict.status === 'accepted' ? [[verdict.partition, verdict.offset + 1] as const] : [],
    )
    atLeast = positionText(new Map(ends))
    const url = `/v1/datasets/sales/views/sold?atLeast=${atLeast}`
    await until('everything is counted', async () => (await each.app.inject(url)).statusCode === 200)
    const { meta } = (await each.app.inject(url)).json() as { meta: { rows: Record<string, number> } }
    expect(meta.rows.batch).toBeGreaterThan(0)
  }
})
afterAll(async () => {
  await platform.close()
  await stores.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

const ALL_TIME = { fromMs: FIRST_MS, toMs: FIRST_MS + DAYS * 86_400_000, timezone: 'UTC' }

interface Given {
  readonly data: readonly Row[]
  readonly meta: { readonly next: string | null; readonly totals: Row | null }
}

async function post(
  body: object,
  { app }: Pick<GeneratedPlatform, 'app'> = platform,
): Promise<{ readonly etag: unknown; readonly body: string }> {
  const { statusCode, ...reply } = await app.inject({
    method: 'POST',
    url: '/v1/datasets/sales/query',
    payload: body,
  })
  expect(statusCode, `${JSON.stringify(body)}: ${reply.body}`).toBe(200)
  return { etag: reply.headers.etag, body: reply.body }
}

async function get(parameters: [string, string][]): Promise<{ readonly etag: unknown; readonly body: string }> {
  const reply = await platform.app.inject(`/v1/datasets/sales/views/sold?${new URLSearchParams(parameters)}`)
  expect(reply.statusCode, reply.body).toBe(200)
  return { etag: reply.headers.etag, body: reply.body }
}

/** Of a view without time; and so plain that the measures that nothing ranks by are read in a second pass. */
function ofAllTime({ filters, dimensions, measures, order, limit, totals }: PlainQuery): PlainQuery {
  const byOthers = order?.filter(({ by }) => by !== 'time')
  return { filters, dimensions, measures, order: byOthers, limit, totals, ...ALL_TIME }
}

/** Of a view that is ranked: a time series is not, unless within each time. */
function ofRanked(query: PlainQuery): PlainQuery {
  const isSeries = query.grain !== undefined && (query.per ?? []).length === 0
  const order = query.order ?? (isSeries ? [] : [{ by: 'n', direction: 'desc' }])
  return { ...query, several: true, order, totals: query.totals && query.earlier === undefined }
}

const withoutAge = (body: string): object => {
  const { data, meta } = JSON.parse(body) as { data: unknown; meta: Record<string, unknown> }
  return { data, meta: { ...meta, asOf: null, freshnessMs: null } }
}

test.each(['from resident states', 'from the stores'])(
  `an answer %s is what plain code counts (seed ${seed})`,
  async (where) => {
    const from = where === 'from the stores' ? stores : platform
    await post({ view: 'sold', atLeast }, from)
    await fc.assert(
      fc.asyncProperty(queries, async (query) => {
        const check = async (asked: PlainQuery, body: object): Promise<void> => {
          const { data, meta } = JSON.parse((await post(body, from)).body) as Given
          expectRows(data, plainRows(sold, asked))
          if (asked.totals) expectRows([meta.totals!], [plainTotals(sold, asked)])
        }
        await check(query, bodyOf(query))
        const ever = ofAllTime(query)
        await check(ever, { ...bodyOf(ever), view: 'ever', time: undefined })
        const top = ofRanked(query)
        await check(top, { ...bodyOf({ ...top, order: query.order }), view: 'top' })
      }),
      { numRuns: Math.ceil(where === 'from the stores' ? numRuns / 3 : numRuns), seed },
    )
  },
)

test(`GET and POST are one answer, and its pages are its rows (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(queries, fc.integer({ min: 1, max: 40 }), async (query, limit) => {
      const posted = await post(bodyOf(query))
      const parameters = parametersOf(query)
      if (parameters !== null) {
        const got = await get(parameters)
        expect(got.etag).toBe(posted.etag)
        expect(withoutAge(got.body)).toEqual(withoutAge(posted.body))
      }
      const whole = bodyOf({ ...query, per: undefined, limit: undefined })
      const { data: rows } = JSON.parse((await post(whole)).body) as Given
      const pages: Row[] = []
      for (let cursor: string | null = 'start'; cursor !== null; ) {
        const paged = { ...whole, limit: Math.max(limit, Math.ceil(rows.length / PAGES_MAX)), cursor }
        const { data, meta } = JSON.parse((await post(paged)).body) as Given
        pages.push(...data)
        cursor = meta.next
      }
      expect(pages).toEqual(rows)
    }),
    { numRuns: Math.ceil(numRuns / 3), seed },
  )
})

test.each(['from resident states', 'from the stores'])(
  `several views %s are side by side, of one position (seed ${seed})`,
  async (where) => {
    const from = where === 'from the stores' ? stores : platform
    await fc.assert(
      fc.asyncProperty(queries, fc.constantFrom<Dimension[]>(['country'], []), async (query, dimensions) => {
        const { timezone, fromMs, toMs, totals } = query
        const grain = query.grain === 'month' ? 'day' : query.grain
        const isOfBoth = (name: Measure): boolean => name in sales.views.web!.measures
        const measures = query.measures.filter(isOfBoth)
        const filters = query.filters!.filter((filter) => 'dimension' in filter && filter.dimension === 'country')
        const asked = {
          ...{ dimensions, measures, filters, timezone, fromMs, toMs, grain, totals },
          fill: query.fill === 'zero' ? query.fill : undefined,
          having: query.having !== undefined && isOfBoth(query.having.measure) ? query.having : undefined,
        }
        const { view: _view, having: _having, ...body } = bodyOf(asked) as { view: string; having?: object }
        const named = measures.flatMap((name) => [`sold.${name}`, `web.${name}`]).toSorted()
        const having =
          asked.having === undefined ? {} : { having: { ...asked.having, measure: `sold.${asked.having.measure}` } }
        const all = { ...body, views: ['sold', 'web'], measures: named, ...having }
        if (named.length === 0 && dimensions.length === 0 && asked.grain === undefined) return
        const { data, meta } = JSON.parse((await post(all, from)).body) as Given
        expectRows(data, plainJoined(sold, asked))
        if (!asked.totals || asked.having !== undefined) return
        const web = sold.filter(({ kind }) => kind === 'web')
        const [a, b] = [plainTotals(sold, asked), plainTotals(web, asked)]
        expectRows([meta.totals!], [{ ...prefixed('sold', a, measures), ...prefixed('web', b, measures) }])
      }),
      { numRuns: Math.ceil(numRuns / 2), seed },
    )
  },
)

test.each([{}, { totals: true }, { compare: { shift: '1d' }, time: { from: '2026-03-02', to: '2026-03-03' } }])(
  'of several views one may show nothing: the others are as beside it, with %j',
  async (more) => {
    const asked = { views: ['sold', 'web'], dimensions: [], atLeast, ...more }
    for (const from of [platform, stores]) {
      const both = JSON.parse((await post({ ...asked, measures: ['sold.n', 'web.n'] }, from)).body) as Given
      for (const name of ['sold.n', 'web.n']) {
        const { data, meta } = JSON.parse((await post({ ...asked, measures: [name] }, from)).body) as Given
        expect(data).toEqual(both.data.map((row) => only(row, name)))
        expect(meta.totals ?? null).toEqual(both.meta.totals ? only(both.meta.totals, name) : null)
      }
    }
  },
)

test('a query without dimensions returns no row if no event matches; totals and fill still show zeros and nulls', async () => {
  const nothing = { n: 0, buyers: 0, most: null }
  const asked = { dimensions: [], measures: Object.keys(nothing), totals: true, atLeast }
  const time = { from: '2026-03-01', to: '2026-03-02' }
  const filter = { dimension: 'country', operator: 'eq', value: 'xx' }
  for (const from of [platform, stores]) {
    for (const body of [
      { view: 'sold', time },
      { view: 'sold', filter },
      { view: 'ever', filter },
    ]) {
      const { data, meta } = JSON.parse((await post({ ...asked, ...body }, from)).body) as Given
      expect({ data, totals: meta.totals }).toEqual({ data: [], totals: nothing })
    }
    const filled = { ...asked, view: 'sold', time: { ...time, grain: 'day' }, fill: 'zero' }
    const { data } = JSON.parse((await post(filled, from)).body) as Given
    expect(data).toEqual([{ time: '2026-03-01T00:00:00.000Z', ...nothing }])
  }
})

function only(row: Row, name: string): object {
  return Object.fromEntries(Object.entries(row).filter(([member]) => member.startsWith(name)))
}

test('several views are of one position while events come in', async () => {
  const ids = { next: sold.length }
  const append = async (): Promise<void> => {
    const web = someSales(seed + ids.next, 3).map((one) => eventOf({ ...one, kind: 'web' }, ids.next++))
    await platform.intake.offer(web)
  }
  const others = sold.filter(({ kind }) => kind !== 'web').length
  for (let round = 0; round < 8; round++) {
    const asked = [1, 2, 3].map((limit) => ({
      views: ['web', 'sold'],
      measures: ['sold.n', 'web.n'],
      dimensions: [],
      limit,
    }))
    const [, ...replies] = await Promise.all([append(), ...asked.map((body) => post(body))])
    for (const { body } of replies) {
      const [row] = (JSON.parse(body) as Given).data as [Record<string, number>]
      expect(row['sold.n']! - row['web.n']!).toBe(others)
    }
  }
})
