import { expect, test } from 'vitest'
import { isKnown } from './repeated-requests.ts'

test.each([
  [undefined, false],
  ['W/"a"', true],
  ['"a"', true],
  ['*', true],
  ['"b", W/"a"', true],
  ['"b"', false],
  ['', false],
])('If-None-Match %s names W/"a": %s', (header, known) => {
  expect(isKnown(header, 'W/"a"')).toBe(known)
})
