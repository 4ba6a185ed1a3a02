/** A log that went back under the open segment: seen, explained, and repaired or refused. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { examine, repair } from '#runtime/health/doctor.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { disagreements } from '#verification/disagreements.ts'
import { copyOf, RestoredParts, refused } from './restored-parts-fixture.ts'

let site: RestoredParts
beforeEach(async () => {
  site = await RestoredParts.start()
})
afterEach(() => site.stop())

test('parts that fit have nothing to repair', async () => {
  await site.append(50)
  await site.streamUntil(site.countedAll)
  await site.generation()
  expect(await repair(site.open)).toMatchObject({ well: true, repairs: [] })
  expect(await site.counted()).toBe(50)
})

test('a log that went back under the open segment: the owner refuses, the repair counts what is left', async () => {
  await site.append(45)
  let restore = (): void => {}
  await site.whileClosed(() => {
    restore = copyOf(site.log())
  })
  await site.append(13)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(restore)
  await site.append(3)
  expect((await site.open.log.range(0)).end).toBe(48)
  await site.streamUntil(refused)

  const before = await examine(site.open)
  expect(before.well).toBe(false)
  const finding = before.findings.find(({ message }) => message.includes('lost its newest records'))!
  expect(finding.message).toMatch(/\[40, 58\) are counted, but the log ends at offset 48/)
  expect(finding.advice).toMatch(/doctor --repair/)
  const after = await repair(site.open)
  expect(after.repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  expect(after.repairs![0]!.message).toMatch(/replays the log from offset 40/)
  expect((await repair(site.open)).repairs).toEqual([])
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
})

test('a log that goes back under a running owner: nothing of it is landed, and it stays refused when the log grows again', async () => {
  for (const count of [45, 3, 10]) await site.append(count)
  let [cut, grown] = [false, false]
  await site.streamUntil(async (events) => {
    if (!cut) {
      await site.countedAll()
      site.cutLog(48)
      cut = true
    }
    const refusals = events.filter(({ name }) => name === 'stream-refused').length
    if (refusals > 0 && !grown) {
      await site.append(30)
      grown = true
    }
    expect(refusals).toBeGreaterThan(8)
  })
  expect((await site.open.log.range(0)).end).toBeGreaterThan(58)
  expect(await site.lakeEnd()).toBe(40)
  await expect(takeSnapshot(site.open)).rejects.toThrow(/watershed doctor/)
  expect((await repair(site.open)).repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
})

test('a log that went back: no segment closes before the owner has looked', async () => {
  for (const count of [45, 3, 10]) await site.append(count)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(() => site.cutLog(48))
  await site.streamUntil(refused, { segmentRecordsMax: 4, flushEveryMs: 60_000, flushBehindEveryMs: 60_000 })
  expect(await site.lakeEnd()).toBe(40)
})

test('a log that was replaced is not folded again in place of the one that lost records', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  await site.whileClosed(() => site.cutLog(40))
  const range = (partition: number) => site.open.log.range(partition)
  const read: EventLog['read'] = (...asked) => site.open.log.read(...asked)
  const countedArrivals = async () => new Map()
  const [found] = await disagreements({ ...site.open, log: { identity: 'another', range, read }, countedArrivals })
  expect(found).toMatchObject({ part: 'speed store', repair: null })
  expect(found!.advice).toMatch(/not repaired: the lake's segments belong to log .*, but this log is another/)
})

test('partials of records that the log no longer holds are not counted, however long it is', async () => {
  await site.append(25)
  let restore = (): void => {}
  await site.whileClosed(() => {
    restore = copyOf(site.log())
  })
  await site.append(10)
  await site.streamUntil(site.countedAll)
  expect(await site.counted()).toBe(35)
  await site.whileClosed(restore)
  await site.append(50)
  await expect(takeSnapshot(site.open)).rejects.toThrow(
    /the log's record at offset 34 is not the one that was counted in the open segment/,
  )
  await site.streamUntil(refused)
  expect(await site.lakeEnd()).toBe(20)
  expect((await repair(site.open)).repairs).toMatchObject([{ part: 'speed store', outcome: 'repaired' }])
  await site.streamUntil(site.countedAll)
  expect(await site.counted()).toBe(75)
  expect(await site.equal()).toBe(true)
})

test('a repair that died half way is found and made again, and no answer is given in between', async () => {
  await site.append(45)
  await site.streamUntil(site.countedAll)
  const marker = (await site.open.store.markers()).get(0)!
  // What a repair leaves that dies behind its first step.
  await site.open.store.flush([], { ...marker, segmentStart: 46, through: Number.MAX_SAFE_INTEGER, views: [] })
  await expect(takeSnapshot(site.open)).rejects.toThrow(/watershed doctor/)
  await site.streamUntil(refused)
  expect((await examine(site.open)).findings.map(({ message }) => message)).toContain(
    'partition 0: the log lost records while a stream role was running, or a repair was interrupted',
  )
  expect((await repair(site.open)).repairs).toMatchObject([{ outcome: 'repaired' }])
  await site.streamUntil(site.countedAll)
  expect(await site.equal()).toBe(true)
})
