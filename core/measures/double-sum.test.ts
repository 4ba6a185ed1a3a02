/** Sums, means and ratios of doubles that cancel: the same for any cut where the parts are exact, and within their bound everywhere. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { avg, count, ratio, sum } from '../definition.ts'
import { DOUBLE_SUM_ERROR } from './double-sum.ts'
import { cut, exactly, MeasuredColumn } from './measure-fixture.ts'

const connection = await testConnection()
const measured = await MeasuredColumn.of(connection, 'DOUBLE', {
  n: count(),
  total: sum('v'),
  mean: avg('v'),
  above: ratio('CASE WHEN v > 0 THEN v END', 'v'),
})

/** Every way to cut the values into segments. */
function everyCut<T>(values: readonly T[]): T[][][] {
  const borders = values.length - 1
  return Array.from({ length: 2 ** borders }, (_, bits) =>
    cut(
      values,
      Array.from({ length: borders }, (_, at) => at + 1).filter((at) => (bits >> (at - 1)) & 1),
    ),
  )
}

const sumOf = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)
const sizeOf = (value: bigint): bigint => (value < 0n ? -value : value)
/** 1e-300: what values near the smallest double may lose */
const NOTHING = exactly(1e-300)
const PARTS = BigInt(Math.round(1 / DOUBLE_SUM_ERROR))

describe('every cut gives the sum', () => {
  test.each([
    ['that a large value and its opposite leave', [1e16, -1e16, 1], 1],
    ['in whatever order', [1, 1e16, -1e16], 1],
    ['also of fractions', [1e16, 1.1, -1e16], 1.1],
    ['also beyond the integers', [1e300, 2.5, -1e300], 2.5],
    ['that an intermediate overflow would hide', [1e308, 1e308, -1e308, 5], 1e308],
    ['that refunds leave', [19.99, -19.99, 0.1, -0.1], 0],
    ['of a single value, to the last digit', [0.1], 0.1],
    ['of values without any', [null, null], null],
  ])('%s', async (_, values, total) => {
    for (const segments of everyCut(values)) expect((await measured.merged(segments)).total).toBe(total)
    const { total: recounted, total__within: within } = await measured.recounted(values)
    expect(recounted === null ? recounted : Math.abs((recounted as number) - total!) <= (within as number)).toBe(
      total === null ? null : true,
    )
  })

  test('of refunds that cancel, digit by digit', async () => {
    const amounts = [123456789.1, 0.1, -123456789.1, 0.2, -0.3, 77777777.7, -77777777.7]
    const net = (await measured.merged([amounts])).total as number
    const exact = sumOf(amounts.map(exactly))
    expect(exactly(net)).toBe(exact)
    for (const segments of everyCut(amounts)) expect((await measured.merged(segments)).total).toBe(net)
  })
})

const cancelling = fc.constantFrom(1e16, -1e16, 123456789.1, -123456789.1, 0.1, -0.1, 1, 1e-6)
const ordinary = fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((x) => x === 0 || Math.abs(x) >= 1e-6)
const places = fc.array(fc.nat(20), { maxLength: 4 })

test('values from 1e-6 to 9e18 give one sum, one mean and one ratio for any order and cut', async () => {
  const values = fc.array(fc.oneof(cancelling, ordinary), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(values, places, async (values, places) => {
      const whole = await measured.merged([values])
      expect(await measured.merged(cut(values, places))).toEqual(whole)
      expect(await measured.merged(cut(values.toReversed(), places))).toEqual(whole)
    }),
    { numRuns: 25 },
  )
})

test('values of any size are within the bound, merged and recounted', async () => {
  const extreme = fc.constantFrom(1e308, -1e308, 1.7976931348623157e308, 1e300, -1e300, 2 ** 63, -(2 ** 63), 1e-200)
  const any = fc.double({ noNaN: true, noDefaultInfinity: true })
  const values = fc.array(fc.oneof(cancelling, ordinary, extreme, any), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(values, places, async (values, places) => {
      const parts = values.map(exactly)
      const [exact, size] = [sumOf(parts), sumOf(parts.map(sizeOf))]
      for (const { total } of [await measured.merged(cut(values, places)), await measured.recounted(values)]) {
        if (total === null) expect(sizeOf(exact)).toBeGreaterThan(exactly(Number.MAX_VALUE) - size / PARTS)
        else expect(sizeOf(exactly(total as number) - exact) - NOTHING).toBeLessThanOrEqual(size / PARTS)
      }
    }),
    { numRuns: 50 },
  )
})

test('what is beyond the largest double has no value, and a mean within it has one', async () => {
  const overflowing = { n: 2, total: null, mean: 1e308, above: 1 }
  expect(await measured.merged([[1e308, 1e308]])).toEqual(overflowing)
  expect(await measured.merged([[1e308], [1e308]])).toEqual(overflowing)
  expect(await measured.recounted([1e308, 1e308])).toMatchObject(overflowing)
})
