/** All problems of a definition are found at once, whatever step of the checks finds each; and none that only follows from another one. */
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import { avg, count, type DatasetDefinition, difference, latest, movingAverage, sum } from './definition.ts'
import { DefinitionError } from './definition-error.ts'

const connection = await testConnection()

const shop = {
  name: 'shop',
  time: 'at',
  key: 'buyer',
  columns: {
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    buyer: { type: 'VARCHAR', path: '$.buyer', required: true },
    city: { type: 'VARCHAR', path: '$.city' },
    amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
    tags: { type: 'VARCHAR[]', path: '$.tags[*].name' },
    big: { type: 'BOOLEAN', as: 'amount > 100' },
  },
  views: {
    sales: {
      unnest: { tag: 'tags' },
      dimensions: { city: 'city', tag: 'tag' },
      time: ['hour', 'day'],
      measures: { orders: count(), revenue: sum('amount'), last: latest('buyer') },
      rank: { by: 'revenue', limit: 10, having: 'orders > 1' },
      enrich: { country: { dictionary: 'cities', key: 'city', attribute: 'country' } },
    },
    buyers: { dimensions: { buyer: 'buyer' }, where: 'big', measures: { orders: count(), spent: sum('amount') } },
  },
  series: { trend: { over: 'sales', grain: 'day', columns: { mean: movingAverage('revenue', 3) } } },
  groupings: { by_orders: { over: 'buyers', dimensions: { orders: 'orders' }, measures: { n: count() } } },
  sinks: [{ name: 'out', kind: 'kafka', view: 'trend', topic: 'trend' }],
  dashboard: [
    { kind: 'lines', view: 'sales', measures: ['revenue'] },
    { kind: 'table', view: 'trend' },
  ],
} as const satisfies DatasetDefinition

/** The definition with other values of some members; a path is written with slashes. */
function changed(changes: Readonly<Record<string, unknown>>): DatasetDefinition {
  const definition = structuredClone(shop) as unknown as Record<string, unknown>
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split('/')
    const part = names.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, definition)
    if (value === undefined) delete part[names.at(-1)!]
    else part[names.at(-1)!] = value
  }
  return definition as unknown as DatasetDefinition
}

async function problemsOf(changes: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const error = await compileDataset(changed(changes), connection).then(
    () => null,
    (fault: Error) => fault,
  )
  if (error === null) return []
  expect(error).toBeInstanceOf(DefinitionError)
  return (error as DefinitionError).problems
}

test('the definition itself has none', async () => {
  expect(await problemsOf({})).toEqual([])
})

test('those of every step are found at once, each with its place', async () => {
  const problems = await problemsOf({
    lateAfter: '90',
    accept: { until: 'later' },
    keep: { raw: 'long' },
    'columns/city/requird': true,
    'columns/amount/default': 'much',
    'columns/buyer/path': 'buyer',
    'columns/big/as': 'amont > hundred',
    'views/sales/measures/mean': avg('city'),
    'views/sales/measures/odd': sum('amount / citty'),
    'views/sales/enrich/country/key': 'town',
    'views/sales/rank/limit': 0,
    'views/buyers/dimensions/upper': 'upper(buyer, 1)',
    'views/buyers/dimensions/none': 'sum(amount)',
    'series/trend/columns/rise': difference('revenu'),
    'series/trend/columns/text': movingAverage('last', 0),
    'groupings/by_orders/where': 'orders',
    'sinks/0/topic': 'a b',
    'dashboard/1/width': 13,
  })
  const places = [
    "column 'city': unknown member 'requird'",
    "lateAfter: '90' is not a duration",
    "accept, until: 'later' is not a duration",
    "keep.raw ('forever' keeps all): 'long' is not a duration",
    'column \'amount\': its default "much" is not a valid DECIMAL(9,2)',
    "column 'buyer': 'buyer' is not a JSON path",
    "column 'big', as: 'amont > hundred' refers to unknown column 'amont' (did you mean 'amount'?)",
    "column 'big', as: 'amont > hundred' refers to unknown column 'hundred'",
    "view 'sales', measure 'mean': avg requires a numeric expression, but 'city' has type VARCHAR",
    "view 'sales', measure 'odd': 'amount / citty' refers to unknown column 'citty' (did you mean 'city'?)",
    "view 'sales', enrich 'country': the key 'town' is not a dimension or measure",
    "view 'sales', rank: limit 0 is not between 1 and 10000",
    "view 'buyers', dimension 'upper': the engine cannot determine the type of its expression: Binder Error: No function matches the given name and argument types 'upper(VARCHAR, INTEGER_LITERAL)'",
    "view 'buyers', dimension 'none': 'sum(amount)' calls sum(), which is not one of the allowed scalar functions",
    "series 'trend', column 'rise': 'revenu' refers to unknown column 'revenu' (did you mean 'revenue'?)",
    "series 'trend', column 'text': movingAverage over 0 rows; use an integer from 1 to 500",
    "grouping 'by_orders', where: 'orders' must be a BOOLEAN expression, but has type BIGINT",
    "sink 'out': topic: 'a b' is not the name of a Kafka topic",
    'dashboard, panel 2: width must be a whole number from 1 to 12, but is 13',
  ]
  expect(problems.map((problem) => places.find((place) => problem.startsWith(place)) ?? problem).toSorted()).toEqual(
    places.toSorted(),
  )
})

