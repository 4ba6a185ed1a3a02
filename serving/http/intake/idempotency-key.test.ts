import { expect, test } from 'vitest'
import { ProblemError } from '#serving/http/problems.ts'
import { IDEMPOTENCY_KEY_CHARS_MAX, idempotencyKeyOf } from './idempotency-key.ts'

const LONGEST = 'k'.repeat(IDEMPOTENCY_KEY_CHARS_MAX)

test.each([
  ['"8e03978e-40d5-43e8-bc93-6894a57f9324"', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
  ['8e03978e-40d5-43e8-bc93-6894a57f9324', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
  ['?1', '?1'],
  ['a\\(b);c', 'a\\(b);c'],
  ['  "a b, c"  ', 'a b, c'],
  ['"say \\"hi\\" \\\\"', 'say "hi" \\'],
  [`"${LONGEST}"`, LONGEST],
  [undefined, undefined],
])('%s is the key %s', (header, key) => {
  expect(idempotencyKeyOf(header)).toBe(key)
})

test.each([
  '',
  '""',
  '"',
  '"a',
  'a"',
  '"a" "b"',
  '"a", "b"',
  'a, b',
  'a b',
  '"ä"',
  '"a\tb"',
  '"a\\b"',
  '"a";q=1',
  `${LONGEST}k`,
])('%j is refused', (header) => {
  expect(() => idempotencyKeyOf(header)).toThrow(ProblemError)
})
