import { describe, expect, test } from 'vitest'
import { runCases } from 'watershed/testing'
import { avg, count, countDistinct, defineDataset, lag, latest, lookup, sliding, sum } from '#core/definition.ts'
import type { DefinitionCase } from '#core/definition-cases.ts'
import { rowDifferences } from './row-differences.ts'
import { CASE_EVENTS_MAX } from './run-cases.ts'

const orders = defineDataset({
  name: 'orders',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'VARCHAR', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    shop: { type: 'VARCHAR', path: '$.shop' },
    country: { type: 'VARCHAR', path: '$.country' },
    amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
    weight: { type: 'DOUBLE', path: '$.weight' },
  },
  views: {
    by_shop: {
      dimensions: { shop: 'shop' },
      time: ['hour', 'day'],
      measures: {
        orders: count(),
        revenue: sum('amount'),
        buyers: countDistinct('id'),
        mean: avg('weight'),
        last: latest('id'),
      },
    },
    by_country: {
      dimensions: { country: 'country' },
      measures: { orders: count() },
      enrich: { name: lookup('countries', 'country', 'name') },
    },
    busy: {
      dimensions: { shop: 'shop' },
      window: sliding({ size: '10m', every: '1m' }),
      measures: { orders: count() },
      rank: { by: 'orders', limit: 2 },
    },
  },
  series: {
    hourly: { over: 'by_shop', grain: 'hour', columns: { before: lag('orders') } },
  },
})

const at = (time: string): string => `2026-03-01T${time}Z`
const given = [
  { id: 'a', at: at('12:00:00'), shop: 'Lisbon', country: 'pt', amount: '12.50', weight: 0.1 },
  { id: 'b', at: at('13:00:00'), shop: 'Porto', country: 'pt', amount: '4.00', weight: 0.2 },
  { id: 'a', at: at('12:59:59'), shop: 'Lisbon', country: 'es', amount: '7.25', weight: 0.3 },
]
const resultOf = async (definitionCase: DefinitionCase) => (await runCases(orders, { it: definitionCase }))[0]!

test('a case that holds is answered at every cut: grains, filters, windows, rankings, lookups', async () => {
  const answers = {
    'by_shop?grain=hour&filter=shop:eq:Lisbon': [
      { time: at('12:00:00.000'), orders: 2, revenue: 19.75, buyers: 1, mean: 0.2, last: 'a' },
    ],
    'by_shop?dimensions=': [{ orders: 3, revenue: 23.75, buyers: 2 }],
    'hourly?dimensions=&measures=orders,before': [
      { time: at('12:00:00.000'), orders: 2, before: null },
      { time: at('13:00:00.000'), orders: 1, before: 2 },
    ],
    [`busy?at=${at('13:00:00')}`]: [{ shop: 'Lisbon', orders: 1 }],
    'by_country?order=country': [
      { country: 'es', name: 'Spain' },
      { country: 'pt', orders: 2, name: 'Portugal' },
    ],
  }
  expect(await resultOf({ given, answers })).toEqual({ name: 'it', cuts: 4, failures: [] })
})

test('a failure names the question, the row, the column and both values', async () => {
  const { failures } = await resultOf({
    given,
    answers: {
      by_shop: [{ shop: 'Lisbon', orders: 3, sold: 1 }],
      'by_shop?dimensions=': [{ orders: 3 }, { orders: 1 }],
    },
  })
  expect(failures).toEqual([
    'by_shop: row 1, orders: expected 3, but it is 2',
    "by_shop: row 1 has no column 'sold'; it has shop, orders, revenue, buyers, mean, last",
    expect.stringMatching(/^by_shop: row 2 is not expected: {"shop":"Porto",/),
    'by_shop?dimensions=: row 2 is missing: {"orders":1}',
  ])
})

test.each([
  ['a rejected event', { given: [{ id: 'a' }], answers: { by_shop: [] } }, /^event 1 is rejected: at \(\$\.at\): /],
  ['one that is accepted', { given, rejected: ['at'], answers: { by_shop: [] } }, /^no event is rejected with 'at'$/],
  ['a misspelt view', { given, answers: { by_shpo: [] } }, /^view 'by_shpo' is unknown \(did you mean 'by_shop'/],
  ['an unknown parameter', { given, answers: { 'by_shop?grian=hour': [] } }, /^grian: unknown parameter/],
  ['no events', { given: [], answers: { by_shop: [] } }, /^'given' is empty; it must have at least one event$/],
  ['no question', { given, answers: {} }, /^'answers' must have at least one question$/],
  [
    'too many events',
    { given: Array(CASE_EVENTS_MAX + 1).fill(given[0]), answers: { by_shop: [] } },
    /limit CASE_EVENTS_MAX is 50/,
  ],
])('%s fails the case', async (_, definitionCase, message) => {
  const { failures } = await resultOf(definitionCase as DefinitionCase)
  expect(failures).toEqual([expect.stringMatching(message)])
})

test('an expected rejection holds, and the others are answered', async () => {
  const answers = { 'by_shop?dimensions=': [{ orders: 1, revenue: null }] }
  const definitionCase = { given: [{ id: 'a' }, { id: 'b', at: at('12:00:00') }], rejected: ['at'], answers }
  expect(await resultOf(definitionCase)).toEqual({ name: 'it', cuts: 2, failures: [] })
})

describe('values', () => {
  test.each([
    [0.1 + 0.2, 0.3, true],
    [1, 1.000001, false],
    ['1', 1, false],
    [null, 0, false],
    [['a', 1], ['a', 1], true],
    [['a'], ['a', 'b'], false],
  ])('%j and %j: the same is %s', (wanted, value, same) => {
    expect(rowDifferences([{ v: wanted }], [{ v: value }]).length === 0).toBe(same)
  })
})
