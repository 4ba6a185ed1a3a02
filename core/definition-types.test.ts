/**
 * What TypeScript catches while a definition is written. `tsc` fails on an `@ts-expect-error` line without an error, and on
 * every other line with one. What it refuses is then loaded, as a file without types would be.
 */
import { expect, expectTypeOf, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { compileDataset } from './compile-dataset.ts'
import {
  avg,
  count,
  countDistinct,
  type DatasetDefinition,
  defineDataset,
  first,
  latest,
  lookup,
  type MeasureDefinition,
  max,
  min,
  movingAverage,
  quantile,
  rank,
  ratio,
  sliding,
  sum,
  type ViewDefinition,
} from './definition.ts'
import { DefinitionError } from './definition-error.ts'

const head = { name: 'winds', time: 'at', key: 'id' } as const
const columns = {
  id: { type: 'BIGINT', path: '$.id', required: true },
  at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  gust: { type: 'DOUBLE', path: '$.gust', default: 0.5 },
  price: { type: 'DECIMAL(12,2)', path: '$.price', default: '0.00' },
  calm: { type: 'BOOLEAN', path: '$.calm', default: false },
  tags: { type: 'VARCHAR[]', path: '$.tags', default: [] },
} as const
const measures = { n: count() }

test('a right definition gives its columns, and may name unnested elements', () => {
  const winds = defineDataset({
    ...head,
    lateAfter: '90s',
    columns,
    views: {
      all: {
        unnest: { tag: 'tags' },
        dimensions: { tag: 'tag', strong: 'gust > 20', one: 'true', day: "date_trunc('day', at)" },
        where: 'calm',
        time: ['10s', 'minute', 'month'],
        measures: {
          n: count({ where: 'calm', label: 'n' }),
          total: sum('gust * 2'),
          ones: sum('1'),
          low: min('gust'),
          high: max('gust', { where: 'NOT calm' }),
          mean: avg('price'),
          share: ratio('gust', 'price'),
          opening: first('tag'),
          closing: latest('upper(tag)'),
          people: countDistinct('id', { exact: true }),
          middle: quantile('gust', 0.5),
        },
        rank: { by: 'total', limit: 10, dimensions: ['tag'], having: 'n > 5' },
        enrich: { name: lookup('tags', 'tag', 'name'), peak: lookup('gusts', 'high', 'name') },
      },
      hot: { dimensions: {}, window: sliding({ size: '5m', every: '10s' }), measures },
    },
  })
  expectTypeOf(winds).toEqualTypeOf<DatasetDefinition<'id' | 'at' | 'gust' | 'price' | 'calm' | 'tags'>>()
})

const views = { all: { dimensions: {}, measures } }
const { id, at } = columns
/** everything that TypeScript refuses below */
const wrong: DatasetDefinition[] = []
const withView = (view: Partial<ViewDefinition>): DatasetDefinition => ({
  ...head,
  columns,
  views: { all: { ...views.all, ...view } },
})
const withMeasure = (x: MeasureDefinition): DatasetDefinition => withView({ measures: { x } })

test('datasets', () => {
  // @ts-expect-error a misspelt member
  wrong.push(defineDataset({ ...head, columns, views, lateafter: '1m' }))
  // @ts-expect-error a number without a unit is no duration
  wrong.push(defineDataset({ ...head, columns, views, lateAfter: '90' }))
  // @ts-expect-error an unknown time column
  wrong.push(defineDataset({ ...head, time: 'ate', columns, views }))
  // @ts-expect-error the time is a TIMESTAMP
  wrong.push(defineDataset({ ...head, time: 'gust', columns, views }))
  // @ts-expect-error an unknown key
  wrong.push(defineDataset({ ...head, key: 'ids', columns, views }))
  // @ts-expect-error a DOUBLE is no key
  wrong.push(defineDataset({ ...head, key: 'gust', columns, views }))
})

test('columns', () => {
  // @ts-expect-error an unknown type
  wrong.push(defineDataset({ ...head, columns: { id, at, x: { type: 'FLOAT', path: '$.x' } }, views }))
  // @ts-expect-error a column without a path
  wrong.push(defineDataset({ ...head, columns: { id, at, x: { type: 'DOUBLE' } }, views }))
  // @ts-expect-error a misspelt option
  wrong.push(defineDataset({ ...head, columns: { id, at, x: { type: 'DOUBLE', path: '$.x', requird: true } }, views }))
  const minutes = { type: 'TIMESTAMP', path: '$.at', unit: 'minutes' } as const
  // @ts-expect-error an unknown unit
  wrong.push(defineDataset({ ...head, columns: { id, at: minutes }, views }))
  const named = { type: 'BIGINT', path: '$.x', values: { 1: 2 } } as const
  // @ts-expect-error a name of a value is a text
  wrong.push(defineDataset({ ...head, columns: { id, at, named }, views }))
  const truth = { type: 'BOOLEAN', path: '$.x', default: 'maybe' } as const
  // @ts-expect-error a text is no default of a BOOLEAN
  wrong.push(defineDataset({ ...head, columns: { id, at, truth }, views }))
  // @ts-expect-error a number is no default of a list
  wrong.push(defineDataset({ ...head, columns: { id, at, x: { type: 'INTEGER[]', path: '$.x', default: 1 } }, views }))
})

test('options', () => {
  // @ts-expect-error a misspelt option
  wrong.push(withMeasure(count({ were: 'calm' })))
  // @ts-expect-error an option of another measure
  wrong.push(withMeasure(sum('gust', { exact: true })))
  // @ts-expect-error a text instead of a share
  wrong.push(withMeasure(quantile('gust', '0.5')))
  // @ts-expect-error the share is missing
  wrong.push(withMeasure(quantile('gust')))
  // @ts-expect-error a ratio has two expressions
  wrong.push(withMeasure(ratio('gust')))
  // @ts-expect-error an unknown unit of time
  wrong.push(withView({ window: sliding({ size: '5 minutes', every: '10s' }) }))
  // @ts-expect-error the pane is missing
  wrong.push(withView({ window: sliding({ size: '5m' }) }))
  // @ts-expect-error the attribute is missing
  wrong.push(withView({ enrich: { x: lookup('tags', 'n') } }))
})

const define = { ...head, columns }

test('measures', () => {
  const all = { dimensions: {}, measures }
  // @ts-expect-error a misspelt column
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: sum('gusts') } } } }))
  // @ts-expect-error a misspelt column in the denominator
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: ratio('gust', 'prize') } } } }))
  // @ts-expect-error a misspelt column in the condition
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: count({ where: 'clam' }) } } } }))
  // @ts-expect-error tag is not unnested in this view
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: latest('tag') } } } }))
  // @ts-expect-error a text is no measure
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: 'gust' } } } }))
  // @ts-expect-error an unknown kind
  wrong.push(defineDataset({ ...define, views: { all: { ...all, measures: { x: { kind: 'mode' } } } } }))
  // @ts-expect-error no measures
  wrong.push(defineDataset({ ...define, views: { all: { dimensions: {} } } }))
})

