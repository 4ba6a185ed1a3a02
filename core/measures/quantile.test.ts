/** A quantile is the value at rank ceil(q * n), as quantile_disc of the engine and plain lines find it: within 1 %, and never outside the values. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { quantile } from '../definition.ts'
import { cut, MeasuredColumn } from './measure-fixture.ts'

const PERCENTS = [0, 1, 7, 50, 95, 99, 100]
const measures = Object.fromEntries(PERCENTS.map((percent) => [`p${percent}`, quantile('v', percent / 100)]))
const connection = await testConnection()
const whole = await MeasuredColumn.of(connection, 'INTEGER', measures)
const fractional = await MeasuredColumn.of(connection, 'DOUBLE', measures)

/** Of values in ascending order. */
function atRank(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1]!
}

test.each([
  ['nine 10s and one 1000', [...Array<number>(9).fill(10), 1000], { p50: 10, p95: 1000, p99: 1000 }],
  ['forty-nine 10s and one 5000', [...Array<number>(49).fill(10), 5000], { p50: 10, p95: 10, p99: 5000 }],
  ['a pair', [100, 200], { p50: 100, p95: 200, p99: 200 }],
  ['a single value', [123], { p0: 123, p50: 123, p95: 123, p100: 123 }],
  ['negative values', [-19, -19, -3], { p50: -19, p95: -3, p99: -3 }],
  ['one to a hundred, where 0.07 * 100 is a little more than 7 as a double', oneTo(100), { p1: 1, p7: 7, p100: 100 }],
  ['no value', [null, null], { p0: null, p50: null, p100: null }],
])('%s', async (_, values, expected) => {
  expect(await whole.merged([values])).toMatchObject(expected)
  expect(await whole.merged(cut(values, [1, 5, 30]))).toMatchObject(expected)
  expect(await whole.recounted(values)).toMatchObject(expected)
})

function oneTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1)
}

describe('of any values and any cut', () => {
  const places = fc.array(fc.nat(20), { maxLength: 3 })

  test('whole numbers up to 50 are exact', async () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(values, places, async (values, places) => {
        const sorted = values.toSorted((a, b) => a - b)
        const expected = Object.fromEntries(PERCENTS.map((percent) => [`p${percent}`, atRank(sorted, percent)]))
        expect(await whole.merged(cut(values, places))).toEqual(expected)
        expect(await whole.recounted(values)).toEqual(expected)
      }),
      { numRuns: 20 },
    )
  })

  test('doubles of any size are within 1 %, and within the smallest and the largest', async () => {
    const size = fc.constantFrom(1e-300, 1e-6, 1, 1000, 1e15, 1e300, 1.7976931348623157e308)
    const value = fc
      .tuple(fc.double({ min: -1, max: 1, noNaN: true }), size)
      .map(([share, size]) => (Math.abs(share) < 1e-6 ? 0 : share * size))
    const largest = fc.constantFrom(1e308, 9.1e307, -1e308, 1.7976931348623157e308)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(value, largest), { minLength: 1, maxLength: 30 }),
        places,
        async (values, places) => {
          const sorted = values.toSorted((a, b) => a - b)
          const merged = await fractional.merged(cut(values, places))
          const recounted = await fractional.recounted(values)
          for (const percent of PERCENTS) {
            const [answer, truth] = [merged[`p${percent}`] as number, atRank(sorted, percent)]
            expect(recounted[`p${percent}`]).toBe(truth)
            expect(Math.abs(answer - truth)).toBeLessThanOrEqual(0.01 * Math.abs(truth))
            expect(answer).toBeGreaterThanOrEqual(sorted[0]!)
            expect(answer).toBeLessThanOrEqual(sorted.at(-1)!)
          }
        },
      ),
      { numRuns: 20 },
    )
  })
})

test('a whole column whose bucket holds several values gives one within 1 %, and the extremes exactly', async () => {
  const values = oneTo(10_000)
  const merged = await whole.merged([values])
  expect(merged).toMatchObject({ p0: 1, p100: 10_000 })
  for (const percent of PERCENTS) {
    const truth = atRank(values, percent)
    expect(Math.abs((merged[`p${percent}`] as number) - truth)).toBeLessThanOrEqual(0.01 * truth)
  }
})
