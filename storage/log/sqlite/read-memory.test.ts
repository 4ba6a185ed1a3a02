import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog, RecordBatch } from '../event-log.ts'
import { SqliteLog } from './sqlite-log.ts'

const LINES = 3_000
const LIMITS = { recordsMax: 1_000_000, bytesMax: 16 * 1024 * 1024, reused: true }

let folder: string
let log: SqliteLog
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'read-memory-'))
  log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 3 })
  // Several blocks each, and in the last partition few bytes.
  for (const [partition, lines] of contents.entries())
    for (const part of [lines, lines])
      await log.append([{ partition, lines: part, count: part.toString().split('\n').length - 1 }])
})
afterEach(async () => {
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

const contents = ['a', 'b'].map((letter) => Buffer.from(`{"v":"${letter.repeat(900)}"}\n`.repeat(LINES)))
contents.push(Buffer.from('{"v":"c"}\n'))

async function read(partition: number, from = 0, limits = LIMITS): Promise<RecordBatch> {
  return (await (log as EventLog).read(partition, from, limits))!
}

const twice = (partition: number): string => contents[partition]!.toString().repeat(2)

test('memory of a released batch holds the next one; of two batches in use each keeps its own', async () => {
  const first = await read(0)
  const second = await read(1)
  expect(first.lines.toString()).toBe(twice(0))
  expect(second.lines.toString()).toBe(twice(1))
  expect(first.lines.buffer).not.toBe(second.lines.buffer)
  first.release!()
  const third = await read(1)
  expect(third.lines.buffer).toBe(first.lines.buffer)
  expect(third.lines.toString()).toBe(twice(1))
  expect(second.lines.toString()).toBe(twice(1))
})

test('whatever the limits cut, the lines are those of the log', async () => {
  for (const bytesMax of [1, 1_000, 1_048_576, 1_500_000, 2_097_152, 4_000_001]) {
    const limits = { ...LIMITS, bytesMax }
    for (const partition of [0, 2]) {
      let text = ''
      for (let from = 0; text.length < 1_500_000 && from < (await log.range(partition)).end; ) {
        const batch = await read(partition, from, limits)
        expect(batch.lines.length).toBeLessThanOrEqual(Math.max(bytesMax, 911))
        text += batch.lines.toString()
        from = batch.end
        batch.release!()
        if (bytesMax < 1_000_000 && from > 20) break
      }
      expect(text.length).toBeGreaterThan(0)
      expect(twice(partition).startsWith(text)).toBe(true)
    }
  }
})

test('small batches, and those of readers that do not give memory back, have memory of their own', async () => {
  const small = await read(2)
  expect(small.lines.buffer).toBeInstanceOf(ArrayBuffer)
  const own = (await log.read(0, 0, { ...LIMITS, reused: false }))!
  expect(own.lines.buffer).toBeInstanceOf(ArrayBuffer)
  const text = own.lines.toString()
  expect(text).toBe(twice(0))
  own.release!()
  expect(own.lines.length).toBe(0)
})
