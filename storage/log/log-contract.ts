/** What every driver of the log must do; each driver's test calls this with a way to make one. */
import { afterEach, expect, test } from 'vitest'
import { type AppendBatch, type EventLog, LogRangeError } from './event-log.ts'

export function lines(partition: number, ...texts: readonly string[]): AppendBatch {
  return { partition, lines: Buffer.from(texts.map((text) => `${text}\n`).join('')), count: texts.length }
}

const LIMITS = { bytesMax: 1_000_000, recordsMax: 1_000 }

export function logContract(make: () => Promise<EventLog>): void {
  const opened: EventLog[] = []
  const open = async (): Promise<EventLog> => {
    const log = await make()
    opened.push(log)
    return log
  }
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close()
  })

  test('gives back the bytes that were appended, in order, under contiguous offsets', async () => {
    const log = await open()
    const texts = ['{"a":1}', '{"name":"Zoë 😀"}', 'broken {', '"\\u0000"']
    expect(await log.append([lines(1, ...texts), lines(0, '{}')])).toEqual([
      { partition: 1, start: 0, end: 4 },
      { partition: 0, start: 0, end: 1 },
    ])
    const batch = (await log.read(1, 0, LIMITS))!
    expect(batch.lines.toString()).toBe(`${texts.join('\n')}\n`)
    expect([batch.start, batch.end, batch.count, batch.partition]).toEqual([0, 4, 4, 1])
    expect(await log.read(1, 4, LIMITS)).toBeNull()
  })

  test('reads from the middle of what was appended together, and stops at its limits', async () => {
    const log = await open()
    await log.append([lines(0, ...Array.from({ length: 50 }, (_, i) => `{"i":${i}}`))])
    await log.append([lines(0, '{"i":50}')])
    const some = (await log.read(0, 7, { bytesMax: 1_000_000, recordsMax: 5 }))!
    expect(some.lines.toString()).toBe([7, 8, 9, 10, 11].map((i) => `{"i":${i}}\n`).join(''))
    expect(some.end).toBe(12)
    const tight = (await log.read(0, 12, { bytesMax: 1, recordsMax: 5 }))!
    expect([tight.start, tight.end]).toEqual([12, 13])
    const rest = (await log.read(0, 13, LIMITS))!
    expect(rest.end).toBe(51)
    expect(rest.arrivals.reduce((sum, run) => sum + run.count, 0)).toBe(38)
  })

  test('gives concurrent appends ranges of their own', async () => {
    const log = await open()
    const ranges = (
      await Promise.all(Array.from({ length: 200 }, (_, i) => log.append([lines(0, `{"i":${i}}`, `{"i":${i}}`)])))
    ).flat()
    const starts = ranges.map((range) => range.start).sort((a, b) => a - b)
    expect(starts).toEqual(Array.from({ length: 200 }, (_, i) => i * 2))
    for (const [i, range] of ranges.entries()) {
      const batch = (await log.read(0, range.start, { bytesMax: 1_000_000, recordsMax: 2 }))!
      expect(batch.lines.toString()).toBe(`{"i":${i}}\n{"i":${i}}\n`)
    }
  })

  test('refuses what would break the order: blank lines, wrong counts, unknown partitions', async () => {
    const log = await open()
    await expect(log.append([{ partition: 0, lines: Buffer.from('{}\n \t\n'), count: 2 }])).rejects.toThrow(/blank/)
    await expect(log.append([{ partition: 0, lines: Buffer.from('{}\n'), count: 2 }])).rejects.toThrow(/announced/)
    await expect(log.append([{ partition: 0, lines: Buffer.from('{}'), count: 1 }])).rejects.toThrow(/line end/)
    await expect(log.append([lines(99, '{}')])).rejects.toThrow(/partition 99/)
    expect((await log.range(0)).end).toBe(0)
  })

  test('trims only before the given offset, and says where it starts then', async () => {
    const log = await open()
    for (let i = 0; i < 5; i++) await log.append([lines(0, `{"i":${i}}`, '{}')])
    const start = await log.trim(0, 5, Date.now() + 60_000)
    expect(start).toBeLessThanOrEqual(5)
    expect(start).toBeGreaterThan(0)
    await expect(log.read(0, 0, LIMITS)).rejects.toThrow(LogRangeError)
    expect((await log.read(0, 5, LIMITS))!.lines.toString()).toMatch(/^\{\}\n\{"i":3\}/)
    expect((await log.range(0)).start).toBe(start)
    expect(await log.trim(0, 9, 0)).toBe(start)
    await expect(log.read(0, 11, LIMITS)).rejects.toThrow(LogRangeError)
  })
}
