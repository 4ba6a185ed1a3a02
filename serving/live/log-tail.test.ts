/** What following the log asks of it, counted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { DEFAULT_LIVE_LIMITS } from './live-limits.ts'
import { LogTail, type TailRows } from './log-tail.ts'

const PARTITIONS = 256
const folder = mkdtempSync(join(tmpdir(), 'watershed-tail-'))
const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: PARTITIONS })
afterAll(async () => {
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a refresh asks the log once for all partitions, and reads only those that have something new', async () => {
  const asked: string[] = []
  const counting = {
    ends: () => {
      asked.push('ends')
      return log.ends()
    },
    range: (partition: number) => {
      asked.push(`range ${partition}`)
      return log.range(partition)
    },
    read: (...words: Parameters<SqliteLog['read']>) => {
      asked.push(`read ${words[0]}`)
      return log.read(...words)
    },
  }
  const appended: RecordBatch[] = []
  const rows: TailRows = {
    append: async (batches) => void appended.push(...batches),
    drop: async () => {},
    counts: () => ({ rows: 0, deadLetters: 0, lateRows: 0 }),
  }
  const tail = new LogTail(counting, rows, DEFAULT_LIVE_LIMITS)
  await tail.follow(new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, 0])))
  expect(await tail.advance()).toBe(false)
  expect(asked.splice(0)).toEqual(['ends'])
  expect(tail.places().every(({ logEnd, asOfMs }) => logEnd === 0 && asOfMs !== null)).toBe(true)

  await log.append([{ partition: 77, lines: Buffer.from('{}\n{}\n'), count: 2 }])
  expect(await tail.advance()).toBe(true)
  expect(asked.splice(0)).toEqual(['ends', 'range 77', 'read 77'])
  expect(appended.map(({ partition, count }) => [partition, count])).toEqual([[77, 2]])
  expect(await tail.advance()).toBe(false)
  expect(asked).toEqual(['ends'])
})

test('segments that closed at the same moment are dropped together', async () => {
  const dropped: (readonly [number, number])[][] = []
  const rows: TailRows = {
    append: async () => {},
    drop: async (before) => void dropped.push([...before]),
    counts: () => ({ rows: 0, deadLetters: 0, lateRows: 0 }),
  }
  const tail = new LogTail(log, rows, DEFAULT_LIVE_LIMITS)
  await log.append([1, 2, 3].map((partition) => ({ partition, lines: Buffer.from('{}\n{}\n{}\n'), count: 3 })))
  const follow = (...ends: number[]): Promise<void> => tail.follow(new Map(ends.map((end, at) => [at + 1, end])))
  await follow(0, 0, 0)
  await tail.advance()
  await follow(1, 0, 3)
  expect(dropped).toEqual([
    [
      [1, 1],
      [3, 3],
    ],
  ])
  expect(tail.places().map(({ start, end }) => [start, end])).toEqual([
    [1, 3],
    [0, 3],
    [3, 3],
  ])
})

test('it is behind while the log, as last looked at, holds more than was read', async () => {
  const rows: TailRows = {
    append: async () => {},
    drop: async () => {},
    counts: () => ({ rows: 0, deadLetters: 0, lateRows: 0 }),
  }
  const tail = new LogTail(log, rows, { ...DEFAULT_LIVE_LIMITS, refreshRecordsMax: 1 })
  await log.append([{ partition: 9, lines: Buffer.from('{}\n{}\n'), count: 2 }])
  await tail.follow(new Map([[9, 0]]))
  await tail.advance()
  expect([tail.places()[0]!.end, tail.isBehind]).toEqual([1, true])
  await tail.advance()
  expect([tail.places()[0]!.end, tail.isBehind]).toEqual([2, false])
})

test('a slow read keeps the last known state of its partition; after four seconds the log counts as unreadable', async () => {
  const rows: TailRows = {
    append: async () => {},
    drop: async () => {},
    counts: () => ({ rows: 0, deadLetters: 0, lateRows: 0 }),
  }
  let read = (...words: Parameters<SqliteLog['read']>): ReturnType<SqliteLog['read']> => log.read(...words)
  const slow = {
    ends: () => log.ends(),
    range: (at: number) => log.range(at),
    read: (...words: Parameters<typeof read>) => read(...words),
  }
  const tail = new LogTail(slow, rows, DEFAULT_LIVE_LIMITS)
  const add = () => log.append([{ partition: 11, lines: Buffer.from('{}\n{}\n'), count: 2 }])
  await add()
  await tail.follow(new Map([[11, 0]]))
  await tail.advance()
  const seen = tail.places()
  expect(seen).toMatchObject([{ end: 2, logEnd: 2 }])
  const answers = Promise.withResolvers<void>()
  read = async (...words) => {
    await answers.promise
    return log.read(...words)
  }
  await add()
  expect(await tail.advance()).toBe(false)
  expect(tail.places()).toEqual(seen)
  // A closed segment proves that the log reaches its end.
  await tail.follow(new Map([[11, 4]]))
  expect(tail.places()).toMatchObject([{ start: 4, end: 4, logEnd: 4 }])
  await tail.follow(new Map([[11, 2]]))
  const later = performance.now() + 5_000
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => later)
  expect(await tail.advance()).toBe(false)
  clock.mockRestore()
  expect(tail.places()).toMatchObject([{ end: 2, logEnd: null }])
  answers.resolve()
  expect(await tail.advance()).toBe(true)
  expect(tail.places()).toMatchObject([{ end: 4, logEnd: 4 }])
})
