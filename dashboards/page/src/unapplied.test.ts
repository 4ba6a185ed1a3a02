import { expect, test } from 'vitest'
import { unapplied } from './unapplied.ts'

const path =
  '/v1/datasets/shop/views/sales?dimensions=city%2Cday&filter=country%3Aeq%3Agb&having=brand%3Ain%3A%5B%22a%22%5D'

test('a filter is followed as a condition, or marked where rows are by its dimension', () => {
  expect(unapplied(['country', 'brand', 'city', 'day'], path)).toEqual([])
  expect(unapplied(['count', 'colour'], path)).toEqual(['count', 'colour'])
  expect(unapplied(['country'], '/v1/datasets/shop/views/sales')).toEqual(['country'])
})
