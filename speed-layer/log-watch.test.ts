/** Waiting for records of many partitions by one look at the log. */
import { afterEach, expect, test, vi } from 'vitest'
import { LogWatch } from './log-watch.ts'

const stays = new AbortController().signal
afterEach(() => vi.useRealTimers())

test('all partitions wait by one look at a time, which become rarer while nothing comes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
  let looks = 0
  const ends = Array.from({ length: 256 }, () => 5)
  const log = {
    ends: async () => {
      looks++
      return ends
    },
  }
  const watch = new LogWatch(log, { pollEveryMs: 25, idlePollEveryMs: 250 })
  const over: number[] = []
  const inVain: number[] = []
  const waits = ends.map(async (_, partition) => {
    const moved = await watch.wait(partition, 5, 60_000, stays)
    if (moved) over.push(partition)
    else inVain.push(partition)
  })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(over).toEqual([])
  expect(looks).toBeGreaterThan(30)
  expect(looks).toBeLessThan(60)
  ends[7] = 6
  ends[9] = 4
  await vi.advanceTimersByTimeAsync(250)
  expect(over).toEqual([7, 9])
  await vi.advanceTimersByTimeAsync(60_000)
  await Promise.all(waits)
  expect([over, inVain.length]).toEqual([[7, 9], 254])
  const before = looks
  await vi.advanceTimersByTimeAsync(10_000)
  expect(looks).toBe(before)
})

test('a wait ends when its partition is lost, or the log cannot be read', async () => {
  const lost = new AbortController()
  let fails = false
  const log = { ends: async () => (fails ? Promise.reject(new Error('away')) : [0]) }
  const watch = new LogWatch(log, { pollEveryMs: 1, idlePollEveryMs: 1 })
  const leaves = watch.wait(0, 0, 60_000, lost.signal)
  lost.abort()
  expect(await leaves).toBe(true)
  const waits = watch.wait(0, 0, 60_000, stays)
  fails = true
  // Whoever reads it finds out why.
  expect(await waits).toBe(true)
})

test('records gather until there are enough, or the time is over', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const ends = [10, 10]
  const watch = new LogWatch({ ends: async () => ends }, { pollEveryMs: 25, idlePollEveryMs: 250 })
  const said: [string, boolean][] = []
  const gather = (name: string, partition: number, msMax: number): void => {
    void watch.gather(partition, 10, 100, msMax, stays).then((enough) => said.push([name, enough]))
  }
  gather('few', 0, 5_000)
  gather('many', 1, 60_000)
  ends[0] = 109
  await vi.advanceTimersByTimeAsync(4_999)
  expect(said).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  // On time, not at the next read of the ends.
  expect(said).toEqual([['few', false]])
  ends[1] = 110
  await vi.advanceTimersByTimeAsync(250)
  expect(said).toEqual([
    ['few', false],
    ['many', true],
  ])
  // If the log ends earlier, the owner reads it and reports why.
  gather('less', 1, 60_000)
  ends[1] = 9
  await vi.advanceTimersByTimeAsync(250)
  expect(said.at(-1)).toEqual(['less', true])
})

test('a log that is not looked at is read when the time is over', async () => {
  const watch = new LogWatch({}, { pollEveryMs: 1, idlePollEveryMs: 1 })
  expect(await watch.gather(0, 0, 100, 5, stays)).toBe(true)
})
