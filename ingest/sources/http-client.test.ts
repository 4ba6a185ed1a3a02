import { expect, test } from 'vitest'
import { retryAfterMs, windowEndMs } from './http-client.ts'

const NOW = Date.parse('2026-03-01T12:00:00Z')

test.each([
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after': '99999999' }, 86_400_000],
  [{ 'retry-after': 'soon', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(NOW / 1_000 + 15) }, 15_000],
  [{}, null],
])('%j: after %s ms', (headers, ms) => {
  expect(retryAfterMs(headers, NOW)).toBe(ms)
})

test.each([
  [{ 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(NOW / 1_000 + 900) }, 900_000],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1_000 - 5) }, 0],
  [{ 'ratelimit-remaining': '0', 'ratelimit-reset': '12' }, 12_000],
  [{ 'x-rate-limit-remaining': '3', 'x-rate-limit-reset': '12' }, null],
  [{ 'x-rate-limit-remaining': '0' }, null],
])('%j: the window ends in %s ms', (headers, ms) => {
  expect(windowEndMs(headers, NOW)).toBe(ms)
})
