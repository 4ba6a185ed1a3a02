/** What a series is refused for, and what its columns depend on. */
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from '../compile-dataset.ts'
import type { DatasetDefinition, SeriesColumnDefinition, SeriesDefinition } from '../definition.ts'
import {
  count,
  cumulativeSum,
  difference,
  ema,
  latest,
  lookup,
  movingAverage,
  rank,
  rsi,
  share,
  sliding,
  sum,
  usual,
} from '../definition.ts'
import { DefinitionError } from '../definition-error.ts'

const connection = await testConnection()

const quotes: DatasetDefinition = {
  name: 'quotes',
  time: 'at',
  key: 'symbol',
  columns: {
    symbol: { type: 'VARCHAR', path: '$.symbol', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
    size: { type: 'INTEGER', path: '$.size' },
  },
  views: {
    bars: {
      dimensions: { symbol: 'symbol' },
      time: ['minute', 'day'],
      measures: { close: latest('price'), venue: latest('symbol'), volume: sum('size') },
      enrich: { company: lookup('companies', 'symbol', 'name') },
    },
    trending: {
      dimensions: { symbol: 'symbol' },
      window: sliding({ size: '5m', every: '1m' }),
      measures: { n: count() },
    },
    totals: { dimensions: { symbol: 'symbol' }, measures: { n: count() } },
  },
}

type Columns = SeriesDefinition['columns']
const columns: Columns = { mean: movingAverage('close', 3) }
const compile = (series: Readonly<Record<string, object>>) =>
  compileDataset({ ...quotes, series: series as DatasetDefinition['series'] }, connection)

async function problemsOf(one: object, name = 'bands'): Promise<readonly string[]> {
  const error = await compile({ [name]: { over: 'bars', grain: 'day', columns, ...one } }).catch(
    (fault: Error) => fault,
  )
  expect(error).toBeInstanceOf(DefinitionError)
  return (error as DefinitionError).problems
}

describe('a series is refused, with the place and a way out', () => {
  test.each<[object, string]>([
    [{ over: 'bar' }, "series 'bands', over: 'bar' is not a view (did you mean 'bars'?)"],
    [
      { over: 'totals' },
      "series 'bands', over: view 'totals' has no event time; a series needs a view with time or a window",
    ],
    [{ grain: 'week' }, "series 'bands', grain: 'week' is not a grain of view 'bars'; use one of minute, day"],
    [{ by: ['symbl'] }, "series 'bands', by: 'symbl' is not a dimension of view 'bars' (did you mean 'symbol'?)"],
    [{ by: ['symbol', 'symbol'] }, "series 'bands', by: a dimension is given more than once"],
    [{ fill: { vol: 0 } }, "series 'bands', fill: 'vol' is not a measure of view 'bars'"],
    [
      { fill: 0 },
      "series 'bands', fill: 0 is not a value of measure 'venue', which has type VARCHAR; give each measure its own, or use null or 'previous'",
    ],
    [
      { fill: 'previus' },
      "series 'bands', fill: 'previus' is not one of null, 0, 'previous' (did you mean 'previous'?)",
    ],
    [
      { fill: { close: 'next', volume: 0 } },
      "series 'bands', fill: measure 'close': 'next' is not one of null, 0, 'previous'",
    ],
    [
      { fill: 5 },
      "series 'bands', fill: must be null, 0 or 'previous', or an object with one of these for each measure",
    ],
    [{ columns: {} }, "series 'bands': a series must have 1 to 64 columns"],
    [
      { columns: { close: 'volume' } },
      "series 'bands', column 'close': the name is already used by a measure of view 'bars'",
    ],
    [
      { columns: { company: 'volume' } },
      "series 'bands', column 'company': the name is already used by a lookup of view 'bars'",
    ],
    [{ columns: { time: 'volume' } }, "series 'bands', column 'time': this name is reserved"],
    [
      { columns: { a: 'clos' } },
      "series 'bands', column 'a': 'clos' refers to unknown column 'clos' (did you mean 'close'?)",
    ],
    [
      { columns: { a: 'sum(close)' } },
      "series 'bands', column 'a': 'sum(close)' calls sum(), which is not one of the allowed scalar functions",
    ],
    [
      { columns: { a: movingAverage('close', 501) } },
      "series 'bands', column 'a': movingAverage over 501 rows; use an integer from 1 to 500",
    ],
    [
      { columns: { a: { kind: 'movingStddev', expression: 'close', rows: 1 } } },
      "series 'bands', column 'a': movingStddev over 1 rows; use an integer from 2 to 500",
    ],
    [
      { columns: { a: ema('venue', 3) } },
      "series 'bands', column 'a': ema requires a numeric expression, but 'venue' has type VARCHAR",
    ],
    [
      { columns: { a: 'b + 1', b: difference('a') } },
      "series 'bands', column 'a': it is calculated from itself, by way of a → b → a",
    ],
    [{ columns: undefined }, "series 'bands', columns: is missing; it must be an object"],
    [
      { colums: columns },
      "series 'bands': unknown member 'colums' (did you mean 'columns'?); known members: label, over, by, grain, fill, columns",
    ],
    [
      { columns: { a: { kind: 'movingAverage', expression: 'close', row: 3, rows: 3 } } },
      "series 'bands', column 'a': unknown member 'row' (did you mean 'rows'?); known members: rows, label",
    ],
    [
      { columns: { a: usual('volume', { every: '7d', times: 0 }) } },
      "series 'bands', column 'a': usual over 0 times; use an integer from 1 to 52",
    ],
    [
      { columns: { a: usual('volume', { every: '36h', times: 2 }) } },
      "series 'bands', column 'a': usual every 36h has no earlier times in rows of the grain 'day'; use a multiple of 1d",
    ],
    [
      { columns: { a: { kind: 'usual', expression: 'volume', every: '1 week', times: 2 } } },
      "series 'bands', column 'a': every: '1 week' is not a duration (examples: 10s, 5m, 1h, 1d)",
    ],
    [
      { columns: { a: { kind: 'usual', expression: 'volume', every: '7d' } } },
      "series 'bands', column 'a', times: is missing; it must be a number",
    ],
    [
      { columns: { a: { kind: 'usual', expression: 'volume', every: '7d', time: 4 } } },
      "series 'bands', column 'a': unknown member 'time' (did you mean 'times'?); known members: every, times, absent, label",
    ],
    [
      { columns: { a: { kind: 'usual', expression: 'volume', every: '7d', times: 2, absent: 'nothing' } } },
      "series 'bands', column 'a', absent: must be 0 or null",
    ],
    [
      { columns: { a: { kind: 'movingAverage', expression: 'close', rows: '3' } } },
      "series 'bands', column 'a', rows: must be a number",
    ],
    [
      { columns: { a: usual('venue', { every: '7d', times: 2 }) } },
      "series 'bands', column 'a': usual requires a numeric expression, but 'venue' has type VARCHAR",
    ],
    [
      { columns: { a: { kind: 'sma', expression: 'close' } } },
      "series 'bands', column 'a': is not a calculation; use an expression, or one of expression, lag, difference, returns, movingAverage, movingSum, movingMin, movingMax, movingStddev, movingStddevPop, rowsSinceMax, rowsSinceMin, ema, wilderAverage, rsi, cumulativeSum, share, rank, usual, for example movingAverage('close', 20)",
    ],
  ])('%o', async (one, problem) => {
    expect(await problemsOf(one)).toEqual([problem])
  })

  test('all options of a calculation that are wrong', async () => {
    const kind = 'usual'
    expect(await problemsOf({ columns: { a: { kind, expression: 'volume', times: '4', absent: 'no' } } })).toEqual([
      "series 'bands', column 'a', every: is missing; it must be a string",
      "series 'bands', column 'a', times: must be a number",
      "series 'bands', column 'a', absent: must be 0 or null",
    ])
    expect(await problemsOf({ columns: { a: { kind, expression: 'volume', every: '1 week', times: 0 } } })).toEqual([
      "series 'bands', column 'a': usual over 0 times; use an integer from 1 to 52",
      "series 'bands', column 'a': every: '1 week' is not a duration (examples: 10s, 5m, 1h, 1d)",
    ])
  })

  test('a name that a view has', async () => {
    expect(await problemsOf({}, 'bars')).toEqual(["series 'bars': the name is already used by a view"])
  })

  test('problems of its view are reported alone', async () => {
    const views = { ...quotes.views, bars: { ...quotes.views.bars!, where: 'price' } }
    const series = { bands: { over: 'bars', grain: 'day', columns } } as const
    const error = await compileDataset({ ...quotes, views, series }, connection).catch((fault: Error) => fault)
    expect((error as DefinitionError).problems).toEqual([
      "view 'bars', where: 'price' must be a BOOLEAN expression, but has type DECIMAL(9,2)",
    ])
  })
})

describe('a column', () => {
  const one = async (defined: Columns, name: string) =>
    (await compile({ bands: { over: 'bars', grain: 'day', columns: defined } })).series
      .get('bands')!
      .columns.find((column) => column.name === name)!

  test.each<[Record<string, string | SeriesColumnDefinition>, string, number | null, boolean]>([
    [{ a: movingAverage('close', 20) }, 'DOUBLE', 19, false],
    [{ a: 'close * 2' }, 'DECIMAL(18,2)', 0, false],
    [{ a: difference('b', 3), b: movingAverage('close', 20) }, 'DOUBLE', 22, false],
    [{ a: rsi('close', 14) }, 'DOUBLE', 560, false],
    [{ a: ema('b', 10), b: cumulativeSum('volume') }, 'DOUBLE', null, false],
    [{ a: share('volume') }, 'DOUBLE', 0, true],
    [{ a: movingAverage('b', 5), b: rank('volume') }, 'DOUBLE', 4, true],
    [{ a: cumulativeSum('volume') }, 'DECIMAL(38,0)', null, false],
  ])(
    'of %o knows its type, how far it looks back, and whether it compares keys',
    async (defined, type, rowsBack, across) => {
      expect(await one(defined, 'a')).toMatchObject({ type, rowsBack, across })
    },
  )

  test('may use others that stand after it, and knows their measures', async () => {
    const column = await one(
      { upper: 'mean + deviation', mean: movingAverage('close', 2), deviation: ema('volume', 2) },
      'upper',
    )
    expect(column.measures).toEqual(['close', 'volume'])
    expect(column.steps.map(({ name }) => name)).toEqual(['mean', 'deviation', 'upper'])
  })

  test.each<[Record<string, string | SeriesColumnDefinition>, number, number]>([
    [{ a: usual('volume', { every: '7d', times: 4 }) }, 0, 28],
    [{ a: usual('b', { every: '1d', times: 2 }), b: usual('volume', { every: '7d', times: 1 }) }, 0, 9],
    [{ a: 'volume - b', b: usual('c', { every: '1d', times: 3 }), c: movingAverage('volume', 5) }, 4, 3],
  ])('of %o knows how far earlier times are', async (defined, rowsBack, days) => {
    expect(await one(defined, 'a')).toMatchObject({ rowsBack, reachMs: days * 86_400_000 })
  })

  test('over a view with a window is one over its buckets', async () => {
    const { series } = await compile({ rises: { over: 'trending', grain: 'hour', columns: { more: difference('n') } } })
    expect(series.get('rises')!.over.name).toBe('trending')
  })

  test('does not change what is stored', async () => {
    const [without, withSeries] = [await compile({}), await compile({ bands: { over: 'bars', grain: 'day', columns } })]
    expect(withSeries.views.get('bars')!.hash).toBe(without.views.get('bars')!.hash)
  })
})
