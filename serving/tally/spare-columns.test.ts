/** The pool of number columns. */
import { expect, test } from 'vitest'
import { SpareColumns } from './spare-columns.ts'

test('a returned column is reused, filled with NaN', () => {
  const spare = new SpareColumns()
  const first = spare.take(100)
  first.fill(7)
  expect(spare.take(100).buffer).not.toBe(first.buffer)
  spare.give([first])
  const again = spare.take(120)
  expect(again.buffer).toBe(first.buffer)
  expect([again.length, again.every(Number.isNaN)]).toEqual([120, true])
  // It is not in the pool any more.
  expect([spare.bytes, spare.take(120).buffer === first.buffer]).toEqual([0, false])
})

test('a buffer that is too small, or much too large, stays in the pool', () => {
  const spare = new SpareColumns()
  const column = spare.take(1_000)
  spare.give([column])
  expect(spare.take(1_251).buffer).not.toBe(column.buffer)
  expect(spare.take(100).buffer).not.toBe(column.buffer)
  expect(spare.take(1_000).buffer).toBe(column.buffer)
})

test('the pool holds a limited number of bytes, the last returned ones; lists of columns may have holes', () => {
  const spare = new SpareColumns(25_000)
  const columns = Array.from({ length: 4 }, () => spare.take(1_000))
  // 10,000 bytes each
  const list: Float64Array[] = []
  for (const [index, column] of columns.entries()) list[3 * index] = column
  spare.give(list)
  expect(spare.bytes).toBe(20_000)
  expect([spare.take(1_000), spare.take(1_000)].map(({ buffer }) => buffer)).toEqual([
    columns[2]!.buffer,
    columns[3]!.buffer,
  ])
  spare.give([spare.take(4_000)])
  expect(spare.bytes).toBe(0)
})
