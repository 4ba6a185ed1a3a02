/** Groupings over HTTP: every way of asking a view is one of asking its groups, as far as it makes sense. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { count, countDistinct, defineDataset, max, maxBy, sliding, sum } from '#core/definition.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    visitor: { type: 'VARCHAR', path: '$.visitor' },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: {
    visitors: {
      dimensions: { visitor: 'visitor', page: 'page' },
      time: ['hour', 'day'],
      measures: { visits: count(), last: max('at') },
    },
    now: {
      dimensions: { visitor: 'visitor' },
      window: sliding({ size: '1h', every: '10m' }),
      measures: { visits: count() },
      rank: { by: 'visits', limit: 1 },
    },
  },
  groupings: {
    frequency: {
      label: 'Visitors by how often they came',
      over: 'visitors',
      by: ['visitor'],
      dimensions: { visits: 'visits' },
      measures: { visitors: count(), all_visits: sum('visits'), newest: max('last') },
    },
    pages: {
      over: 'visitors',
      dimensions: { page: 'page' },
      where: 'visits > 1',
      measures: { regulars: count(), people: countDistinct('visitor') },
    },
    favourites: { over: 'visitors', dimensions: { visitor: 'visitor' }, measures: { page: maxBy('page', 'visits') } },
    present: { over: 'now', dimensions: { often: 'visits > 1' }, measures: { visitors: count() } },
  },
})

let platform: OwnPlatform
let position: string
beforeAll(async () => {
  platform = await openOwn({ definition, segmentRecordsMax: 3 })
  const visits = [
    ['ada', 'a', '10:00'],
    ['ada', 'a', '10:10'],
    ['ada', 'b', '11:10'],
    ['ben', 'a', '10:20'],
    ['cem', 'a', '11:00'],
    ['cem', 'a', '11:20'],
    ['dan', null, '12:00'],
  ]
  const texts = visits.map(([visitor, page, at], id) =>
    JSON.stringify({ id, visitor, page, at: `2026-03-01T${at}:00Z` }),
  )
  position = await platform.take(texts)
})
afterAll(() => platform.close())

async function ask(name: string, query = '') {
  const reply = await platform.app.inject(`/v1/datasets/visits/views/${name}?atLeast=${position}&${query}`)
  const { data, meta, detail } = reply.json() as { data: unknown; meta: Record<string, unknown>; detail: string }
  return { status: reply.statusCode, data, meta, detail }
}

test('each merged row counts once, whatever pane its events were in', async () => {
  const { data, meta } = await ask('frequency')
  expect(data).toEqual([
    { visits: 1, visitors: 2, all_visits: 2, newest: '2026-03-01T12:00:00.000Z' },
    { visits: 2, visitors: 1, all_visits: 2, newest: '2026-03-01T11:20:00.000Z' },
    { visits: 3, visitors: 1, all_visits: 3, newest: '2026-03-01T11:10:00.000Z' },
  ])
  expect(meta).toMatchObject({ view: 'frequency', exact: true, estimates: {}, from: null })
})

test.each([
  [
    'frequency',
    'from=2026-03-01T11:00:00Z&measures=visitors',
    [
      { visits: 1, visitors: 2 },
      { visits: 2, visitors: 1 },
    ],
  ],
  [
    'frequency',
    'from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z&measures=visitors',
    [
      { visits: 1, visitors: 1 },
      { visits: 2, visitors: 1 },
    ],
  ],
  ['frequency', 'from=2026-03-01&timezone=Europe/Berlin&measures=visitors&dimensions=', [{ visitors: 4 }]],
  [
    'frequency',
    'filter=visits:gt:1&measures=visitors&order=-visits',
    [
      { visits: 3, visitors: 1 },
      { visits: 2, visitors: 1 },
    ],
  ],
  ['frequency', 'having=visitors:gt:1&measures=visitors', [{ visits: 1, visitors: 2 }]],
  ['frequency', 'shares=visitors&measures=visitors&limit=1', [{ visits: 1, visitors: 2, visitors_share: 0.5 }]],
  ['pages', '', [{ page: 'a', regulars: 2, people: 2 }]],
  ['pages', 'from=2026-03-01T11:00:00Z&measures=regulars', [{ page: 'a', regulars: 1 }]],
  [
    'present',
    'at=2026-03-01T11:00:00Z',
    [
      { often: false, visitors: 1 },
      { often: true, visitors: 1 },
    ],
  ],
])('%s?%s', async (name, query, rows) => {
  expect((await ask(name, query)).data).toEqual(rows)
})

test('the most frequent value of each group', async () => {
  const favourites = { ada: 'a', ben: 'a', cem: 'a', dan: null }
  const rows = Object.entries(favourites).map(([visitor, page]) => ({ visitor, page }))
  expect((await ask('favourites')).data).toEqual(rows)
  const later = { ada: 'b', cem: 'a', dan: null }
  expect((await ask('favourites', 'from=2026-03-01T11:00:00Z')).data).toEqual(
    Object.entries(later).map(([visitor, page]) => ({ visitor, page })),
  )
})

test('totals, pages and exports are of the groups', async () => {
  const { data, meta } = await ask('frequency', 'totals=true&limit=1&measures=visitors')
  expect([data, meta.totals, meta.truncated]).toEqual([[{ visits: 1, visitors: 2 }], { visitors: 4 }, true])
  const page = await ask('frequency', 'cursor=start&limit=2&measures=visitors')
  const next = await ask('frequency', `cursor=${page.meta.next}&limit=2&measures=visitors`)
  expect([page.data, next.data].flat()).toEqual((await ask('frequency', 'measures=visitors')).data)
  const url = `/v1/datasets/visits/views/frequency.csv?atLeast=${position}&limit=all&measures=visitors`
  expect((await platform.app.inject(url)).body).toBe('visits,visitors\n1,2\n2,1\n3,1\n')
})

test('of a window, meta says which one', async () => {
  const { meta } = await ask('present', 'at=latest')
  expect(meta.window).toMatchObject({ from: '2026-03-01T11:10:00.000Z', to: '2026-03-01T12:10:00.000Z' })
})

test.each([
  ['frequency', 'grain=hour', /grain: is not for groupings; ask view 'visitors', whose rows 'frequency' groups/],
  ['frequency', 'compare=1d&from=2026-03-01&to=2026-03-02', /compare: is not for groupings/],
  ['present', 'every=10m&from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z', /every: is not for groupings/],
  ['frequency', 'at=now', /at: view 'visitors' has no window/],
  ['frequency', 'from=2026-03-01T10:30:00Z', /from: must be a multiple of the view's pane/],
  ['frequency', 'dimensions=visitor', /dimensions: 'visitor' is unknown/],
  ['frequency', 'measures=visits', /measures: 'visits' is unknown/],
])('%s?%s is refused by name', async (name, query, problem) => {
  expect(await ask(name, query)).toMatchObject({ status: 400, detail: expect.stringMatching(problem) })
})

test('the description of the dataset has them', async () => {
  const { groupings } = (await platform.app.inject('/v1/datasets/visits')).json() as { groupings: object[] }
  expect(groupings[0]).toMatchObject({
    name: 'frequency',
    label: 'Visitors by how often they came',
    over: 'visitors',
    by: ['visitor'],
    paneMs: null,
    dimensions: [{ name: 'visits', type: 'BIGINT' }],
    measures: [{ name: 'visitors' }, { name: 'all_visits' }, { name: 'newest' }],
  })
})
