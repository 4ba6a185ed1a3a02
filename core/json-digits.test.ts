import { expect, test } from 'vitest'
import { parseWithDigits } from './json-digits.ts'

test.each([
  '-73687897103036042008',
  '{"a":[-91599999999799167.61,1.50],"b":{"c":9223372036854775807,"d":"12","e":null,"f":true}}',
  '[0.10,1e5,-0]',
])('%s is written as it was read', (text) => {
  expect(JSON.stringify(parseWithDigits(text))).toBe(text)
})

test('what is not JSON is an error', () => {
  expect(() => parseWithDigits('{')).toThrow(SyntaxError)
})
