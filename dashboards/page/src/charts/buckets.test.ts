import { expect, test } from 'vitest'
import { fewBefore, finerGrain, isFilling, shownBuckets } from './buckets.ts'

const MINUTE = 60_000
const minutes = (...numbers: number[]): number[] => numbers.map((minute) => minute * MINUTE)
const weights = (...pairs: [minute: number, weight: number][]): ReadonlyMap<number, number> =>
  new Map(pairs.map(([minute, weight]) => [minute * MINUTE, weight]))
const shown = { grain: 'minute', stepMs: MINUTE, newest: null, fromMs: null, zero: true }

test('buckets without events are shown where they count as 0, and only there', () => {
  const times = minutes(7, 3, 4, 4)
  expect(shownBuckets({ ...shown, times })).toEqual(minutes(3, 4, 5, 6, 7))
  expect(shownBuckets({ ...shown, times, zero: false })).toEqual(minutes(3, 4, 7))
  expect(shownBuckets({ ...shown, times, newest: 2 })).toEqual(minutes(7))
  expect(shownBuckets({ ...shown, times, fromMs: 4 * MINUTE })).toEqual(minutes(4, 5, 6, 7))
  expect(shownBuckets({ ...shown, times, grain: 'day' })).toEqual(minutes(3, 4, 7))
})

test('a few late events of long before are left out, and how many they are is known', () => {
  const late = weights([1, 2], [40, 3], [98, 2], [114, 2_000], [115, 3_000], [116, 3_000], [117, 3_000], [118, 900])
  expect(fewBefore(late, MINUTE)).toEqual({ beforeMs: 114 * MINUTE, weight: 7 })
})

test('some buckets are shown before a single full one', () => {
  const started = weights([1, 1], [90, 1], [97, 1], [100, 900])
  expect(fewBefore(started, MINUTE)).toEqual({ beforeMs: 97 * MINUTE, weight: 2 })
  expect(fewBefore(started, MINUTE, 1)).toEqual({ beforeMs: 100 * MINUTE, weight: 3 })
})

test('nothing is left out where the events before are not few, or the chart is hardly shorter without them', () => {
  const even = weights(...Array.from({ length: 120 }, (_, minute): [number, number] => [minute, 10]))
  expect(fewBefore(even, MINUTE)).toBeNull()
  const busy = weights(
    ...Array.from({ length: 120 }, (_, minute): [number, number] => [minute, minute < 110 ? 5 : 500]),
  )
  expect(fewBefore(busy, MINUTE)).toBeNull()
  expect(fewBefore(weights([100, 1], [119, 900], [120, 900]), 10 * MINUTE)).toBeNull()
  expect(fewBefore(new Map(), MINUTE)).toBeNull()
})

test('a grain is finer while there are only a few buckets', () => {
  const grains = ['minute', 'hour', 'day']
  expect(finerGrain(grains, 'day', 1)).toBe('hour')
  expect(finerGrain(grains, 'hour', 2)).toBe('minute')
  expect([finerGrain(grains, 'day', 3), finerGrain(grains, 'day', 0), finerGrain(grains, 'minute', 1)]).toEqual([
    null,
    null,
    null,
  ])
})

test('a bucket is filling until it ends', () => {
  expect([0, MINUTE - 1, MINUTE].map((now) => isFilling(0, MINUTE, now))).toEqual([true, true, false])
  expect(isFilling(2 * MINUTE, MINUTE, MINUTE)).toBe(false)
  expect(isFilling(0, null, 0)).toBe(false)
})