test.each<[string, Readonly<Record<string, unknown>>, string]>([
  [
    'a misspelt member with names',
    { 'views/sales/unnst': { tag: 'tags' }, 'views/sales/unnest': undefined },
    "view 'sales': unknown member 'unnst'",
  ],
  [
    'a misspelt and therefore missing member',
    { 'columns/city/pth': '$.city', 'columns/city/path': undefined },
    "column 'city': unknown member 'pth'",
  ],
  [
    'a misspelt and therefore missing list',
    { 'views/sales/mesures': shop.views.sales.measures, 'views/sales/measures': undefined },
    "view 'sales': unknown member 'mesures'",
  ],
  ['a misspelt group of views', { seris: shop.series, series: undefined }, "unknown member 'seris'"],
  ['a column of an unknown type', { 'columns/at/type': 'DATETIME' }, "column 'at': unknown type 'DATETIME'"],
  [
    'a list that is declared as a text',
    { 'columns/tags/type': 'VARCHAR' },
    "column 'tags': path '$.tags[*].name' yields a list",
  ],
  [
    'a column with an odd name',
    { 'columns/Big': shop.columns.big, 'columns/big': undefined, 'views/buyers/where': 'Big' },
    "column 'Big': a name must match",
  ],
  [
    'a column that is derived from itself',
    { 'columns/big/as': 'NOT big' },
    "column 'big', as: the column is derived from itself (big → big)",
  ],
  [
    'a dimension',
    { 'views/sales/dimensions/city': 'ctiy' },
    "view 'sales', dimension 'city': 'ctiy' refers to unknown column 'ctiy'",
  ],
  [
    'a measure',
    { 'views/sales/measures/revenue': sum('buyer') },
    "view 'sales', measure 'revenue': sum requires a numeric expression",
  ],
  [
    'the only measures',
    { 'views/sales/measures': { revenue: { kind: 'total' }, last: { kind: 'last' } } },
    "view 'sales', measure 'revenue', kind: is not a measure",
  ],
  ['a list', { 'views/sales/unnest/tag': 'city' }, "view 'sales', unnest 'tag': column 'city' is not a list"],
  ['the grains of a view', { 'views/sales/time': ['fortnight'] }, "view 'sales', time: unknown grain 'fortnight'"],
  [
    'a column of a series',
    { 'series/trend/columns': { mean: 'revenu', twice: '2 * mean' } },
    "series 'trend', column 'mean': 'revenu' refers to unknown column",
  ],
  ['the view of a series', { 'series/trend/over': 'sale' }, "series 'trend', over: 'sale' is not a view"],
  [
    'a measure that is grouped',
    { 'views/buyers/measures/orders': count({ where: 'amount' }) },
    "view 'buyers', measure 'orders', where: 'amount' must be a BOOLEAN expression",
  ],
])('what follows from %s is not listed beside it', async (_, changes, problem) => {
  const problems = await problemsOf(changes)
  expect(problems[0]).toContain(problem)
  expect(problems.slice(1).filter((other) => !/measure 'last', kind: is not a measure/.test(other))).toEqual([])
})

/** Every place of the definition, with slashes. */
function placesIn(value: unknown, path = ''): string[] {
  const own = path === '' ? [] : [path]
  if (value === null || typeof value !== 'object') return own
  return [...own, ...Object.entries(value).flatMap(([name, part]) => placesIn(part, `${path}${path && '/'}${name}`))]
}

test('a value of another type, anywhere, is one problem', async () => {
  const several: (readonly string[])[] = []
  for (const place of placesIn(shop)) {
    const problems = await problemsOf({ [place]: 5 })
    if (problems.length > 1) several.push([place, ...problems])
  }
  expect(several).toEqual([])
})

test('what other parts of the program find out about the rest is listed beside them', async () => {
  const found = compileDataset(changed({ lateAfter: '90', 'views/buyers/where': 'amount' }), connection, async (rest) =>
    rest.sinks.map(({ name, view }) => `sink '${name}': query: cannot be asked of '${view}'`),
  )
  await expect(found).rejects.toMatchObject({
    problems: [
      "lateAfter: '90' is not a duration (examples: 10s, 5m, 1h, 1d)",
      "view 'buyers', where: 'amount' must be a BOOLEAN expression, but has type DECIMAL(9,2)",
      "sink 'out': query: cannot be asked of 'trend'",
    ],
  })
})
