import { expect, test } from 'vitest'
import type { Row } from '../answer.ts'
import { robustScale } from './candles.ts'

const bar = (price: number, band = price): Row => ({ low: price - 1, high: price + 1, upper_band: band + 5 })
const usual = Array.from({ length: 40 }, (_, n) => bar(100 + (n % 10)))

test('prices without outliers have the axis that fits all of them', () => {
  expect(robustScale(usual, ['upper_band'])).toBeNull()
})

test('one wrong price is cut off, and the axis has labels at equal distances', () => {
  const scale = robustScale([...usual, bar(1_000)], [])!
  expect(scale).toEqual({ min: 95, max: 110, step: 5, beyond: 1 })
  expect((scale.max - scale.min) % scale.step).toBe(0)
})

test('lines over the prices widen the axis, but not where they are far outside', () => {
  const wide = [...usual, bar(1_000, 105)]
  wide[3] = bar(103, 112)
  expect(robustScale(wide, ['upper_band'])).toMatchObject({ max: 120 })
  expect(robustScale([...usual, bar(1_000)], ['upper_band'])).toMatchObject({ max: 115, beyond: 1 })
})
