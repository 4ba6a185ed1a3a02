import { expect, test } from 'vitest'
import { visibleLines, visibleText } from './visible-text.ts'

test.each([
  ['plain, é, 日本, 😀', 'plain, é, 日本, 😀'],
  ['a\u001b[2Jb', 'a\\u001b[2Jb'],
  ['a\r\nINFO forged\t\u0000', 'a\\r\\nINFO forged\\t\\u0000'],
  ['\u009b31m\u007f', '\\u009b31m\\u007f'],
  ['a\u2028b\u202ec\u2066', 'a\\u2028b\\u202ec\\u2066'],
])('%j is shown as %s', (text, shown) => {
  expect(visibleText(text)).toBe(shown)
})

test('lines stay lines that cannot be taken for others', () => {
  expect(visibleLines('Error: no\n  at a\r\nb\u001b')).toBe('Error: no\n      at a\\r\n    b\\u001b')
  expect(visibleLines('one')).toBe('one')
})
