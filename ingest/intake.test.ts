import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeyReusedError } from '#storage/log/append-once.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { gatedLog, openScratch, type Scratch, visit, visits } from './ingest-fixture.ts'
import { Intake, IntakeBusyError, OfferTooLargeError, type RowVerdict } from './intake.ts'
import { partitionOf } from './partitioner.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await openScratch()
})
afterEach(() => scratch.remove())

const reasonOf = (verdict: RowVerdict | undefined): string =>
  verdict?.status === 'rejected' ? verdict.reason : `accepted: ${JSON.stringify(verdict)}`

test('a key goes to the same partition for ever (values of the reference implementation)', () => {
  // FNV-1a 32 of '' is 811c9dc5, of 'a' e40c292c, of 'foobar' bf9cf968
  expect(partitionOf('', 2 ** 32)).toBe(0x811c9dc5)
  expect(partitionOf('a', 2 ** 32)).toBe(0xe40c292c)
  expect(partitionOf('foobar', 2 ** 32)).toBe(0xbf9cf968)
  const counts = new Array(8).fill(0)
  for (let id = 0; id < 8_000; id++) counts[partitionOf(String(id), 8)]++
  expect(Math.min(...counts)).toBeGreaterThan(800)
})

describe('verdicts', () => {
  test('come one per row in input order, and name the place where the row is found again', async () => {
    const rows = Array.from({ length: 200 }, (_, id) => (id % 10 === 3 ? `{"id":${id}}` : visit(id, 'Zoë 😀')))
    const { verdicts, accepted, rejected } = await new Intake({ dataset: visits, log: scratch.log }).offer(rows)
    expect([verdicts.length, accepted, rejected]).toEqual([200, 180, 20])
    expect(verdicts.map((verdict) => verdict.index)).toEqual(rows.map((_, index) => index))
    const records = await scratch.records()
    expect(records.size).toBe(180)
    for (const verdict of verdicts) {
      if (verdict.status === 'rejected') expect(verdict.reason).toBe('at ($.at): is required but missing')
      else expect(records.get(`${verdict.partition}/${verdict.offset}`)!.toString()).toBe(rows[verdict.index])
    }
  })

  test('say what is wrong with rows that the engine could not read either', async () => {
    const bad: readonly (readonly [Buffer | string, RegExp])[] = [
      ['{"id":1,', /not valid JSON/],
      ['[{"id":1,"at":1}]', /an event must be a JSON object/],
      ['{"id":"x","at":1}', /id \(\$\.id\): "x" is not a valid BIGINT/],
      ['{"id":1,"at":1}{"id":2,"at":1}', /not valid JSON/],
      [Buffer.from([...Buffer.from('{"id":1,"at":1,"note":"'), 0xff, ...Buffer.from('"}')]), /not UTF-8/],
      ['{"id":1,"at":1,"note":"\\ud83d"}', /unpaired surrogate/],
      ['{"id":1,"at":1,"\\udE00":1}', /unpaired surrogate/],
      ['{"id":1,\n"at":1}', /line break/],
      ['\u00a0', /not valid JSON/],
    ]
    const { verdicts, accepted } = await new Intake({ dataset: visits, log: scratch.log }).offer(
      bad.map(([row]) => row),
    )
    expect(accepted).toBe(0)
    for (const [index, [, pattern]] of bad.entries()) expect(reasonOf(verdicts[index])).toMatch(pattern)
    expect((await scratch.records()).size).toBe(0)
  })

  test('show control characters of a row as escapes', async () => {
    const rows = ['\u001b[2Jx', '{"id":1,"at":"\\u001b\\u009b"}']
    const { verdicts } = await new Intake({ dataset: visits, log: scratch.log }).offer(rows)
    expect(reasonOf(verdicts[0])).toMatch(/not valid JSON: .*\\u001b/)
    expect(reasonOf(verdicts[1])).toMatch(/\\u001b.*\\u009b/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
    for (const verdict of verdicts) expect(reasonOf(verdict)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
  })

  test('refuse a row of brackets without parsing it', async () => {
    const parse = vi.spyOn(JSON, 'parse')
    const rows = ['['.repeat(500_000), `${'{"a":'.repeat(1_001)}1${'}'.repeat(1_001)}`]
    const { verdicts } = await new Intake({ dataset: visits, log: scratch.log }).offer(rows)
    expect(verdicts.map(reasonOf)).toEqual(rows.map(() => 'the event is nested deeper than 1000 levels'))
    expect(parse).not.toHaveBeenCalled()
    parse.mockRestore()
  })

  test('accept whole pairs, and a text that only looks like an escape', async () => {
    const rows = ['{"id":1,"at":1,"note":"\\ud83d\\ude00"}', '{"id":2,"at":1,"note":"\\\\ud83d"}']
    expect((await new Intake({ dataset: visits, log: scratch.log }).offer(rows)).accepted).toBe(2)
  })
})

test('an NDJSON body keeps its bytes: odd spacing, long numbers, line and paragraph separators', async () => {
  const rows = [
    '{ "id": 9007199254740993 ,\t"at":1.0e3}',
    `{"id":2,"at":1,"note":"a\u2028b\u2029c"}`,
    '{"id":3,"at":1,"x":-0}',
  ]
  const body = Buffer.from(`\uFEFF${rows[0]}\r\n\n  \t\r\n${rows[1]}\n${rows[2]}`)
  const { verdicts } = await new Intake({ dataset: visits, log: scratch.log }).offer(body)
  expect(verdicts.map((verdict) => [verdict.index, verdict.status])).toEqual([
    [0, 'accepted'],
    [1, 'accepted'],
    [2, 'accepted'],
  ])
  const records = await scratch.records()
  for (const verdict of verdicts) {
    if (verdict.status !== 'accepted') continue
    expect(records.get(`${verdict.partition}/${verdict.offset}`)!.toString()).toBe(rows[verdict.index])
  }
})

test('rows of any body keep their bytes and their order in each partition, whatever is between them', async () => {
  const good = fc.nat(50).map((id) => visit(id, 'é'))
  const odd = fc.constantFrom('{"id":1}', '', ' ', 'é', `${visit(7)} `, `${visit(8)}\r`)
  const end = fc.constantFrom('\n', '\n', '\r\n', '\n\n', '\n \n')
  const lines = fc.array(fc.tuple(fc.oneof({ weight: 4, arbitrary: good }, odd), end), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('', '\uFEFF'), lines, odd, async (mark, ended, last) => {
      const text = ended.flat().join('') + last
      const { log, appends, waiting } = gatedLog()
      const offering = new Intake({ dataset: visits, log }).offer(Buffer.from(mark + text))
      waiting[0]?.resolve()
      const { verdicts } = await offering
      const rows = text.split('\n').map((row) => row.replace(/\r$/, ''))
      const placed = rows.filter((row) => row.trim() !== '').map((row, index) => ({ row, verdict: verdicts[index]! }))
      expect(placed).toHaveLength(verdicts.length)
      for (const partition of [0, 1]) {
        const own = placed.filter(({ verdict }) => verdict.status === 'accepted' && verdict.partition === partition)
        const batch = appends.flat().find((each) => each.partition === partition)
        expect(String(batch?.lines ?? '')).toBe(own.map(({ row }) => `${row}\n`).join(''))
        expect(batch?.keys ?? []).toEqual(own.map(({ row }) => String((JSON.parse(row) as { id: number }).id)))
        expect(own.map(({ verdict }) => verdict.status === 'accepted' && verdict.offset)).toEqual(own.map((_, n) => n))
      }
    }),
    { numRuns: 300 },
  )
})

test('a row that is not text does not affect the others', async () => {
  const body = Buffer.concat([
    Buffer.from(`${visit(1)}\n{"id":2,"at":1,"note":"`),
    Buffer.from([0xff]),
    Buffer.from(`"}\n${visit(3)}`),
  ])
  const { verdicts } = await new Intake({ dataset: visits, log: scratch.log }).offer(body)
  expect(verdicts.map(({ status }) => status)).toEqual(['accepted', 'rejected', 'accepted'])
})

test('only the verdicts that are asked for are made', async () => {
  const result = await new Intake({ dataset: visits, log: scratch.log }).offer([visit(1), '5', visit(2)], {
    verdicts: 'rejected',
  })
  expect(result.appended.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(2)
  expect(result).toMatchObject({
    verdicts: [{ index: 1, status: 'rejected', reason: 'an event must be a JSON object' }],
    accepted: 2,
    rejected: 1,
    unusable: 0,
  })
})

test('acceptUnusable appends what cannot be used with its bytes, but never what the log refuses', async () => {
  const broken = Buffer.from([0x7b, 0xff, 0x00])
  const intake = new Intake({ dataset: visits, log: scratch.log, limits: { recordBytesMax: 100 } })
  const result = await intake.offer([visit(1), broken, 'HTTP/1.1 502', `"${'x'.repeat(200)}"`, '  '], {
    acceptUnusable: true,
  })
  expect([result.accepted, result.rejected, result.unusable]).toEqual([3, 1, 2])
  expect(reasonOf(result.verdicts[3])).toMatch(/202 bytes, but the limit recordBytesMax is 100/)
  const bytes = [...(await scratch.records()).values()]
  expect(bytes.some((record) => record.equals(broken))).toBe(true)
})

describe('bounds', () => {
  test('more events than rowsMax are refused before any is looked at', async () => {
    const intake = new Intake({ dataset: visits, log: scratch.log, limits: { rowsMax: 3 } })
    await expect(intake.offer([1, 2, 3, 4].map((id) => visit(id)))).rejects.toThrow(
      /4 events in one request, but the limit requestRowsMax is 3/,
    )
    await expect(intake.offer(Buffer.from('{}\n'.repeat(10)))).rejects.toBeInstanceOf(OfferTooLargeError)
    expect((await intake.offer(Buffer.from(`${visit(1)}\n\n\n\n\n${visit(2)}`))).accepted).toBe(2)
  })

  test('above inFlightBytesMax an offer is told to come again, until what is under way is durable', async () => {
    const { log, waiting, appends } = gatedLog()
    const events: PlatformEvent[] = []
    const emit = (event: PlatformEvent) => void events.push(event)
    const intake = new Intake({ dataset: visits, log, limits: { inFlightBytesMax: 100 }, emit })
    const first = intake.offer([visit(1, 'x'.repeat(30))])
    await expect(intake.offer([visit(2)])).rejects.toBeInstanceOf(IntakeBusyError)
    expect(events.map(({ name }) => name)).toEqual(['intake-busy'])
    expect(appends).toEqual([])
    waiting[0]!.resolve()
    expect((await first).accepted).toBe(1)
    const second = intake.offer([visit(2)])
    waiting[1]!.resolve()
    expect((await second).accepted).toBe(1)
    await expect(intake.offer([visit(3, 'x'.repeat(200))])).rejects.toBeInstanceOf(OfferTooLargeError)
  })

  test('an append that fails acknowledges nothing, gives its room back and is told', async () => {
    const { log, waiting } = gatedLog()
    const events: PlatformEvent[] = []
    const emit = (event: PlatformEvent) => void events.push(event)
    const intake = new Intake({ dataset: visits, log, limits: { inFlightBytesMax: 60 }, emit })
    const failed = intake.offer([visit(1)])
    waiting[0]!.reject(new Error('the disk is full'))
    await expect(failed).rejects.toThrow('the disk is full')
    expect(events.map(({ name, level }) => [name, level])).toEqual([['append-failed', 'error']])
    const again = intake.offer([visit(1)])
    waiting[1]!.resolve()
    expect((await again).accepted).toBe(1)
  })
})

describe('its status', () => {
  test('is failing after an append that failed, until one succeeds or ten seconds are over', async () => {
    let nowMs = 0
    const { log, waiting } = gatedLog()
    const intake = new Intake({ dataset: visits, log, clock: () => nowMs })
    const failing = { state: 'failing', fault: 'the disk is full' }
    const running = { state: 'running', fault: null }
    expect(intake.status).toEqual(running)
    const offerThat = async (end: (append: (typeof waiting)[number]) => void): Promise<void> => {
      const offering = intake.offer([visit(1)]).catch(() => {})
      end(waiting.at(-1)!)
      await offering
    }
    await offerThat(({ reject }) => reject(new Error('the disk is full')))
    expect(intake.status).toEqual(failing)
    await offerThat(({ resolve }) => resolve())
    expect(intake.status).toEqual(running)
    await offerThat(({ reject }) => reject(new Error('the disk is full')))
    nowMs = 9_999
    expect(intake.status).toEqual(failing)
    nowMs = 10_000
    expect(intake.status).toEqual(running)
  })

  test('is refused when the log file is gone, before anything is offered', () => {
    const intake = new Intake({ dataset: visits, log: scratch.log })
    expect(intake.status).toEqual({ state: 'running', fault: null })
    rmSync(join(scratch.folder, 'log.sqlite'))
    expect(intake.status).toEqual({ state: 'refused', fault: expect.stringContaining('was deleted or replaced') })
  })
})

test('tells how many rows came in and which was rejected first', async () => {
  const events: PlatformEvent[] = []
  const intake = new Intake({ dataset: visits, log: scratch.log, emit: (event) => void events.push(event) })
  await intake.offer([visit(1), 'nonsense', visit(2)])
  expect(events.map(({ name, fields }) => [name, fields?.accepted ?? fields?.rejected])).toEqual([
    ['rows-accepted', 2],
    ['rows-rejected', 1],
  ])
  expect(events[1]!.message).toMatch(/1 of 3 rows were rejected; the first one is row 1: the row is not valid JSON/)
})

describe('an offer under a key', () => {
  const once = { key: 'k', fingerprint: 'f' }
  const rows = [visit(1), '{"id":2}', visit(3)]

  test('counts once; a repeat is told the same, and the events that metrics count are not', async () => {
    const events: PlatformEvent[] = []
    const intake = new Intake({ dataset: visits, log: scratch.log, emit: (event) => events.push(event) })
    const first = await intake.offer(rows, { once })
    expect(first).toMatchObject({ accepted: 2, rejected: 1, repeated: false })
    expect(await intake.offer(rows, { once })).toEqual({ ...first, repeated: true })
    expect(await intake.offer(rows, { once, verdicts: 'rejected' })).toMatchObject({
      verdicts: [{ index: 1, status: 'rejected' }],
      appended: first.appended,
    })
    expect((await scratch.records()).size).toBe(2)
    expect(events.map(({ name }) => name)).toEqual(['rows-accepted', 'rows-rejected', 'rows-repeated', 'rows-repeated'])
  })

  test('whose rows are all rejected is not remembered: nothing of it counts', async () => {
    const intake = new Intake({ dataset: visits, log: scratch.log })
    for (let repeat = 0; repeat < 2; repeat++)
      expect(await intake.offer(['{"id":2}'], { once })).toMatchObject({ accepted: 0, rejected: 1, repeated: false })
    expect(await intake.offer(rows, { once: { ...once, fingerprint: 'other' } })).toMatchObject({ repeated: false })
  })

  test('with other rows is refused, also if all of them would be rejected, and is no fault of the log', async () => {
    const intake = new Intake({ dataset: visits, log: scratch.log })
    await intake.offer(rows, { once })
    for (const other of [[visit(1)], ['{"id":2}']])
      await expect(intake.offer(other, { once: { ...once, fingerprint: 'other' } })).rejects.toThrow(KeyReusedError)
    expect(intake.status).toEqual({ state: 'running', fault: null })
    expect((await scratch.records()).size).toBe(2)
  })

  test('repeated under another definition is told what is in the log, without rows that are not known any more', async () => {
    const first = await new Intake({ dataset: visits, log: scratch.log }).offer(rows, { once })
    const strict = { ...visits, scanKey: () => null, check: () => ({ ok: false, reason: 'changed' }) as const }
    const again = await new Intake({ dataset: strict, log: scratch.log }).offer(rows, { once })
    expect(again).toEqual({ ...first, verdicts: [], unusable: 0, repeated: true })
  })
})
