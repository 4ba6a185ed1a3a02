import { expect, test } from 'vitest'
import { DEFAULT_LIVE_LIMITS, idlePauseMs } from './live-limits.ts'

test('while nobody asks, the tail is read less often the fewer records come, within bounds', () => {
  const limits = { ...DEFAULT_LIVE_LIMITS, idleRefreshMs: 500, idleRecordsMin: 1_000, idleRefreshMsMax: 2_000 }
  const pauses = [0, 100, 500, 800, 2_000, 20_000].map((perSecond) => idlePauseMs(limits, perSecond))
  expect(pauses).toEqual([2_000, 2_000, 2_000, 1_250, 500, 500])
})
