/** Panels of a definition: completed where it leaves something out, derived where it names none, refused with their place where they are wrong. */
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from '../compile-dataset.ts'
import {
  count,
  countDistinct,
  type DatasetDefinition,
  histogram,
  latest,
  max,
  min,
  movingAverage,
  sliding,
  sum,
} from '../definition.ts'
import type { PanelDefinition } from '../panel-definition.ts'

const base: DatasetDefinition = {
  name: 'visits',
  time: 'at',
  key: 'page',
  columns: {
    page: { type: 'VARCHAR', path: '$.p', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    country: { type: 'VARCHAR', path: '$.c' },
    ms: { type: 'BIGINT', path: '$.ms' },
    lat: { type: 'DOUBLE', path: '$.lat' },
    lon: { type: 'DOUBLE', path: '$.lon' },
  },
  views: {
    pages: {
      label: 'Visits by page',
      dimensions: { page: 'page', country: 'country' },
      time: ['hour', 'day'],
      measures: {
        visits: count(),
        total: sum('ms'),
        visitors: countDistinct('page'),
        durations: histogram('ms', [10, 100]),
        last: latest('page'),
      },
    },
    now: {
      dimensions: { page: 'page' },
      window: sliding({ size: '5m', every: '10s' }),
      measures: { visits: count() },
      rank: { by: 'visits', limit: 7 },
    },
    places: { dimensions: { page: 'page' }, measures: { visits: count(), lat: latest('lat'), lon: latest('lon') } },
    slow: {
      dimensions: { page: 'page' },
      time: ['day'],
      measures: { open: min('ms'), high: max('ms'), low: min('ms'), close: max('ms') },
    },
  },
  series: { trend: { over: 'slow', grain: 'day', columns: { sma_3: movingAverage('close', 3) } } },
}

const compiled = async (dashboard?: readonly PanelDefinition[]) =>
  (await compileDataset({ ...base, dashboard }, await testConnection())).dashboard

test('what a panel leaves out is completed by its kind and its view', async () => {
  const { derived, panels } = await compiled([
    { kind: 'ranking', view: 'now' },
    { kind: 'lines', view: 'pages', section: 'All', measures: ['total'] },
    { kind: 'lines', view: 'pages', filter: { country: ['us', 'gb'] }, dimensions: ['country'], width: 12 },
    { kind: 'events', dimensions: ['page'] },
  ])
  expect(derived).toBe(false)
  expect(panels.map(({ section, title }) => [section, title])).toEqual([
    ['Now', 'Top page'],
    ['All', 'Over time'],
    ['All', 'By country over time'],
    ['All', 'Events'],
  ])
  expect(panels[0]).toEqual({
    ...{ id: 'now-top-page', section: 'Now', title: 'Top page', kind: 'ranking', view: 'now', measures: ['visits'] },
    ...{ dimensions: ['page'], order: null, limit: 10, filter: {}, width: 4 },
  })
  expect(panels[2]).toMatchObject({ filter: { country: ['us', 'gb'] }, measures: ['visits', 'total', 'visitors'] })
  expect(panels[3]).toMatchObject({ view: null, dimensions: ['page'], limit: 50 })
})

test('without panels those that fit each view are derived: windows first, lists last, each with its own id', async () => {
  const { derived, panels } = await compiled()
  expect(derived).toBe(true)
  expect(panels.map(({ view, kind }) => `${view} ${kind}`)).toEqual([
    'now ranking',
    'now lines',
    'pages lines',
    'pages ranking',
    'pages map',
    'pages histogram',
    'pages heat',
    'slow lines',
    'slow ranking',
    'trend candles',
    'places table',
    'places points',
  ])
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
})

test.each<[PanelDefinition | object, string]>([
  [{ kind: 'pie', view: 'pages' }, "unknown kind 'pie'; use one of number, lines"],
  [{ kind: 'lines', view: 'page' }, "view: 'page' is unknown (did you mean 'pages'?)"],
  [{ kind: 'lines' }, 'lines needs a view'],
  [{ kind: 'lines', view: 'places' }, "lines: 'places' has no grains of time"],
  [
    { kind: 'lines', view: 'pages', measures: ['visit'] },
    "'visit' is not a measure of 'pages' (did you mean 'visits'?)",
  ],
  [{ kind: 'lines', view: 'pages', measures: ['last'] }, "measure 'last' is not a number, as lines needs"],
  [
    { kind: 'stacked', view: 'pages', measures: ['visitors'] },
    "measure 'visitors' is not a count or a sum, which adds up",
  ],
  [{ kind: 'lines', view: 'pages', measures: [] }, 'measures: lines shows at least one'],
  [
    { kind: 'ranking', view: 'pages', dimensions: ['pag'] },
    "'pag' is not a dimension of 'pages' (did you mean 'page'?)",
  ],
  [{ kind: 'ranking', view: 'pages', dimensions: [] }, 'ranking needs 1 dimension'],
  [{ kind: 'lines', view: 'pages', dimensions: ['page', 'country'] }, 'lines can have at most 1 dimension'],
  [{ kind: 'table', view: 'pages', order: '-page_' }, "order: 'page_' is neither a measure nor a dimension"],
  [{ kind: 'table', view: 'pages', limit: 0 }, 'limit must be a whole number from 1 to 10000, but is 0'],
  [{ kind: 'table', view: 'pages', width: 13 }, 'width must be a whole number from 1 to 12, but is 13'],
  [{ kind: 'table', view: 'pages', filter: { page: [] } }, "filter 'page' names no value"],
  [{ kind: 'heat', view: 'slow' }, "heat: 'slow' has no grain 'hour'"],
  [{ kind: 'points', view: 'pages' }, "points: 'pages' has no numbers lat and lon, or latitude and longitude"],
  [{ kind: 'candles', view: 'pages' }, "candles: 'pages' has no measure 'open', 'high', 'low', 'close'"],
  [{ kind: 'histogram', view: 'now' }, "histogram: 'now' has no measure that is a histogram"],
  [{ kind: 'events', dimensions: ['pag'] }, "'pag' is not a column (did you mean 'page'?)"],
  [{ kind: 'events', view: 'pages' }, 'events shows raw events: it has neither a view nor measures nor an order'],
  [{ kind: 'lines', view: 'pages', widht: 3 }, "unknown member 'widht' (did you mean 'width'?)"],
])('%j is refused', async (panel, problem) => {
  await expect(compiled([panel as PanelDefinition])).rejects.toThrow(problem)
  await expect(compiled([panel as PanelDefinition])).rejects.toThrow(/dashboard,.* (panel 1|0)/)
})
