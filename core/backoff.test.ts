import { afterEach, expect, test, vi } from 'vitest'
import { Backoff, backoffMs } from './backoff.ts'

const limits = { retryMsMax: 60_000, waitMsFirst: 100, waitMsMax: 1_000 }

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('waits double up to their limit, and are between half and all of that', () => {
  const longest = [1, 2, 3, 9, 200].map((attempt) => backoffMs(attempt, limits, () => 1))
  expect(longest).toEqual([100, 200, 400, 1_000, 1_000])
  const shortest = [1, 2, 3, 9, 200].map((attempt) => backoffMs(attempt, limits, () => 0))
  expect(shortest).toEqual([50, 100, 200, 500, 500])
})

test('the last wait ends when the time is over, and there is none after it', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  vi.spyOn(Math, 'random').mockReturnValue(1)
  const tries = new Backoff({ ...limits, retryMsMax: 250 })
  expect([tries.nextMs(), tries.leftMs]).toEqual([100, 250])
  vi.advanceTimersByTime(100)
  expect([tries.nextMs(), tries.passedMs]).toEqual([150, 100])
  vi.advanceTimersByTime(150)
  expect([tries.nextMs(), tries.leftMs]).toEqual([null, 0])
})

test('without time for retries there is no wait', () => {
  expect(new Backoff({ ...limits, retryMsMax: 0 }).nextMs()).toBeNull()
})
