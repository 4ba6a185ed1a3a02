import { describe, expect, it } from 'vitest'
import { assertPattern, latestDueMs, nextDueMs } from './due-time.ts'

const at = (text: string): number => Date.parse(`${text}Z`)

describe('the latest due time', () => {
  const cases: [pattern: string, now: string, due: string][] = [
    ['0 2 * * *', '2026-03-10T02:00:00', '2026-03-10T02:00:00'],
    ['0 2 * * *', '2026-03-10T01:59:59.999', '2026-03-09T02:00:00'],
    ['*/5 * * * *', '2026-01-01T00:03:10', '2026-01-01T00:00:00'],
    ['*/5 * * * *', '2026-01-01T23:59:10', '2026-01-01T23:55:00'],
    ['30 4,16 * * *', '2026-01-02T03:00:00', '2026-01-01T16:30:00'],
    ['*/10 * * * * *', '2026-01-01T00:00:09', '2026-01-01T00:00:00'],
    ['0 3 * * 0', '2026-01-07T12:00:00', '2026-01-04T03:00:00'],
    ['0 0 29 2 *', '2027-01-01T00:00:00', '2024-02-29T00:00:00'],
    ['30 2 * * *', '2026-03-29T03:00:00', '2026-03-29T02:30:00'],
  ]
  for (const [pattern, now, due] of cases) {
    it(`of ${pattern} at ${now} is ${due}`, () => {
      expect(new Date(latestDueMs(pattern, at(now))!).toISOString()).toBe(new Date(at(due)).toISOString())
    })
  }

  it('is never asked of a day that never comes', () => {
    expect(() => assertPattern('0 0 31 2 *', 'full schedule')).toThrow(
      /full schedule: '0 0 31 2 \*' is not a cron pattern/,
    )
  })
})

describe('the next due time', () => {
  const cases: [pattern: string, now: string, due: string][] = [
    ['0 2 * * *', '2026-03-10T02:00:00', '2026-03-11T02:00:00'],
    ['0 2 * * *', '2026-03-10T01:59:59.999', '2026-03-10T02:00:00'],
    ['*/5 * * * *', '2026-01-01T23:59:10', '2026-01-02T00:00:00'],
    ['30 4,16 * * *', '2026-01-02T04:30:00', '2026-01-02T16:30:00'],
    ['*/10 * * * * *', '2026-01-01T00:00:09', '2026-01-01T00:00:10'],
    ['0 3 * * 0', '2026-01-07T12:00:00', '2026-01-11T03:00:00'],
    ['0 0 29 2 *', '2026-01-01T00:00:00', '2028-02-29T00:00:00'],
    ['30 2 * * *', '2026-03-29T01:00:00', '2026-03-29T02:30:00'],
  ]
  for (const [pattern, now, due] of cases) {
    it(`of ${pattern} at ${now} is ${due}`, () => {
      expect(new Date(nextDueMs(pattern, at(now))!).toISOString()).toBe(new Date(at(due)).toISOString())
    })
  }
})
