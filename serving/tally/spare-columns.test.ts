/** Columns that are used again. */
import { expect, test } from 'vitest'
import { SpareColumns } from './spare-columns.ts'

test('a column that was given back is used again, as if it were new', () => {
  const spare = new SpareColumns()
  const first = spare.take(100)
  first.fill(7)
  expect(spare.take(100).buffer).not.toBe(first.buffer)
  spare.give([first])
  const again = spare.take(120)
  expect(again.buffer).toBe(first.buffer)
  expect([again.length, again.every(Number.isNaN)]).toEqual([120, true])
  // Nobody else has it meanwhile.
  expect(spare.take(120).buffer).not.toBe(first.buffer)
})

test('a column is left for others if it is too small, or much too large; and few are kept', () => {
  const spare = new SpareColumns()
  const column = spare.take(1_000)
  spare.give([column])
  expect(spare.take(1_251).buffer).not.toBe(column.buffer)
  expect(spare.take(100).buffer).not.toBe(column.buffer)
  spare.give(Array.from({ length: 64 }, () => spare.take(10)))
  expect(spare.take(1_000).buffer).not.toBe(column.buffer)
})
