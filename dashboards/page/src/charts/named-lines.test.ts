import { expect, test } from 'vitest'
import { distinctNames } from './named-lines.ts'

test('lines with the same name also show their value', () => {
  const lines = [
    { key: 'c1', label: 'Rust' },
    { key: 'c2', label: 'Rust' },
    { key: 'c3', label: 'Go' },
  ]
  expect(distinctNames(lines).map(({ label }) => label)).toEqual(['Rust (c1)', 'Rust (c2)', 'Go'])
})
