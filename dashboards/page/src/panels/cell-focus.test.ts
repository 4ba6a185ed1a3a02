import { expect, test } from 'vitest'
import { moved } from './cell-focus.ts'

const size = { rows: 3, columns: 4 }
const from =
  (row: number, column: number) =>
  (key: string, isFar = false) =>
    moved({ row, column }, key, isFar, size)

test('arrows lead to the next cell, and stay at the edges', () => {
  const corner = from(0, 0)
  expect(corner('ArrowRight')).toEqual({ row: 0, column: 1 })
  expect(corner('ArrowDown')).toEqual({ row: 1, column: 0 })
  expect([corner('ArrowUp'), corner('ArrowLeft')]).toEqual([
    { row: 0, column: 0 },
    { row: 0, column: 0 },
  ])
  expect(from(2, 3)('ArrowDown')).toEqual({ row: 2, column: 3 })
})

test('Home and End lead to the ends of the row, and with Ctrl to those of the page', () => {
  const middle = from(1, 2)
  expect(middle('Home')).toEqual({ row: 1, column: 0 })
  expect(middle('End')).toEqual({ row: 1, column: 3 })
  expect(middle('Home', true)).toEqual({ row: 0, column: 0 })
  expect(middle('End', true)).toEqual({ row: 2, column: 3 })
  expect(middle('Enter')).toBeNull()
})
