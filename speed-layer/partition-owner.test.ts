/** When an owner flushes, closes and cleans up, while the clock of its machine is set. */
import { beforeEach, expect, test } from 'vitest'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { OffsetFold } from '#tests/simulation/offset-fold.ts'
import { ClosedSegmentSweep } from './closed-segment-sweep.ts'
import { PartitionOwner } from './partition-owner.ts'
import { DEFAULT_STREAM_LIMITS } from './stream-limits.ts'

const HOUR_MS = 3_600_000
const limits = {
  ...DEFAULT_STREAM_LIMITS,
  flushEveryMs: 700,
  segmentAgeMsMax: 60_000,
  readerGraceMs: 60_000,
  slowSegmentRecordsMin: 50,
}

let clockMs: number
let elapsedMs: number
let log: MemoryLog
let store: MemorySpeedStore
let owner: PartitionOwner

beforeEach(async () => {
  clockMs = 1_700_000_000_000
  elapsedMs = 5_000
  const times = { clock: () => clockMs, elapsed: () => elapsedMs }
  const lake = new MemoryLake({ dataset: 'd' })
  log = new MemoryLog({ records: memoryLogRecords({ partitions: 1, dataset: 'd' }), clock: times.clock })
  store = new MemorySpeedStore()
  const fold = new OffsetFold(lake, 0, log.identity, async () => {})
  owner = new PartitionOwner({ dataset: 'd', partition: 0, log, lake, store, fold, limits, emit: silent, ...times })
  await owner.open()
  await log.append([{ partition: 0, lines: Buffer.from('{"k":"a"}\n'), count: 1 }])
  await owner.fill()
  await owner.flush()
})

/** Something that the last flush does not count. */
async function readMore(): Promise<void> {
  await log.append([{ partition: 0, lines: Buffer.from('{"k":"b"}\n'), count: 1 }])
  await owner.fill()
}

test('without new records only the marker is written, and rarely', async () => {
  elapsedMs += 9_999
  expect([owner.flushDue, owner.flushDueInMs]).toEqual([false, 1])
  elapsedMs += 1
  expect(owner.flushDue).toBe(true)
  await owner.flush()
  await readMore()
  expect(owner.flushDueInMs).toBe(700)
})

test('a clock that is set back by an hour does not delay the next flush, whose marker has the new time', async () => {
  await readMore()
  clockMs -= HOUR_MS
  elapsedMs += 700
  expect([owner.flushDue, owner.flushDueInMs]).toEqual([true, 0])
  await owner.flush()
  expect((await store.markers()).get(0)!.atMs).toBe(clockMs)
})

test('a clock that is set forward by an hour neither closes a young segment nor flushes early', async () => {
  await readMore()
  clockMs += HOUR_MS
  elapsedMs += 100
  expect([owner.closeDue, owner.flushDue, owner.flushDueInMs]).toEqual([false, false, 600])
})

test('an owner that was busy for long flushes rarely, until it has read all that came meanwhile', async () => {
  const { flush } = store
  store.flush = async (...flushed) => {
    elapsedMs += 1_500
    return flush.apply(store, flushed)
  }
  await readMore()
  elapsedMs += 700
  await owner.flush()
  await readMore()
  expect([owner.behind, owner.flushDueInMs]).toEqual([true, 8_500])
  await owner.fill()
  // Four times what the flush took, from its beginning on.
  expect([owner.behind, owner.flushDueInMs]).toEqual([false, 4_500])
})