test('views', () => {
  const all = { dimensions: {}, measures }
  // @ts-expect-error a misspelt member of a view
  wrong.push(defineDataset({ ...define, views: { all: { ...all, dimension: {} } } }))
  // @ts-expect-error a misspelt column as a dimension
  wrong.push(defineDataset({ ...define, views: { all: { measures, dimensions: { gust: 'gusts' } } } }))
  // @ts-expect-error a misspelt column as the condition
  wrong.push(defineDataset({ ...define, views: { all: { ...all, where: 'clam' } } }))
  // @ts-expect-error an unknown list to unnest
  wrong.push(defineDataset({ ...define, views: { all: { ...all, unnest: { tag: 'tag' } } } }))
  // @ts-expect-error an unknown grain
  wrong.push(defineDataset({ ...define, views: { all: { ...all, time: ['minutes'] } } }))
  const window = sliding({ size: '1m', every: '10s' })
  // @ts-expect-error time and window
  wrong.push(defineDataset({ ...define, views: { all: { ...all, time: ['minute'], window } } }))
  // @ts-expect-error ranked by what is no measure
  wrong.push(defineDataset({ ...define, views: { all: { ...all, rank: { by: 'm', limit: 10 } } } }))
  // @ts-expect-error a rank without a limit
  wrong.push(defineDataset({ ...define, views: { all: { ...all, rank: { by: 'n' } } } }))
  // @ts-expect-error a rank shows dimensions
  wrong.push(defineDataset({ ...define, views: { all: { ...all, rank: { by: 'n', limit: 1, dimensions: ['x'] } } } }))
  // @ts-expect-error an unknown shape of a look-up
  wrong.push(defineDataset({ ...define, views: { all: { ...all, enrich: { x: { dict: 'tags', key: 'n' } } } } }))
  // @ts-expect-error the key of a look-up is a dimension or measure
  wrong.push(defineDataset({ ...define, views: { all: { ...all, enrich: { x: lookup('tags', 'tag', 'name') } } } }))
})

