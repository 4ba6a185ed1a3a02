/** When the schedule of one process looks at the clock, with timers and a clock that the test moves. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { CronSchedule } from './cron-schedule.ts'
import { publishEmpty } from './empty-generation-fixture.ts'
import type { BatchMode } from './plan-run.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const NOON_MS = Date.parse('2026-03-10T12:00:30Z')

let lake: MemoryLake
let ran: string[]
let schedule: CronSchedule

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: NOON_MS })
  lake = new MemoryLake({ dataset: 'd' })
  await publishEmpty(lake, 'full', NOON_MS - MINUTE_MS, NOON_MS - MINUTE_MS)
  ran = []
  const run = async (mode: BatchMode) => {
    ran.push(`${mode} ${new Date().toISOString().slice(0, 16)}`)
    const current = await lake.current()
    return publishEmpty(lake, mode, Date.now(), mode === 'full' ? Date.now() : current!.fullFinishedAtMs)
  }
  const patterns = { incrementalPattern: '0 * * * *', fullPattern: '0 2 * * *' }
  schedule = new CronSchedule({ lake, run, ...patterns })
  schedule.start()
  await schedule.wake()
})
afterEach(async () => {
  await schedule.stop()
  vi.useRealTimers()
})

test('it runs at its due times', async () => {
  expect(ran).toEqual(['incremental 2026-03-10T12:00'])
  await vi.advanceTimersByTimeAsync(59 * MINUTE_MS)
  expect(ran).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  expect(ran).toEqual(['incremental 2026-03-10T12:00', 'incremental 2026-03-10T13:00'])
})

test('a clock that is set back does not let it sleep until the old moment', async () => {
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS)
  vi.setSystemTime(Date.now() - 3 * HOUR_MS)
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  // What is current seems to come from the future, so when it was made is not known.
  expect(ran.slice(1)).toEqual(['full 2026-03-10T09:11'])
  await vi.advanceTimersByTimeAsync(50 * MINUTE_MS)
  expect(ran.slice(2)).toEqual(['incremental 2026-03-10T10:00'])
})

test('a clock that is set forward over a due time is noticed within a minute', async () => {
  vi.setSystemTime(Date.now() + DAY_MS)
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  expect(ran.slice(1)).toEqual(['full 2026-03-11T12:01'])
})

test('after a stop it looks at nothing any more', async () => {
  await schedule.stop()
  await vi.advanceTimersByTimeAsync(DAY_MS)
  expect(ran).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})
