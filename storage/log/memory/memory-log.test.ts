import { expect, test } from 'vitest'
import { LogRangeError } from '../event-log.ts'
import { LIMITS, lines } from '../log-contract.ts'
import { MemoryLog, memoryLogRecords } from './memory-log.ts'

const open = (records = memoryLogRecords({ partitions: 2 })) => new MemoryLog({ records })

test('holes are inside the ranges, and each record has its own offset', async () => {
  const log = open()
  log.skip(0, 2)
  await log.append([lines(0, 'a', 'b')])
  log.skip(0, 3)
  await log.append([lines(0, 'c')])
  log.skip(0, 1)
  expect(await log.range(0)).toEqual({ partition: 0, start: 0, end: 9 })
  const all = (await log.read(0, 0, LIMITS))!
  expect([all.start, all.end, all.count, [...all.offsets!]]).toEqual([0, 9, 3, [2, 3, 7]])
  const middle = (await log.read(0, 3, { bytesMax: 99, recordsMax: 1 }))!
  expect([middle.start, middle.end, middle.lines.toString(), [...middle.offsets!]]).toEqual([3, 7, 'b\n', [3]])
  const plain = (await log.read(0, 2, { bytesMax: 99, recordsMax: 1 }))!
  expect([plain.start, plain.end, plain.offsets]).toEqual([2, 3, null])
  expect(await log.read(0, 8, LIMITS)).toMatchObject({ start: 8, end: 9, count: 0 })
  expect(await log.read(0, 9, LIMITS)).toBeNull()
})

test('retention that overtakes a reader is told as a range error', async () => {
  const log = open()
  await log.append([lines(0, 'a', 'b', 'c')])
  log.dropBefore(0, 2)
  await expect(log.read(0, 1, LIMITS)).rejects.toThrow(LogRangeError)
  expect((await log.read(0, 2, LIMITS))!.lines.toString()).toBe('c\n')
})

test('re-created, it is another log that begins at 0', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const before = open(records)
  await before.append([lines(1, 'a')])
  before.recreate()
  const after = open(records)
  expect(after.identity).not.toBe(before.identity)
  expect(await after.range(1)).toEqual({ partition: 1, start: 0, end: 0 })
})

test('dies between two effects: nothing before the commit, everything after it', async () => {
  for (const [step, end] of [
    ['append:before-commit', 0],
    ['append:committed', 2],
  ] as const) {
    const records = memoryLogRecords({ partitions: 2 })
    const dying = new MemoryLog({
      records,
      step: (name) => {
        if (name === step) throw new Error('killed')
      },
    })
    await expect(dying.append([lines(0, 'a'), lines(0, 'b')])).rejects.toThrow('killed')
    expect((await open(records).range(0)).end).toBe(end)
  }
})