test('panels', () => {
  const all = { dimensions: { day: 'gust' }, time: ['hour'], measures } as const
  const shown = { ...define, views: { all } } as const
  const right = defineDataset({
    ...shown,
    series: { smooth: { over: 'all', grain: 'hour', columns: { slow: movingAverage('n', 3) } } },
    dashboard: [
      { kind: 'lines', view: 'all', measures: ['n'], dimensions: ['day'], order: '-n', filter: { day: ['1', '2'] } },
      { kind: 'lines', view: 'smooth', measures: ['slow'] },
      { kind: 'events', dimensions: ['gust'] },
    ],
  })
  expect(right.dashboard).toHaveLength(3)
  // @ts-expect-error an unknown view
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'lines', view: 'al' }] }))
  // @ts-expect-error an unknown kind
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'line', view: 'all' }] }))
  // @ts-expect-error an unknown measure
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'lines', view: 'all', measures: ['m'] }] }))
  // @ts-expect-error an unknown dimension
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'lines', view: 'all', dimensions: ['days'] }] }))
  // @ts-expect-error ordered by what is not there
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'table', view: 'all', order: '-m' }] }))
  // @ts-expect-error raw events have columns
  wrong.push(defineDataset({ ...shown, dashboard: [{ kind: 'events', dimensions: ['day'] }] }))
})

test('whatever TypeScript refuses is refused when it is loaded without TypeScript, too', async () => {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  const connection = await engine.connect()
  expect(wrong.length).toBeGreaterThan(35)
  const accepted: unknown[] = []
  for (const definition of wrong)
    await compileDataset(definition, connection).then(
      () => accepted.push(definition),
      (error: Error) => expect(error).toBeInstanceOf(DefinitionError),
    )
  expect(accepted).toEqual([])
  engine.close()
})

test('names in a series are checked against its view and its own columns', () => {
  const bars = {
    dimensions: { id: 'id' },
    time: ['minute', 'day'],
    measures: { mean: avg('gust'), n: count() },
  } as const
  const right = defineDataset({
    ...head,
    columns,
    views: { bars },
    series: {
      smooth: {
        label: 'Smooth',
        over: 'bars',
        by: ['id'],
        grain: 'day',
        fill: { n: 0 },
        columns: {
          slow: movingAverage('mean', 20),
          gap: 'mean - slow',
          steep: rank('gap', { label: 'Steep' }),
          up: 'gap',
        },
      },
    },
  })
  expect(right.series?.smooth?.over).toBe('bars')
  defineDataset({
    ...head,
    columns,
    views: { bars },
    // @ts-expect-error: unknown view
    series: { s: { over: 'bar', grain: 'day', columns: { a: 'n' } } },
  })
  defineDataset({
    ...head,
    columns,
    views: { bars },
    // @ts-expect-error: the view does not have this grain
    series: { s: { over: 'bars', grain: 'week', columns: { a: 'n' } } },
  })
  defineDataset({
    ...head,
    columns,
    views: { bars },
    // @ts-expect-error: neither a measure nor a column
    series: { s: { over: 'bars', grain: 'day', columns: { a: 'gust' } } },
  })
  defineDataset({
    ...head,
    columns,
    views: { bars },
    // @ts-expect-error: neither a measure nor a column
    series: { s: { over: 'bars', grain: 'day', columns: { a: movingAverage('gust', 3) } } },
  })
  defineDataset({
    ...head,
    columns,
    views: { bars },
    // @ts-expect-error: a member that there is not
    series: { s: { over: 'bars', grain: 'day', columns: { a: 'n' }, order: 'day' } },
  })
})
