/** The value at a place is the one that sorting puts there. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nthBest } from './nth-best.ts'

test('the value at a place is the one that sorting puts there', () => {
  const values = fc.array(fc.oneof(fc.constant(Number.NaN), fc.integer({ min: -5, max: 30 })), { maxLength: 40 })
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 45 }), fc.constantFrom(1 as const, -1 as const), (all, n, sign) => {
      const sorted = all.filter((value) => !Number.isNaN(value)).sort((a, b) => sign * (a - b))
      expect(nthBest(Float64Array.from(all), n, sign)).toBe(sorted[n - 1] ?? Number.NaN)
    }),
  )
})
