/** What a grouping is refused for, and what it reads. */
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from '../compile-dataset.ts'
import {
  avg,
  count,
  countDistinct,
  type DatasetDefinition,
  latest,
  lookup,
  movingSum,
  quantile,
  sum,
} from '../definition.ts'
import { DefinitionError } from '../definition-error.ts'

const connection = await testConnection()

const shops: DatasetDefinition = {
  name: 'shops',
  time: 'at',
  key: 'shop',
  columns: {
    shop: { type: 'VARCHAR', path: '$.shop', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    buyer: { type: 'VARCHAR', path: '$.buyer' },
    amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
    weight: { type: 'DOUBLE', path: '$.weight' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    sales: {
      dimensions: { shop: 'shop', buyer: 'buyer' },
      time: ['hour', 'day'],
      measures: {
        orders: count(),
        revenue: sum('amount'),
        mean: avg('amount'),
        weight: sum('weight'),
        people: countDistinct('buyer'),
        everyone: countDistinct('buyer', { exact: true }),
        median: quantile('amount', 0.5),
        tags: latest('tags'),
      },
      enrich: { city: lookup('shops', 'shop', 'city'), colours: lookup('tags', 'tags', 'colour') },
    },
  },
}

const compile = (groupings: Readonly<Record<string, object>>, more: Partial<DatasetDefinition> = {}) =>
  compileDataset({ ...shops, ...more, groupings: groupings as DatasetDefinition['groupings'] }, connection)

async function problemsOf(one: object, name = 'by_orders', more: Partial<DatasetDefinition> = {}) {
  const usual = { over: 'sales', dimensions: { orders: 'orders' }, measures: { n: count() } }
  const error = await compile({ [name]: { ...usual, ...one } }, more).catch((fault: Error) => fault)
  expect(error).toBeInstanceOf(DefinitionError)
  return (error as DefinitionError).problems
}

describe('a grouping is refused, with the place and a way out', () => {
  test.each<[object, string]>([
    [{ over: 'sale' }, "grouping 'by_orders', over: 'sale' is not a view (did you mean 'sales'?)"],
    [{ by: ['shp'] }, "grouping 'by_orders', by: 'shp' is not a dimension of view 'sales' (did you mean 'shop'?)"],
    [{ by: ['shop', 'shop'] }, "grouping 'by_orders', by: a dimension is given more than once"],
    [
      { dimensions: { amount: 'amount' } },
      "grouping 'by_orders', dimension 'amount': 'amount' refers to unknown column 'amount'",
    ],
    [
      { by: ['shop'], dimensions: { buyer: 'buyer' } },
      "grouping 'by_orders', dimension 'buyer': 'buyer' refers to unknown column 'buyer'",
    ],
    [{ where: 'orders' }, "grouping 'by_orders', where: 'orders' must be a BOOLEAN expression, but has type BIGINT"],
    [{ unnest: { x: 'orders' } }, "grouping 'by_orders', unnest 'x': column 'orders' is not a list"],
    [
      { measures: { last: latest('orders') } },
      "grouping 'by_orders', measure 'last': latest needs events, which have an order; rows have none: use maxBy or minBy",
    ],
    [
      { where: 'people > 3' },
      "grouping 'by_orders': 'people' of view 'sales' is a countDistinct, which is an estimate; give it { exact: true }",
    ],
    [
      { measures: { n: count({ where: 'median > 3' }) } },
      "grouping 'by_orders': 'median' of view 'sales' is a quantile, which is an estimate; use an exact measure",
    ],
    [
      { dimensions: { heavy: 'weight > 3' } },
      "grouping 'by_orders': 'weight' of view 'sales' is a sum, which is an estimate; make it one of a DECIMAL",
    ],
    [
      { measures: { all: sum('revenue') } },
      "grouping 'by_orders', measure 'all': sum of DECIMAL(38,2) may need more than 38 digits; cast to at most 28 digits, for example ::DECIMAL(28,2)",
    ],
    [
      { enrich: {} },
      "grouping 'by_orders': unknown member 'enrich'; known members: label, description, over, by, unnest, dimensions, where, measures, rank",
    ],
    [
      { measures: { n: { kind: 'count', wher: 'orders > 1' } } },
      "grouping 'by_orders', measure 'n': unknown member 'wher' (did you mean 'where'?); known members: where, label, description, unit",
    ],
  ])('%o', async (one, problem) => {
    const problems = await problemsOf(one)
    expect(problems.find((found) => found.startsWith(problem))).toBeDefined()
  })

  test('names that a view or a series has', async () => {
    const series = { trend: { over: 'sales', grain: 'day', columns: { recent: movingSum('orders', 2) } } } as const
    expect(await problemsOf({}, 'sales')).toEqual(["grouping 'sales': the name is already used by a view"])
    expect(await problemsOf({}, 'trend', { series })).toEqual([
      "grouping 'trend': the name is already used by a series",
    ])
  })
})

test('it reads only what it names, and changes nothing that is stored', async () => {
  const measures = { shops: count(), revenue: sum('revenue::DECIMAL(28,2)') }
  const one = {
    over: 'sales',
    by: ['shop'],
    unnest: { colour: 'colours' },
    dimensions: { colour: 'colour', city: 'city' },
  }
  const dataset = await compile({ colours: { ...one, measures } })
  const { by, over, view } = dataset.groupings.get('colours')!
  expect({ by, over: over.name, reads: view.reads }).toEqual({
    by: ['shop'],
    over: 'sales',
    reads: ['city', 'colours', 'revenue'],
  })
  const without = await compile({})
  expect(dataset.views.get('sales')!.hash).toBe(without.views.get('sales')!.hash)
  expect(dataset.decode.rejectWhere).toBe(without.decode.rejectWhere)
})
