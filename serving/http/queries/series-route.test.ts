import { afterAll, beforeAll, expect, test } from 'vitest'
import { countDistinct, defineDataset, movingAverage, quantile, share } from '#core/definition.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
    ms: { type: 'INTEGER', path: '$.ms' },
  },
  views: {
    by_page: {
      dimensions: { page: 'page' },
      time: ['second', 'hour', 'day'],
      measures: { people: countDistinct('id'), median: quantile('ms', 0.5) },
      rank: { by: 'people', limit: 1, having: 'people > 1000' },
    },
  },
  series: {
    trend: {
      over: 'by_page',
      grain: 'hour',
      fill: { people: 0 },
      columns: { usual: movingAverage('people', 2), part: share('people'), slow: movingAverage('median', 2) },
    },
  },
})

let platform: OwnPlatform
let position: string
beforeAll(async () => {
  platform = await openOwn({ definition, segmentRecordsMax: 3 })
  const events = [
    [1, '2026-03-01T10:10:00Z', 'a'],
    [2, '2026-03-01T10:20:00Z', 'a'],
    [1, '2026-03-01T10:30:00Z', 'b'],
    [1, '2026-03-01T12:00:00Z', 'a'],
    [1, '2026-03-09T12:00:00Z', 'b'],
  ].map(([id, at, page]) => JSON.stringify({ id, at, page, ms: 100 }))
  position = await platform.take(events)
})
afterAll(() => platform.close())

async function ask(query: string) {
  const reply = await platform.app.inject(`/v1/datasets/visits/views/trend?atLeast=${position}&${query}`)
  const { data, meta, detail } = reply.json() as Record<'data' | 'meta' | 'detail', unknown>
  return { status: reply.statusCode, data, meta, detail }
}

test('its rows fill gaps, have measures before columns, and are not ranked as the view is', async () => {
  const { data, meta } = await ask('to=2026-03-01T13:00:00Z&measures=people,usual,part')
  expect(data).toEqual([
    { time: '2026-03-01T10:00:00.000Z', page: 'a', people: 2, usual: null, part: 2 / 3 },
    { time: '2026-03-01T10:00:00.000Z', page: 'b', people: 1, usual: null, part: 1 / 3 },
    { time: '2026-03-01T11:00:00.000Z', page: 'a', people: 0, usual: 1, part: null },
    { time: '2026-03-01T11:00:00.000Z', page: 'b', people: 0, usual: 0.5, part: null },
    { time: '2026-03-01T12:00:00.000Z', page: 'a', people: 1, usual: 0.5, part: 1 },
    { time: '2026-03-01T12:00:00.000Z', page: 'b', people: 0, usual: 0, part: 0 },
  ])
  expect(meta).toMatchObject({ view: 'trend', exact: true, estimates: {}, to: '2026-03-01T13:00:00.000Z' })
})

test('columns that are calculated from estimates are named with them', async () => {
  const { meta } = await ask('measures=slow')
  expect(meta).toMatchObject({
    exact: false,
    estimates: { slow: { bound: "calculated from estimates: ±1 % in 'median'" } },
  })
})

test('the same query again is known by its tag', async () => {
  const url = '/v1/datasets/visits/views/trend?limit=2'
  const first = await platform.app.inject(url)
  const again = await platform.app.inject({ url, headers: { 'if-none-match': String(first.headers.etag) } })
  expect([first.statusCode, again.statusCode]).toEqual([200, 304])
})

test('filled rows have a limit by name', async () => {
  const { status, detail } = await ask('grain=second')
  expect([status, detail]).toEqual([
    400,
    expect.stringMatching(
      /from: filling the gaps of series 'trend' needs \d+ rows \(keys × buckets\), more than filledRowsMax = 1000000; ask/,
    ),
  ])
  expect((await ask('grain=second&filter=page:eq:a&from=2026-03-09T00:00:00Z&limit=1')).status).toBe(200)
})

test.each([
  ['at=now', /at: series 'trend' has no window/],
  ['grain=minute', /grain: 'minute' is not a grain/],
  ['measures=usul', /measures: 'usul' is unknown \(did you mean 'usual'\?\)/],
  ['having=usual:gt:x', /having: usual:gt: 'x' is not a number/],
  ['filter=usual:gt:1', /filter: 'usual' is unknown/],
])('%s is refused by name', async (query, problem) => {
  expect(await ask(query)).toMatchObject({ status: 400, detail: expect.stringMatching(problem) })
})

test('a name that neither a view nor a series has is unknown', async () => {
  const reply = await platform.app.inject('/v1/datasets/visits/views/trends')
  expect(reply.statusCode).toBe(404)
  expect(reply.json()).toMatchObject({ detail: expect.stringContaining("did you mean 'trend'?") })
})

test('the description of the dataset has it', async () => {
  const { series } = (await platform.app.inject('/v1/datasets/visits')).json() as { series: unknown[] }
  expect(series).toEqual([
    {
      name: 'trend',
      over: 'by_page',
      by: ['page'],
      grain: 'hour',
      grains: ['second', 'hour', 'day'],
      fill: { people: 0, median: null },
      columns: [
        {
          name: 'usual',
          kind: 'movingAverage',
          expression: 'people',
          rows: 2,
          recurrence: null,
          type: 'DOUBLE',
          measures: ['people'],
        },
        {
          name: 'part',
          kind: 'share',
          expression: 'people',
          rows: null,
          recurrence: null,
          type: 'DOUBLE',
          measures: ['people'],
        },
        {
          name: 'slow',
          kind: 'movingAverage',
          expression: 'median',
          rows: 2,
          recurrence: null,
          type: 'DOUBLE',
          measures: ['median'],
        },
      ],
    },
  ])
})
