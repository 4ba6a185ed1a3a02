import fc from 'fast-check'
import { expect, test } from 'vitest'
import { filledRows } from './rows.ts'

test('rows that are full stay as they are, and others are widened', () => {
  expect(filledRows([8, 4, 6, 6, 12])).toEqual([8, 4, 6, 6, 12])
  expect(filledRows([4, 12])).toEqual([12, 12])
  expect(filledRows([4, 4, 12, 3])).toEqual([6, 6, 12, 12])
  expect(filledRows([6, 4, 8])).toEqual([8, 4, 12])
})

test('every row has twelve columns, and no panel is narrower than it asks for', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 })), (widths) => {
      const filled = filledRows(widths)
      expect(filled.length).toBe(widths.length)
      let row = 0
      for (const [at, width] of filled.entries()) {
        expect(width).toBeGreaterThanOrEqual(widths[at]!)
        row = (row + width) % 12
        expect(Number.isInteger(width) && width <= 12).toBe(true)
      }
      expect(row).toBe(0)
    }),
  )
})
