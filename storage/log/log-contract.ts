/** Contract suite of the log; log.test.ts runs it for every driver. */
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AppendBatch, type EventLog, LogRangeError, type RecordBatch } from './event-log.ts'
import { type LogHarness, logHandles } from './log-handles-fixture.ts'
import { lastPrint, recordsAt } from './record-prints.ts'

export const LIMITS = { bytesMax: 1_000_000, recordsMax: 1_000 }

export function lines(partition: number, ...texts: readonly string[]): AppendBatch {
  return { partition, lines: Buffer.from(texts.map((text) => `${text}\n`).join('')), count: texts.length }
}

/** Everything that a partition holds, read in steps. */
export async function readAll(log: EventLog, partition: number, limits = LIMITS): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  for (let from = (await log.range(partition)).start; ; from = batches.at(-1)!.end) {
    const batch = await log.read(partition, from, limits)
    if (batch === null) return batches
    expect([batch.partition, batch.start]).toEqual([partition, from])
    batches.push(batch)
  }
}

export function textOf(batches: readonly RecordBatch[]): string {
  return Buffer.concat(batches.map((batch) => batch.lines)).toString()
}

/** The texts of all records, partition after partition. */
export async function heldTexts(log: EventLog, partitions: number): Promise<string[]> {
  const texts: string[] = []
  for (let partition = 0; partition < partitions; partition++)
    texts.push(
      ...textOf(await readAll(log, partition))
        .split('\n')
        .slice(0, -1),
    )
  return texts
}

