/** An answer is exact if every number in it is; otherwise it names the measures that are not, with their bounds. */
import { beforeAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
import { avg, count, countDistinct, defineDataset, quantile, ratio, sum } from '#core/definition.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { metaOf } from './answer-meta.ts'
import { planQuery } from './query-plan.ts'

const connection = await testConnection()
let view: CompiledView

beforeAll(async () => {
  const definition = defineDataset({
    name: 'ledger',
    time: 't',
    key: 'k',
    columns: {
      k: { type: 'VARCHAR', path: '$.k', required: true },
      t: { type: 'TIMESTAMP', path: '$.t', required: true },
      amount: { type: 'DOUBLE', path: '$.amount' },
      cents: { type: 'BIGINT', path: '$.cents' },
      price: { type: 'DECIMAL(9,2)', path: '$.price' },
    },
    views: {
      net: {
        dimensions: {},
        measures: {
          n: count(),
          net: sum('amount'),
          mean: avg('amount'),
          per_cent: ratio('amount', 'cents'),
          cents: sum('cents'),
          prices: sum('price'),
          mean_price: avg('price'),
          cents_per_price: ratio('cents', 'price'),
          middle: quantile('amount', 0.5),
          keys: countDistinct('k'),
        },
      },
    },
  })
  view = (await compileDataset(definition, connection)).views.get('net')!
})

function metaFor(measures: readonly string[], estimated: ReadonlyMap<string, number> = new Map()) {
  const plan = planQuery(view, { dataset: 'ledger', view: 'net', measures })
  const nothing = {
    partition: 0,
    boundary: 0,
    closedEnd: 0,
    position: 0,
    asOfMs: 0,
    ahead: null,
    missing: null,
    behind: 0,
  }
  const empty = { generation: null, segments: [], markers: new Map(), open: new Map(), gaps: [] }
  const snapshot = { ...empty, partitions: [nothing] }
  const { exact, estimates } = metaOf({
    plan,
    snapshot,
    range: {},
    nowMs: 0,
    givenAtMs: 0,
    truncated: false,
    estimated,
  })
  return { exact, estimates }
}

test('sums, means and ratios of integers and decimals are exact', () => {
  const measures = ['n', 'cents', 'prices', 'mean_price', 'cents_per_price', 'keys']
  expect(metaFor(measures)).toEqual({ exact: true, estimates: {} })
})

test.each([
  ['net', '±1e-12 of the sum of the absolute values'],
  ['mean', '±1e-12 of the mean of the absolute values'],
  ['per_cent', '±1e-12 of the absolute values of both sums'],
  ['middle', '±1 %'],
])('%s is within %s', (measure, bound) => {
  expect(metaFor(['n', measure])).toEqual({ exact: false, estimates: { [measure]: { bound } } })
})

test('a distinct count is an estimate where a row has more values than are kept', () => {
  expect(metaFor(['keys'], new Map([['keys', 2]]))).toEqual({
    exact: false,
    estimates: { keys: { bound: '±2.2 % (1 σ)', rows: 2 } },
  })
})
