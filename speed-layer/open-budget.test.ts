/** What all partitions of a process hold stays within one budget, however many there are. */
import { expect, test } from 'vitest'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { OffsetFold } from '#tests/simulation/offset-fold.ts'
import { OpenBudget } from './open-budget.ts'
import { PartitionOwner } from './partition-owner.ts'
import { DEFAULT_STREAM_LIMITS } from './stream-limits.ts'

const RECORD = `${JSON.stringify({ k: 'a', text: 'x'.repeat(1_000) })}\n`
const RECORDS = 200

test.each([1, 4, 64])(
  '%i partitions read and hold no more than the budget, and count every record',
  async (partitions) => {
    const bytesMax = 400_000
    const budget = new OpenBudget(bytesMax)
    const lake = new MemoryLake({ dataset: 'd' })
    const log = new MemoryLog({ records: memoryLogRecords({ partitions, dataset: 'd' }) })
    const store = new MemorySpeedStore()
    const owners = Array.from({ length: partitions }, (_, partition) => {
      const fold = new OffsetFold(lake, partition, log.identity, async () => {})
      return new PartitionOwner({
        dataset: 'd',
        partition,
        log,
        lake,
        store,
        fold,
        limits: DEFAULT_STREAM_LIMITS,
        emit: silent,
        budget,
      })
    })
    for (const [partition, owner] of owners.entries()) {
      await owner.open()
      await log.append([{ partition, lines: Buffer.from(RECORD.repeat(RECORDS)), count: RECORDS }])
    }
    let most = 0
    for (let more = true; more; ) {
      const filled = await Promise.all(owners.map((owner) => owner.fill()))
      most = Math.max(most, budget.bytes)
      for (const owner of owners) if (owner.closeDue) await owner.close()
      more = filled.some(Boolean) || owners.some(({ position }) => position < RECORDS)
    }
    expect(most).toBeLessThanOrEqual(bytesMax + partitions * RECORD.length)
    expect(most).toBeGreaterThan(bytesMax / 4)
    expect(owners.map(({ position }) => position)).toEqual(owners.map(() => RECORDS))
    for (const owner of owners) {
      await owner.close()
      owner.giveUp()
    }
    expect((await lake.chains(partitions)).map(({ end }) => end)).toEqual(owners.map(() => RECORDS))
    expect(budget.bytes).toBe(0)
  },
)

test('the largest segment closes, the others stay open', () => {
  const budget = new OpenBudget(400)
  const [small, large] = [{}, {}]
  budget.hold(small, 100)
  budget.hold(large, 200)
  expect([budget.mustClose(small), budget.mustClose(large), budget.readBytesMax]).toEqual([false, false, 50])
  budget.hold(large, 201)
  expect([budget.mustClose(small), budget.mustClose(large)]).toEqual([false, true])
  budget.release(large)
  expect([budget.mustClose(small), budget.bytes, budget.readBytesMax]).toEqual([false, 100, 100])
})