export function logContract(driver: string, make: () => Promise<LogHarness>): void {
  describe(driver, () => {
    const open = logHandles(make)

    test('gives back the bytes that were appended, in order, under contiguous offsets', async () => {
      const log = await open()
      const texts = ['{"a":1}', '{"name":"Zoë 😀"}', 'broken {', '"\\u0000"', '\u0000\u0007', '\u2028 \u0085']
      expect(await log.append([lines(1, ...texts), lines(0, '{}'), lines(1, 'more')])).toEqual([
        { partition: 1, start: 0, end: 6 },
        { partition: 0, start: 0, end: 1 },
        { partition: 1, start: 6, end: 7 },
      ])
      const batch = (await log.read(1, 0, LIMITS))!
      expect(batch.lines.toString()).toBe(`${texts.join('\n')}\nmore\n`)
      expect([batch.start, batch.end, batch.count, batch.partition]).toEqual([0, 7, 7, 1])
      expect(await log.read(1, 7, LIMITS)).toBeNull()
      expect(await log.append([])).toEqual([])
    })

    const byte = fc.integer({ min: 0, max: 255 }).map((value) => (value === 10 ? 11 : value))
    const line = fc.array(byte, { maxLength: 40 }).map((bytes) => Buffer.from([...bytes, 0x7d, 10]))
    test('any bytes, cut into any appends and read with any limits, come back equal', async () => {
      const log = await open()
      const appends = fc.array(fc.array(line, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 })
      const limits = fc.record({
        bytesMax: fc.integer({ min: 1, max: 300 }),
        recordsMax: fc.integer({ min: 1, max: 9 }),
      })
      await fc.assert(
        fc.asyncProperty(appends, limits, async (runs, tight) => {
          const from = (await log.range(2)).end
          for (const run of runs) await log.append([{ partition: 2, lines: Buffer.concat(run), count: run.length }])
          const wanted = runs.flat()
          const read: Buffer[] = []
          for (let at = from; ; ) {
            const batch = await log.read(2, at, tight)
            if (batch === null) break
            expect(batch.lines.filter((value) => value === 10)).toHaveLength(batch.count)
            expect(batch.arrivals.reduce((sum, run) => sum + run.count, 0)).toBe(batch.count)
            expect(batch.count).toBeLessThanOrEqual(tight.recordsMax)
            if (batch.count > 1) expect(batch.lines.length).toBeLessThanOrEqual(tight.bytesMax)
            read.push(batch.lines)
            at = batch.end
          }
          expect(Buffer.concat(read).equals(Buffer.concat(wanted))).toBe(true)
          expect((await log.range(2)).end).toBe(from + wanted.length)
        }),
        { numRuns: 40 },
      )
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
      const rest = await readAll(log, 0)
      expect(rest.at(-1)!.end).toBe(51)
    })

    test('stops before an offset, however many records that are', async () => {
      const log = await open()
      await log.append([lines(0, '0', '1', '2')])
      await log.append([lines(0, '3', '4')])
      const some = (await log.read(0, 1, { ...LIMITS, before: 4 }))!
      expect([some.start, some.end, some.lines.toString()]).toEqual([1, 4, '1\n2\n3\n'])
      expect(await log.read(0, 4, { ...LIMITS, before: 4 })).toBeNull()
      expect((await log.read(0, 4, { ...LIMITS, before: 99 }))!.lines.toString()).toBe('4\n')
    })

    test('does not use the appended bytes any more once append has resolved', async () => {
      const log = await open()
      const batch = lines(0, '{"a":1}', '{"a":2}')
      await log.append([batch])
      batch.lines.fill('x')
      expect(textOf(await readAll(log, 0))).toBe('{"a":1}\n{"a":2}\n')
    })

    test('keys go along and change nothing', async () => {
      const log = await open()
      const keyed = { ...lines(0, '{"k":"a"}', '{"k":"b"}'), keys: ['a', 'b'] }
      expect(await log.append([keyed])).toEqual([{ partition: 0, start: 0, end: 2 }])
      expect(textOf(await readAll(log, 0))).toBe('{"k":"a"}\n{"k":"b"}\n')
    })

    test('what was appended together and is taken in part ends the batch, also when the next record would fit', async () => {
      const log = await open()
      await log.append([lines(0, '1', `"${'x'.repeat(50)}"`)])
      await log.append([lines(0, '3')])
      const batch = (await log.read(0, 0, { bytesMax: 10, recordsMax: 100 }))!
      expect([batch.end, batch.lines.toString()]).toEqual([1, '1\n'])
    })

    test('says when the records came, by its own clock', async () => {
      const log = await open()
      const before = Date.now()
      await log.append([lines(0, '{}', '{}')])
      await log.append([lines(0, '{}')])
      const arrivals = (await readAll(log, 0)).flatMap((batch) => batch.arrivals)
      expect(arrivals.reduce((sum, run) => sum + run.count, 0)).toBe(3)
      for (const { atMs } of arrivals) {
        expect(atMs).toBeGreaterThanOrEqual(before)
        expect(atMs).toBeLessThanOrEqual(Date.now())
      }
    })

    test('gives concurrent appends ranges of their own, in the order of the calls', async () => {
      const log = await open()
      const ranges = (
        await Promise.all(Array.from({ length: 200 }, (_, i) => log.append([lines(0, `{"i":${i}}`, `{"i":${i}}`)])))
      ).flat()
      expect(ranges.map((range) => range.start)).toEqual(Array.from({ length: 200 }, (_, i) => i * 2))
      const wanted = Array.from({ length: 200 }, (_, i) => `{"i":${i}}\n{"i":${i}}\n`).join('')
      expect(textOf(await readAll(log, 0))).toBe(wanted)
    })

    test('the ends of all partitions are those of their ranges', async () => {
      const log = await open()
      if (log.ends === undefined) return
      await log.append([lines(1, '{"i":1}', '{"i":2}')])
      const partitions = Array.from({ length: log.partitions }, (_, partition) => partition)
      const ranges = await Promise.all(partitions.map((partition) => log.range(partition)))
      expect(await log.ends()).toEqual(ranges.map(({ end }) => end))
      expect(ranges[1]!.end).toBe(2)
    })

    test('several handles append at once; each acknowledged record is there once, for all of them', async () => {
      const handles = [await open(), await open(), await open()]
      expect(new Set(handles.map((log) => log.identity)).size).toBe(1)
      const acks = await Promise.all(
        Array.from({ length: 150 }, async (_, i) => {
          const text = `{"i":${i}}`
          const [range] = await handles[i % 3]!.append([lines(1, text)])
          return [range!.start, `${text}\n`] as const
        }),
      )
      const wanted = [...acks].sort(([a], [b]) => a - b)
      expect(wanted.map(([offset]) => offset)).toEqual(Array.from({ length: 150 }, (_, i) => i))
      for (const log of handles) expect(textOf(await readAll(log, 1))).toBe(wanted.map(([, text]) => text).join(''))
    })

    test('another handle sees an acknowledged append at once', async () => {
      const [writer, reader] = [await open(), await open()]
      for (let i = 0; i < 20; i++) {
        await writer.append([lines(0, `{"i":${i}}`)])
        expect((await reader.range(0)).end).toBe(i + 1)
        expect((await reader.read(0, i, LIMITS))!.lines.toString()).toBe(`{"i":${i}}\n`)
      }
    })

    test('refuses what would break the order: blank lines, wrong counts, unknown partitions', async () => {
      const log = await open()
      const bad: [AppendBatch, RegExp][] = [
        [{ partition: 0, lines: Buffer.from('{}\n \t\n'), count: 2 }, /record 1 is blank/],
        [{ partition: 0, lines: Buffer.from('\n'), count: 1 }, /blank/],
        [{ partition: 0, lines: Buffer.from('{}\n'), count: 2 }, /announced/],
        [{ partition: 0, lines: Buffer.alloc(0), count: 0 }, /announced/],
        [{ partition: 0, lines: Buffer.from('{}'), count: 1 }, /line end/],
        [lines(99, '{}'), /partition 99/],
        [lines(0.5, '{}'), /partition 0.5/],
        [lines(0, '{}', `"${'x'.repeat(1024 * 1024)}"`), /recordBytesMax/],
      ]
      for (const [batch, why] of bad) await expect(log.append([lines(1, '{}'), batch])).rejects.toThrow(why)
      for (let partition = 0; partition < 3; partition++) expect((await log.range(partition)).end).toBe(0)
    })

    test('refuses offsets that it does not hold, and says which it does', async () => {
      const log = await open()
      await log.append([lines(0, '{}', '{}')])
      await expect(log.read(0, 3, LIMITS)).rejects.toThrow(LogRangeError)
      await expect(log.read(0, 3, LIMITS)).rejects.toMatchObject({ wanted: 3, range: { start: 0, end: 2 } })
      await expect(log.read(0, -1, LIMITS)).rejects.toThrow(RangeError)
      await expect(log.read(7, 0, LIMITS)).rejects.toThrow(/partition 7/)
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

    test('trimmed to its end it keeps counting, and another handle knows', async () => {
      const [log, other] = [await open(), await open()]
      for (let i = 0; i < 40; i++) await log.append([lines(0, '{}')])
      expect(await log.trim(0, 40, Date.now() + 60_000)).toBe(40)
      expect(await other.range(0)).toEqual({ partition: 0, start: 40, end: 40 })
      expect(await other.read(0, 40, LIMITS)).toBeNull()
      expect(await other.append([lines(0, '{"next":1}')])).toEqual([{ partition: 0, start: 40, end: 41 }])
      expect(textOf(await readAll(log, 0))).toBe('{"next":1}\n')
    })

    test('tells a record by its place, its arrival and its bytes', async () => {
      const log = await open()
      await log.append([lines(0, '{"a":1}', '{"a":1}', '{"b":2}')])
      const read = async (from: number, recordsMax: number) =>
        lastPrint((await log.read(0, from, { ...LIMITS, recordsMax }))!)!
      const [second, third] = [await read(0, 2), await read(2, 1)]
      expect([second.offset, third.offset]).toEqual([1, 2])
      expect(third.sha256).toBe(hash('sha256', '{"b":2}'))
      expect(second.sha256).not.toBe(third.sha256)
      expect(await recordsAt(log, 0, [second, third])).toEqual(
        new Map([
          [1, second],
          [2, third],
        ]),
      )
      expect(await recordsAt(log, 0, [{ ...third, offset: 3 }])).toEqual(new Map())
    })

    test('gives records other offsets at once, and keeps those and their arrivals', async () => {
      const [log, other] = [await open(), await open()]
      if (log.moveRecords === undefined) return expect(driver).toMatch(/^kafka/)
      for (const i of [0, 2, 4, 6]) await log.append([lines(1, `{"i":${i}}`, `{"i":${i + 1}}`), lines(0, '{}')])
      const arrivals = (await readAll(log, 1)).flatMap((batch) => batch.arrivals)
      await log.moveRecords(1, 3, 5)
      expect(await other.range(1)).toEqual({ partition: 1, start: 5, end: 10 })
      const moved = await readAll(log, 1)
      expect(textOf(moved)).toBe([3, 4, 5, 6, 7].map((i) => `{"i":${i}}\n`).join(''))
      expect(moved.flatMap((batch) => batch.arrivals).at(-1)!.atMs).toBe(arrivals.at(-1)!.atMs)
      expect(await other.range(0)).toEqual({ partition: 0, start: 0, end: 4 })
      await log.moveRecords(1, 10, 20)
      expect(await other.append([lines(1, '{"next":1}')])).toEqual([{ partition: 1, start: 20, end: 21 }])
      expect(textOf(await readAll(log, 1))).toBe('{"next":1}\n')
      for (const [from, to] of [
        [19, 30],
        [22, 30],
        [20, 19],
      ] as const)
        await expect(log.moveRecords(1, from, to)).rejects.toThrow(RangeError)
      expect(await log.range(1)).toMatchObject({ start: 20, end: 21 })
    })

    test('closing commits what was asked for before, and takes nothing afterwards', async () => {
      const log = await open()
      const asked = Array.from({ length: 30 }, (_, i) => log.append([lines(0, `{"i":${i}}`)]))
      await log.close()
      expect((await Promise.all(asked)).flat()).toHaveLength(30)
      await expect(log.append([lines(0, '{}')])).rejects.toThrow(/closed/)
      await expect(log.read(0, 0, LIMITS)).rejects.toThrow(/closed/)
      expect((await (await open()).range(0)).end).toBe(30)
    })
  })
}
