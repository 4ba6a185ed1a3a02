/** Which logs are kept from getting events, and when they are looked at. */
import { beforeEach, expect, test } from 'vitest'
import { emptySegment } from '../lake/lake-contract-fixture.ts'
import { MemoryLog, memoryLogRecords } from '../log/memory/memory-log.ts'
import { lastPrint } from '../log/record-prints.ts'
import { LakeError } from './lake-error.ts'
import { LogGuard } from './log-guard.ts'
import { MemoryLake } from './memory/memory-lake.ts'

const LOOKED_AGAIN_MS = 1_000

let lake: MemoryLake
let log: MemoryLog
let nowMs: number
let guard: LogGuard
beforeEach(async () => {
  nowMs = 0
  lake = new MemoryLake({ dataset: 'd' })
  log = new MemoryLog({ records: memoryLogRecords({ partitions: 2, dataset: 'd' }) })
  guard = new LogGuard({ dataset: 'd', log, lake, clock: () => nowMs })
  await append(10)
})

async function append(count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, index) => `${index}\n`).join('')
  await log.append([{ partition: 1, lines: Buffer.from(lines), count }])
}

/** The lake counts everything that the log holds. */
async function count(): Promise<void> {
  const { end } = await log.range(1)
  const last = lastPrint((await log.read(1, 0, { recordsMax: end, bytesMax: 1_000_000 }))!)!
  const gap = { ...emptySegment(1, 0, end), dataset: 'd', log: log.identity, kind: 'gap' as const }
  await lake.commitSegment({ ...gap, last })
}

test('a log that agrees is looked at once, and then only for refusals, once a second', async () => {
  await count()
  await guard.assertHolds()
  let [ranges, looks] = [0, 0]
  const range: MemoryLog['range'] = (partition) => {
    ranges++
    return log.range(partition)
  }
  const refusals: MemoryLake['refusals'] = () => {
    looks++
    return lake.refusals()
  }
  const read: MemoryLog['read'] = (...asked) => log.read(...asked)
  const seen = { log: { partitions: 2, range, read }, lake: { chains: () => lake.chains(2), refusals } }
  const counting = new LogGuard({ dataset: 'd', ...seen, clock: () => nowMs })
  log.dropBefore(1, 10)
  await counting.assertHolds()
  expect([ranges, looks]).toEqual([3, 1])
  for (let times = 0; times < 5; times++) await counting.assertHolds()
  expect([ranges, looks]).toEqual([3, 1])
  nowMs += LOOKED_AGAIN_MS
  await counting.assertHolds()
  expect([ranges, looks]).toEqual([3, 2])
  await lake.refuse({ partition: 0, why: 'it was cut', atMs: 1 })
  await counting.assertHolds()
  nowMs += LOOKED_AGAIN_MS
  await expect(counting.assertHolds()).rejects.toThrow(/partition 0: the log was refused before.*it was cut.*doctor/)
  await lake.liftRefusal(0)
  nowMs += LOOKED_AGAIN_MS
  await counting.assertHolds()
  expect(counting.refusal).toBeNull()
})

test('a log that ends before the lake is refused as long as it does', async () => {
  await count()
  log.cut(1, 7)
  await expect(guard.assertHolds()).rejects.toMatchObject({ name: 'LogLossError' })
  expect(guard.refusal).toMatch(/the lake ends at offset 10, but the log ends at offset 7/)
  await log.moveRecords(1, 7, 10)
  nowMs += LOOKED_AGAIN_MS
  await guard.assertHolds()
})

test('a log that has grown again is refused by its content', async () => {
  await count()
  log.cut(1, 7)
  await append(9)
  await expect(guard.assertHolds()).rejects.toThrow(/the log's record at offset 9 is not the one that was counted/)
})

test('a lake that cannot be read keeps no event out', async () => {
  const chains = async () => {
    throw new LakeError('manifest-damaged', 'torn')
  }
  const blind = new LogGuard({ dataset: 'd', log, lake: { chains, refusals: () => lake.refusals() } })
  await blind.assertHolds()
  expect(blind.refusal).toBeNull()
})

test('a lake that stops answering delays one append for a while, and no other', async () => {
  await count()
  let [looks, waits] = [0, 0]
  const hanging = Promise.withResolvers<Awaited<ReturnType<MemoryLake['refusals']>>>()
  const refusals: MemoryLake['refusals'] = () => (looks++ === 0 ? lake.refusals() : hanging.promise)
  const parts = { dataset: 'd', log, lake: { chains: () => lake.chains(2), refusals }, clock: () => nowMs }
  const own = new LogGuard({ ...parts, lookMsMax: 20 })
  await own.assertHolds()
  nowMs += LOOKED_AGAIN_MS
  await own.assertHolds()
  for (; waits < 5; waits++) await own.assertHolds()
  expect([looks, waits]).toEqual([2, 5])
  // What it says at last counts.
  await lake.refuse({ partition: 0, why: 'it was cut', atMs: 1 })
  hanging.resolve(await lake.refusals())
  await expect.poll(() => own.refusal).toContain('it was cut')
  await expect(own.assertHolds()).rejects.toThrow('it was cut')
})
