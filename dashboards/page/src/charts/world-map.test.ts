import { expect, test } from 'vitest'
import { legendTicks, shadesOf } from './world-map.ts'

const ticks = (values: readonly number[], byMagnitude: boolean) => legendTicks(shadesOf(values, byMagnitude))

test('counts are coloured by magnitude, and the legend labels powers of ten where their colours are', () => {
  const shown = ticks([3, 5_000, 41], true)
  expect(shown.map(({ value }) => value)).toEqual([0, 1, 10, 100, 1_000, 5_000])
  expect(shown.map(({ at }) => Number(at.toFixed(2)))).toEqual([0, 0.08, 0.28, 0.54, 0.81, 1])
  expect(ticks([2_000_000_000], true).length).toBeLessThanOrEqual(7)
})

test('means and values below 0 have an even scale with two labels', () => {
  expect(ticks([3, 5], false)).toEqual([
    { value: 0, at: 0 },
    { value: 5, at: 1 },
  ])
  expect(shadesOf([-2, 5], true).isLogarithmic).toBe(false)
  expect(ticks([-2, 5], true).map(({ value }) => value)).toEqual([-2, 5])
})
