import { beforeEach, describe, expect, test } from 'vitest'
import { publishEmpty } from '#batch-layer/empty-generation-fixture.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { recordVerification } from './record-verification.ts'
import { FULL_RUN_OTHERS_MS, minuteOf, unprovedSlice, unverifiedFull, VerifyTurns } from './verify-turns.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let lake: MemoryLake
let elapsedMs: number
let free: boolean
let tried: number
let gaveUp: boolean
let turns: VerifyTurns

beforeEach(async () => {
  lake = new MemoryLake({ dataset: 'd' })
  ;[elapsedMs, free, tried, gaveUp] = [1_000, true, 0, false]
  turns = open()
  await publishEmpty(lake, 'full', 5, 5)
})

function open(): VerifyTurns {
  const verify = async (): Promise<void> => {
    tried++
    if (gaveUp) return
    const { id } = (await lake.current())!
    await recordVerification(lake, { equal: true, generation: id, tookMs: 2 }, () => 7)
  }
  return new VerifyTurns({
    due: () => unverifiedFull(lake),
    othersMsMax: FULL_RUN_OTHERS_MS,
    verify,
    isFree: () => free,
    elapsed: () => elapsedMs,
  })
}

/** Looks every minute. @returns how often it verified meanwhile */
async function pass(ms: number): Promise<number> {
  const before = tried
  for (const end = elapsedMs + ms; elapsedMs < end; ) {
    elapsedMs += MINUTE_MS
    await turns.look()
  }
  return tried - before
}

test('a full run is verified at once, and that once', async () => {
  await turns.afterFull()
  expect(await lake.verification()).toEqual({
    atMs: 7,
    equal: true,
    generation: 'g000001',
    fullFinishedAtMs: 5,
    wholeSinceMs: 5,
  })
  expect(tried).toBe(1)
  expect(await pass(24 * HOUR_MS)).toBe(0)
})

test('one that was given up is tried again long before the next night, ever more rarely, until it succeeds', async () => {
  gaveUp = true
  await turns.afterFull()
  expect(await pass(4 * MINUTE_MS)).toBe(0)
  expect(await pass(MINUTE_MS)).toBe(1)
  expect(await pass(10 * MINUTE_MS)).toBe(1)
  expect(await pass(24 * HOUR_MS)).toBeLessThan(26)
  gaveUp = false
  expect(await pass(HOUR_MS)).toBe(1)
  expect(await pass(24 * HOUR_MS)).toBe(0)
})

test('what a process that ended left unverified is verified by the next one, or by another, after an hour', async () => {
  turns = open()
  expect(await pass(59 * MINUTE_MS)).toBe(0)
  expect(await pass(2 * MINUTE_MS)).toBe(1)
  expect(await pass(24 * HOUR_MS)).toBe(0)
})

test('an incremental generation needs no verification of its own', async () => {
  await turns.afterFull()
  await publishEmpty(lake, 'incremental', 9, 5)
  expect(await pass(24 * HOUR_MS)).toBe(0)
})

test('it waits while a batch run is going on', async () => {
  gaveUp = true
  await turns.afterFull()
  free = false
  expect(await pass(24 * HOUR_MS)).toBe(0)
  free = true
  expect(await pass(MINUTE_MS)).toBe(1)
})

test('after a stop nothing is verified', async () => {
  gaveUp = true
  await turns.afterFull()
  await turns.stop()
  expect(await pass(24 * HOUR_MS)).toBe(0)
})

describe('slices of history', () => {
  const NIGHTLY = '0 2 * * *'
  const twoOClock = Date.UTC(2026, 0, 5, 2)
  const begins = twoOClock + minuteOf('d') * MINUTE_MS

  function proved(sliceAtMs: number): Promise<void> {
    const proof = { startedAtMs: 0, nights: 14, done: 1, comparedBeforeMs: 0, cutBy: 'v1', sliceAtMs }
    return lake.recordVerification({ atMs: 7, equal: true, generation: null, fullFinishedAtMs: null, proof })
  }

  test('one is due each night, some minutes after the time of the pattern, until it was proved', async () => {
    expect(await unprovedSlice(lake, NIGHTLY, begins)).toBe(twoOClock)
    await proved(begins - MINUTE_MS)
    expect(await unprovedSlice(lake, NIGHTLY, begins - 1)).toBeNull()
    expect(await unprovedSlice(lake, NIGHTLY, begins)).toBe(twoOClock)
    await proved(begins + MINUTE_MS)
    expect(await unprovedSlice(lake, NIGHTLY, begins + HOUR_MS)).toBeNull()
    expect(await unprovedSlice(lake, NIGHTLY, begins + 24 * HOUR_MS)).toBe(twoOClock + 24 * HOUR_MS)
  })

  test('one that was proved under a clock that was ahead is proved again', async () => {
    await proved(begins + 24 * HOUR_MS)
    expect(await unprovedSlice(lake, NIGHTLY, begins + HOUR_MS)).toBe(twoOClock)
  })

  test('it begins at once, and one that failed is tried again', async () => {
    let nowMs = begins + HOUR_MS
    const verify = async (): Promise<void> => {
      tried++
      if (!gaveUp) await proved(nowMs)
    }
    gaveUp = true
    turns = new VerifyTurns({
      due: () => unprovedSlice(lake, NIGHTLY, nowMs),
      verify,
      isFree: () => free,
      elapsed: () => elapsedMs,
    })
    expect(await pass(MINUTE_MS)).toBe(1)
    expect(await pass(5 * MINUTE_MS)).toBe(1)
    gaveUp = false
    expect(await pass(HOUR_MS)).toBe(1)
    nowMs += 24 * HOUR_MS
    expect(await pass(2 * HOUR_MS)).toBe(1)
  })

  test('datasets have minutes of their own', () => {
    const minutes = ['flights', 'meetup_rsvps', 'stock_quotes', 'course_clicks'].map(minuteOf)
    expect(new Set(minutes).size).toBe(minutes.length)
    expect(minutes.every((minute) => minute >= 0 && minute < 60)).toBe(true)
  })
})
