import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResumeWindow, type WindowCursor } from './resume-window.ts'

const record = (id: number, position: number): Buffer => Buffer.from(JSON.stringify({ id, position }))

/** What a side sends that begins at a number. */
const sentFrom = (records: readonly (readonly [number, number])[], since: number | null, isInclusive: boolean) =>
  records.filter(([, position]) => since === null || (isInclusive ? position >= since : position > since))

test('a stream in order, cut anywhere and as often as you like, is read exactly, from inclusive and exclusive sides', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(30), { maxLength: 60 }).map((positions) => positions.toSorted((a, b) => a - b)),
      fc.array(fc.nat(20), { maxLength: 8 }),
      fc.boolean(),
      (positions, lengths, isInclusive) => {
        const records = positions.map((position, id) => [id, position] as const)
        const taken: number[] = []
        let cursor: WindowCursor | null = null
        for (const length of [...lengths, Number.POSITIVE_INFINITY]) {
          const window: ResumeWindow = new ResumeWindow(cursor, 1)
          for (const [id, position] of sentFrom(records, window.since, isInclusive).slice(0, length))
            if (window.admit(record(id, position), position)) taken.push(id)
          cursor = window.cursor()
        }
        expect(taken).toEqual(records.map(([id]) => id))
      },
    ),
  )
})

test('disorder within the overlap loses and repeats nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 50 }),
      fc.array(fc.nat(20), { maxLength: 6 }),
      (jitter, lengths) => {
        const records = jitter.map((by, id) => [id, id * 2 + by] as const)
        const taken: number[] = []
        let cursor: WindowCursor | null = null
        for (const length of [...lengths, Number.POSITIVE_INFINITY]) {
          const window: ResumeWindow = new ResumeWindow(cursor, 10)
          for (const [id, position] of sentFrom(records, window.since, true).slice(0, length))
            if (window.admit(record(id, position), position)) taken.push(id)
          cursor = window.cursor()
        }
        expect(taken.toSorted((a, b) => a - b)).toEqual(records.map(([id]) => id))
      },
    ),
  )
})

test('equal records over one connection are two events, and are recognised as often as they were seen', () => {
  const window = new ResumeWindow(null, 1)
  expect([1, 2].map(() => window.admit(record(1, 5), 5))).toEqual([true, true])
  const again = new ResumeWindow(window.cursor(), 1)
  expect([1, 2, 3].map(() => again.admit(record(1, 5), 5))).toEqual([false, false, true])
})

test('with more records in the overlap than are kept, it becomes smaller, and none is repeated', () => {
  const window = new ResumeWindow(null, 1_000, 10)
  for (let id = 0; id < 50; id++) window.admit(record(id, id), id)
  const cursor = window.cursor()
  expect(cursor.since).toBe(40)
  expect(cursor.seen).toHaveLength(10 * 11)
  const again = new ResumeWindow(cursor, 1_000, 10)
  for (let id = 40; id < 50; id++) expect(again.admit(record(id, id), id)).toBe(false)
})

test('more records of the largest number than are kept are all recognised, and a new one of it is taken', () => {
  const window = new ResumeWindow(null, 0, 10)
  for (let id = 0; id < 12; id++) window.admit(record(id, 5), 5)
  const cursor = window.cursor()
  expect(cursor.since).toBe(5)
  const again = new ResumeWindow(cursor, 0, 10)
  for (let id = 0; id < 12; id++) expect(again.admit(record(id, 5), 5)).toBe(false)
  expect(again.admit(record(12, 5), 5)).toBe(true)
})

test('a side that begins earlier than it was asked to is read from there on', () => {
  const window = new ResumeWindow(null, 2)
  for (let id = 0; id < 10; id++) window.admit(record(id, id), id)
  const again = new ResumeWindow(window.cursor(), 2)
  const taken = Array.from({ length: 12 }, (_, id) => id).filter((id) => again.admit(record(id, id), id))
  expect(taken).toEqual([10, 11])
})
