import { expect, test } from 'vitest'
import { zonedTextMs } from './zone-time.ts'

test.each([
  ['2026-03-01', 'UTC', '2026-03-01T00:00:00.000Z'],
  ['2026-03-01', 'Europe/Berlin', '2026-02-28T23:00:00.000Z'],
  ['2026-03-01T12:30', 'Asia/Kathmandu', '2026-03-01T06:45:00.000Z'],
  ['2026-03-01T12:30:00Z', 'Asia/Kathmandu', '2026-03-01T12:30:00.000Z'],
  ['2026-03-01T12:30:00-03:30', 'Asia/Kathmandu', '2026-03-01T16:00:00.000Z'],
  ['1772319600000', 'Asia/Kathmandu', '2026-02-28T23:00:00.000Z'],
  // repeated: the first one
  ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
  ['2006-10-29', 'America/Moncton', '2006-10-29T03:00:00.000Z'],
  // skipped: the change
  ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
  ['2011-12-30T15:00', 'Pacific/Apia', '2011-12-30T10:00:00.000Z'],
  ['0001-01-01', 'Europe/Berlin', '0000-12-31T23:06:32.000Z'],
])('%s in %s is %s', (text, timezone, expected) => {
  expect(new Date(zonedTextMs(text, timezone)!).toISOString()).toBe(expected)
})

test('what is not a time has no instant', () => {
  expect(zonedTextMs('2026-02-30', 'Europe/Berlin')).toBeNull()
  expect(zonedTextMs('soon', 'Europe/Berlin')).toBeNull()
})
