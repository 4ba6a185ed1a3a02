/** Moments against exact arithmetic: the same for any cut, within their bound, also where the deviations are tiny beside the mean. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { corr, covarPop, covarSamp, regrSlope, stddevSamp, varPop, varSamp } from '../definition.ts'
import { cut, exactly, MeasuredColumn } from './measure-fixture.ts'

const connection = await testConnection()
const measured = await MeasuredColumn.of(connection, 'DOUBLE', {
  var_samp: varSamp('v'),
  var_pop: varPop('v'),
  stddev: stddevSamp('v'),
  // The remainder of a value is its second value; it is the same in JavaScript.
  co_pop: covarPop('v', 'v % 7'),
  co_samp: covarSamp('v', 'v % 7'),
  slope: regrSlope('v', 'v % 7'),
  related: corr('v', 'v % 7'),
})

const ONE = 2n ** 1074n

/** n²·cov(a, b) of fractions over ONE², as a double; all steps but the last are exact. */
function covariance(a: readonly bigint[], b: readonly bigint[]): number {
  const n = BigInt(a.length)
  const sum = (list: readonly bigint[]): bigint => list.reduce((total, one) => total + one, 0n)
  const scaled = n * sum(a.map((one, at) => one * b[at]!)) - sum(a) * sum(b)
  // to a double by way of 128 bits more than the unit
  return Number((scaled * 2n ** 200n) / (ONE * ONE * n * n)) / 2 ** 200
}

interface Expected {
  readonly variance: number
  readonly covariance: number
  readonly order: number
}

function expectedOf(values: readonly number[]): Expected {
  const a = values.map(exactly)
  const b = values.map((value) => exactly(value % 7))
  return { variance: covariance(a, a), covariance: covariance(a, b), order: covariance(b, b) }
}

function expectClose(found: Record<string, unknown>, values: readonly number[]): void {
  const { variance, covariance: co, order } = expectedOf(values)
  const n = values.length
  const near = (name: string, expected: number, size: number, floor = 1e-17) =>
    expect([name, found[name], Math.abs((found[name] as number) - expected) <= 1e-12 * size + floor]).toEqual([
      name,
      found[name],
      true,
    ])
  near('var_pop', variance, variance)
  near('co_pop', co, Math.sqrt(variance * order))
  if (n < 2) return
  const more = n / (n - 1)
  near('var_samp', variance * more, variance * more)
  near('stddev', Math.sqrt(variance * more), Math.sqrt(variance), 4e-9)
  near('co_samp', co * more, Math.sqrt(variance * order) * more)
  if (order === 0) return
  near('slope', co / order, Math.sqrt(variance / order), 1e-17 / order)
  near(
    'related',
    co / Math.sqrt(variance * order),
    1,
    1e-17 / Math.sqrt(variance * order) + 1e-17 / variance + 1e-17 / order,
  )
}

describe('deviations that are tiny beside the mean keep their digits, whatever the cut', () => {
  test.each([
    ['a billion and one', [1e9 + 1, 1e9 - 1, 1e9, 1e9 + 0.5]],
    ['milliseconds since 1970', [1_767_225_600_000, 1_767_225_600_001, 1_767_225_599_998]],
    ['tenths', [0.1, 0.2, 0.3, 0.1 + 0.2]],
    ['nanometres beside a half', [0.5, 0.5 + 1e-9, 0.5 - 1e-9]],
    ['beside a half unit', [1.5, 1.5 + 2 ** -30, 1.5 - 2 ** -31]],
    ['prices that cancel', [123456789.1, -123456789.1, 0.1, 77.7]],
    ['large and small', [3e13, -3e13, 1e-6, 5]],
  ])('%s', async (_, values) => {
    const whole = await measured.merged([values])
    expectClose(whole, values)
    expect(await measured.merged(cut(values, [1, 2]))).toEqual(whole)
    expect(await measured.merged([values.toReversed()])).toEqual(whole)
  })
})

test('generated values are within the bound of exact arithmetic, merged and recounted', async () => {
  const mean = fc.constantFrom(0, 0.3, 1e3, 1e6, 123456789.1, 1e9, 1e12)
  const spread = fc.constantFrom(1e-3, 1, 1e3, 1e6)
  const values = fc
    .tuple(mean, spread, fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }))
    .map(([mean, spread, list]) => list.map((one) => mean + spread * one))
  await fc.assert(
    fc.asyncProperty(values, fc.array(fc.nat(20), { maxLength: 4 }), async (values, places) => {
      const whole = await measured.merged([values])
      expectClose(whole, values)
      const parts = await measured.merged(cut(values, places))
      // Sums of rests are of doubles: they may differ from cut to cut, within the bound.
      if (values.some((value) => value % 2 ** -30 !== 0)) expectClose(parts, values)
      else expect(parts).toEqual(whole)
      const recounted = await measured.recounted(values)
      for (const name of Object.keys(whole)) {
        const [m, r, within] = [whole[name], recounted[name], recounted[`${name}__within`]] as (number | null)[]
        const isSame =
          m === r || within === Number.POSITIVE_INFINITY || (m !== null && r !== null && Math.abs(m! - r!) <= within!)
        expect([name, m, r, within, isSame]).toEqual([name, m, r, within, true])
      }
    }),
    { numRuns: 8, endOnFailure: true },
  )
})

test('one value, none, equal ones and values without squares', async () => {
  expect(await measured.merged([[null]])).toMatchObject({
    var_samp: null,
    var_pop: null,
    stddev: null,
    co_pop: null,
    slope: null,
    related: null,
  })
  expect(await measured.merged([[0.1]])).toMatchObject({
    var_samp: null,
    var_pop: 0,
    stddev: null,
    co_pop: 0,
    co_samp: null,
  })
  expect(await measured.merged([[0.1, 0.1], [0.1]])).toMatchObject({
    var_samp: 0,
    stddev: 0,
    co_pop: 0,
    slope: null,
    related: null,
  })
  const huge = { var_samp: null, var_pop: null, stddev: null, co_pop: null, slope: null, related: null }
  expect(await measured.merged([[1, 2], [1e200]])).toMatchObject(huge)
  expect(await measured.recounted([1, 2, 1e200])).toMatchObject(huge)
  const { var_pop } = await measured.merged([
    [1e100, 1e100],
    [-1e100, -1e100],
  ])
  expect(var_pop).toBeCloseTo(1e200, -190)
})