test('an owner that keeps up lets what comes slowly gather, until a flush or the end of the segment is due', async () => {
  const { flush } = store
  store.flush = async (...flushed) => {
    elapsedMs += 6_000
    return flush.apply(store, flushed)
  }
  await owner.flush()
  const dueAfter = async (count: number): Promise<number> => {
    await log.append([{ partition: 0, lines: Buffer.from('{"k":"c"}\n'.repeat(count)), count }])
    elapsedMs += 1_000
    await owner.fill()
    return owner.readDueInMs
  }
  // First, what arrived during the flush. Then ten a second, which wait for the next flush; 4,000 a second, until 5,000 are there; and many more.
  await dueAfter(1)
  expect(await dueAfter(10)).toBe(owner.flushDueInMs)
  expect([await dueAfter(4_000), await dueAfter(20_000)]).toEqual([1_250, 350])
  elapsedMs += 50
  expect(owner.readDueInMs).toBe(300)
  elapsedMs = 5_000 + limits.segmentAgeMsMax - 7_010
  await owner.flush()
  expect(await dueAfter(10)).toBe(10)
})

test('however long a flush takes, the next one comes before its marker counts as too old', async () => {
  const { flush } = store
  store.flush = async (...flushed) => {
    elapsedMs += 60_000
    return flush.apply(store, flushed)
  }
  const began = elapsedMs
  await owner.flush()
  elapsedMs = began + 1_000
  await readMore()
  await readMore()
  expect(owner.flushDueInMs).toBe(limits.flushPauseMsMax - 1_000)
})

test('when a flush is due, a segment with many records that were never flushed closes instead', async () => {
  const append = (count: number) =>
    log.append([{ partition: 0, lines: Buffer.from('{"k":"c"}\n'.repeat(count)), count }])
  await append(limits.slowSegmentRecordsMin - 1)
  await owner.fill()
  elapsedMs += 700
  expect([owner.flushDue, owner.closeDue]).toEqual([true, false])
  await append(1)
  await owner.fill()
  expect([owner.flushDue, owner.closeDue]).toEqual([true, true])
  await owner.flush()
  elapsedMs += 10_000
  expect([owner.flushDue, owner.closeDue]).toEqual([true, false])
})

test('a segment closes at its age, wherever the clock is set', () => {
  clockMs -= HOUR_MS
  elapsedMs += 59_999
  expect(owner.closeDue).toBe(false)
  elapsedMs += 1
  expect(owner.closeDue).toBe(true)
})

test('partials of a closed segment are deleted after the grace of readers, wherever the clock is set', async () => {
  const deleted: number[] = []
  const deleteClosed = async (_partition: number, start: number): Promise<number> => {
    deleted.push(start)
    return 0
  }
  const times = { clock: () => clockMs, elapsed: () => elapsedMs }
  const watched = Object.assign(store, { deleteClosed })
  const sweep = new ClosedSegmentSweep({
    dataset: 'd',
    partition: 0,
    log,
    store: watched,
    limits,
    emit: silent,
    ...times,
  })
  sweep.closedUpTo(1)
  clockMs -= HOUR_MS
  elapsedMs += 59_999
  await sweep.run()
  expect(deleted).toEqual([])
  elapsedMs += 1
  await sweep.run()
  expect(deleted).toEqual([1])
})

test('where segments that close together share files, they close at common moments, by their age limit at the latest', async () => {
  const lake = Object.assign(new MemoryLake({ dataset: 'd' }), { sharesFiles: true })
  const times = { clock: () => clockMs, elapsed: () => elapsedMs }
  const closesAt = async (readAtMs: number): Promise<number> => {
    elapsedMs = readAtMs
    const fold = new OffsetFold(lake, 0, log.identity, async () => {})
    const one = new PartitionOwner({
      dataset: 'd',
      partition: 0,
      log,
      lake,
      store,
      fold,
      limits,
      emit: silent,
      ...times,
    })
    await one.open()
    await one.fill()
    const dueAtMs = readAtMs + one.closeDueInMs
    elapsedMs = dueAtMs - 1
    expect(one.closeDue).toBe(false)
    elapsedMs = dueAtMs
    expect(one.closeDue).toBe(true)
    return dueAtMs
  }
  const due = []
  for (const readAtMs of [5_000, 14_999, 15_000, 29_000, 75_001]) due.push(await closesAt(readAtMs))
  expect(due).toEqual([60_000, 60_000, 75_000, 75_000, 135_000])
})
