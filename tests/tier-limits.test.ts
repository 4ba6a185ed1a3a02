/** Limits of two tiers that mean the same, although neither may import the other. */
import { expect, test } from 'vitest'
import { DEFAULT_LIVE_LIMITS } from '#serving/live/live-limits.ts'
import { DEFAULT_STREAM_LIMITS } from '#speed-layer/stream-limits.ts'

test('the live tail leaves records to a segment only where the stream role closes one instead of flushing it', () => {
  expect(DEFAULT_LIVE_LIMITS.closedRecordsMin).toBeGreaterThanOrEqual(DEFAULT_STREAM_LIMITS.slowSegmentRecordsMin)
  expect(DEFAULT_LIVE_LIMITS.leftMsMax).toBeGreaterThan(DEFAULT_STREAM_LIMITS.flushBehindEveryMs)
})
