import { expect, test } from 'vitest'
import { timeTextMs, timeTextUs } from './time-text.ts'

test.each([
  ['2017-03-19', 1_489_881_600_000_000n],
  ['2017-03-19T10:00', 1_489_917_600_000_000n],
  ['2017-03-19T10:00:00.1', 1_489_917_600_100_000n],
  ['2017-03-19T10:00:00.123456+02:00', 1_489_910_400_123_456n],
  ['1969-12-31T23:59:59.999999Z', -1n],
  ['-5', -5_000n],
  ['2017-02-29', null],
  ['2017-03-19T10:00:00.1234567Z', null],
  ['2017-03-19T10:00.5Z', null],
])('%s is %s microseconds', (text, us) => {
  expect(timeTextUs(text)).toBe(us)
})

test('milliseconds are those of texts that say no more', () => {
  expect(timeTextMs('2017-03-19T10:00:00.120000Z')).toBe(1_489_917_600_120)
  expect(timeTextMs('2017-03-19T10:00:00.120001Z')).toBeNull()
})
