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
  type Dimension,
  eventOf,
  plainJoined,
  plainRows,
  plainTotals,
  prefixed,
  type Row,
  sales,
  someSales,
} from './plain-sales.ts'

const seed = Number(process.env.QUERY_MODEL_SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.QUERY_MODEL_RUNS ?? 20)
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
    await each.publish('full')
    const { verdicts } = await each.intake.offer(events.slice(200))
    const ends = verdicts.flatMap((verdict) =>
      verdict.status === 'accepted' ? [[verdict.partition, verdict.offset + 1] as const] : [],
    )
    atLeast = positionText(new Map(ends))
    const url = `/v1/datasets/sales/views/sold?atLeast=${atLeast}`
    await until('everything is counted', async () => (await each.app.inject(url)).statusCode === 200)
  }
})
afterAll(async () => {
  await platform.close()
  await stores.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

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

async function get(
  parameters: Readonly<Record<string, unknown>>,
): Promise<{ readonly etag: unknown; readonly body: string }> {
  const given = Object.entries(parameters).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  const reply = await platform.app.inject(`/v1/datasets/sales/views/sold?${new URLSearchParams(given)}`)
  expect(reply.statusCode, reply.body).toBe(200)
  return { etag: reply.headers.etag, body: reply.body }
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
        const { data, meta } = JSON.parse((await post(bodyOf(query), from)).body) as Given
        expectRows(data, plainRows(sold, query))
        if (query.totals) expectRows([meta.totals!], [plainTotals(sold, query)])
      }),
      { numRuns: Math.ceil(where === 'from the stores' ? numRuns / 3 : numRuns), seed },
    )
  },
)

test(`GET and POST are one answer, and its pages are its rows (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(queries, fc.integer({ min: 1, max: 40 }), async (query, limit) => {
      const [got, posted] = [await get(parametersOf(query)), await post(bodyOf(query))]
      expect(got.etag).toBe(posted.etag)
      expect(withoutAge(got.body)).toEqual(withoutAge(posted.body))
      const pages: Row[] = []
      for (let cursor: string | null = 'start'; cursor !== null; ) {
        const { data, meta } = JSON.parse((await post({ ...bodyOf(query), limit, cursor })).body) as Given
        pages.push(...data)
        cursor = meta.next
      }
      expect(pages).toEqual((JSON.parse(posted.body) as Given).data)
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
        const shared = { ...query, dimensions, shares: undefined, earlier: undefined }
        const measures = shared.measures.filter((name) => name !== 'middle')
        const asked = { ...shared, measures, fill: shared.fill === 'zero' ? shared.fill : undefined }
        const { view: _view, having: _having, ...body } = bodyOf(asked) as { view: string; having?: object }
        const named = measures.flatMap((name) => [`sold.${name}`, `web.${name}`]).toSorted()
        const having =
          asked.havingN === undefined ? {} : { having: { measure: 'sold.n', operator: 'gte', value: asked.havingN } }
        const all = { ...body, views: ['sold', 'web'], measures: named, ...having }
        if (named.length === 0 && dimensions.length === 0 && asked.grain === undefined) return
        const { data, meta } = JSON.parse((await post(all, from)).body) as Given
        expectRows(data, plainJoined(sold, asked))
        if (!asked.totals || asked.havingN !== undefined) return
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
