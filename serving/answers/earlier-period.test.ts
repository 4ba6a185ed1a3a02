import { expect, test } from 'vitest'
import type { Grain } from '#core/grains.ts'
import { earlierPeriod, parsedShift } from './earlier-period.ts'

const HOUR_MS = 3_600_000

test.each<[string, Grain | undefined, string, string, string, string, string]>([
  ['7d', 'day', 'UTC', '2026-03-08T00:00Z', '2026-03-15T00:00Z', '2026-03-01T00:00Z', '2026-03-08T00:00Z'],
  [
    '12h',
    undefined,
    'Europe/Berlin',
    '2026-03-29T12:00Z',
    '2026-03-29T13:00Z',
    '2026-03-29T00:00Z',
    '2026-03-29T01:00Z',
  ],
  // Midnight stays midnight where clocks change.
  ['1d', 'day', 'Europe/Berlin', '2026-03-29T22:00Z', '2026-03-30T22:00Z', '2026-03-28T23:00Z', '2026-03-29T22:00Z'],
  [
    'previous',
    undefined,
    'Europe/Berlin',
    '2026-03-28T23:00Z',
    '2026-03-30T22:00Z',
    '2026-03-26T23:00Z',
    '2026-03-28T23:00Z',
  ],
  ['previous', undefined, 'UTC', '2026-03-28T01:00Z', '2026-03-28T04:00Z', '2026-03-27T22:00Z', '2026-03-28T01:00Z'],
  // Months keep the day, or have fewer.
  ['1month', undefined, 'UTC', '2026-03-31T00:00Z', '2026-04-01T00:00Z', '2026-02-28T00:00Z', '2026-03-01T00:00Z'],
  ['1year', 'day', 'UTC', '2024-02-29T00:00Z', '2024-03-01T00:00Z', '2023-02-28T00:00Z', '2023-03-01T00:00Z'],
  ['previous', 'month', 'UTC', '2026-01-01T00:00Z', '2026-04-01T00:00Z', '2025-10-01T00:00Z', '2026-01-01T00:00Z'],
])('%s by %s in %s', (shift, grain, timezone, from, to, earlierFrom, earlierTo) => {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)]
  const asked = { shift: parsedShift(shift), period: { fromMs, toMs }, grain, timezone, paneMs: HOUR_MS }
  const { fromMs: a, toMs: b } = earlierPeriod(asked)
  expect([a, b].map((ms) => new Date(ms).toISOString())).toEqual(
    [earlierFrom, earlierTo].map((text) => new Date(text).toISOString()),
  )
})

test.each<[string, Grain]>([
  ['1d', 'week'],
  ['30d', 'month'],
  ['1month', 'week'],
  ['1month', 'quarter'],
  ['90m', 'hour'],
])('a shift of %s does not move buckets of a %s onto others', (shift, grain) => {
  const period = { fromMs: 0, toMs: 24 * HOUR_MS }
  const asked = { shift: parsedShift(shift), period, grain, timezone: 'UTC', paneMs: 60_000 }
  expect(() => earlierPeriod(asked)).toThrow(`is not a whole number of the grain '${grain}'`)
})

test.each([
  ['1001year', "'1001year' is too long: at most 1000 years are possible"],
  ['99999999999d', "'99999999999d' is too long"],
  ['7 days', "'7 days' is not a shift"],
  ['0d', "'0d' is not a shift"],
])('%s is no shift', (shift, message) => {
  expect(() => parsedShift(shift)).toThrow(message)
})
