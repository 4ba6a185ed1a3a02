import { expect, test } from 'vitest'
import { distinctNames, linesWithValue } from './named-lines.ts'

const NONE = { key: '', label: '(no value)' }

test('what has no value has a line only where nothing else has one, and never two', () => {
  const x = { key: 'x', label: 'X' }
  expect(linesWithValue([NONE, x, NONE])).toEqual([x])
  expect(linesWithValue([NONE, NONE])).toEqual([NONE])
  expect(linesWithValue([])).toEqual([])
})

test('lines with the same name also show their value', () => {
  const lines = [
    { key: 'c1', label: 'Rust' },
    { key: 'c2', label: 'Rust' },
    { key: 'c3', label: 'Go' },
  ]
  expect(distinctNames(lines).map(({ label }) => label)).toEqual(['Rust (c1)', 'Rust (c2)', 'Go'])
})
