import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import { arrangementOf, type KnownArrangements } from './table-arrangement.ts'

const DATASET = { timeColumn: 'at', rowColumns: [{ name: 'at', type: 'TIMESTAMP' }] } as unknown as Parameters<
  typeof arrangementOf
>[0]

type Range = readonly [start: number, end: number]

/** Of compacted ranges of partition 0, and others. */
function arranged(
  ranges: readonly Range[],
  { others = '', partition = 0, dataset = DATASET, known = new Map() as KnownArrangements } = {},
) {
  const compacted = ranges.map(([start, end]) =>
    segmentManifestName({ kind: 'events', partition, start, end, replaces: [] }),
  )
  return arrangementOf(dataset, { compacted: compacted.toSorted(), others }, known)
}

const sameBefore = (before: readonly Range[], now: readonly Range[], partition = 0): number | undefined =>
  arranged(now).sameBefore(arranged(before).text)?.(partition)

test.each<readonly [what: string, before: readonly Range[], now: readonly Range[], same: number]>([
  ['nothing was compacted', [], [], Number.POSITIVE_INFINITY],
  [
    'nothing since',
    [
      [0, 10],
      [10, 20],
    ],
    [
      [0, 10],
      [10, 20],
    ],
    Number.POSITIVE_INFINITY,
  ],
  ['the first one', [], [[40, 60]], 40],
  [
    'another one',
    [[0, 10]],
    [
      [0, 10],
      [10, 20],
      [20, 30],
    ],
    10,
  ],
  [
    'the last one, with what followed',
    [
      [0, 10],
      [10, 20],
    ],
    [
      [0, 10],
      [10, 20],
      [10, 30],
    ],
    10,
  ],
  [
    'that one, and what it replaced is gone',
    [
      [0, 10],
      [10, 20],
      [10, 30],
    ],
    [
      [0, 10],
      [10, 30],
    ],
    Number.POSITIVE_INFINITY,
  ],
  [
    'the last two',
    [
      [0, 10],
      [10, 20],
      [20, 30],
    ],
    [
      [0, 10],
      [10, 30],
    ],
    10,
  ],
  [
    'one before others',
    [
      [0, 10],
      [40, 50],
    ],
    [
      [0, 10],
      [20, 30],
      [40, 50],
    ],
    20,
  ],
  [
    'a name that is gone',
    [
      [0, 10],
      [10, 20],
    ],
    [[0, 10]],
    0,
  ],
])('where %s', (_, before, now, same) => {
  expect(sameBefore(before, now)).toBe(same)
  expect(sameBefore(before, now, 1)).toBe(Number.POSITIVE_INFINITY)
})

test('a name is hashed once, however long the history is, and what is known gives what a first look gives', () => {
  const hashed = vi.spyOn(crypto, 'createHash')
  syncBuiltinESMExports()
  try {
    const known: KnownArrangements = new Map()
    const ranges: Range[] = Array.from({ length: 300 }, (_, at) => [at * 10, at * 10 + 10])
    const count = (now: readonly Range[]): number => {
      hashed.mockClear()
      const { text } = arranged(now, { known })
      const made = hashed.mock.calls.length
      expect(text).toBe(arranged(now).text)
      return made
    }
    // One digest is of the columns.
    expect(count(ranges)).toBe(301)
    expect(count(ranges)).toBe(1)
    expect(count([...ranges, [3_000, 3_010]])).toBe(2)
    expect(count([...ranges, [2_980, 3_010]])).toBe(2)
    expect(count(ranges.slice(0, 200))).toBe(1)
    expect(count([])).toBe(1)
    expect(count(ranges.slice(0, 3))).toBe(4)
  } finally {
    hashed.mockRestore()
    syncBuiltinESMExports()
  }
})

test('nothing is known after a summary or a repair, with other columns, or of the text of an earlier version', () => {
  const { text } = arranged([[0, 10]])
  expect(arranged([[0, 10]], { others: 'repaired' }).sameBefore(text)).toBeNull()
  const dataset = { ...DATASET, rowColumns: [{ name: 'at', type: 'DATE' }] } as unknown as typeof DATASET
  expect(arranged([[0, 10]], { dataset }).sameBefore(text)).toBeNull()
  for (const earlier of [undefined, 'e3b0c44298fc1c14', '[']) expect(arranged([[0, 10]]).sameBefore(earlier)).toBeNull()
})

test('whatever is compacted, no segment before the offset is another one', () => {
  // Cuts of 64 offsets: each compaction joins what lies between two of them, and nothing is joined that was larger before.
  const joined = fc.array(fc.tuple(fc.nat(63), fc.integer({ min: 2, max: 20 })), { maxLength: 60 })
  let partly = 0
  fc.assert(
    fc.property(joined, fc.nat(60), (joins, at) => {
      const all: Range[] = []
      const outer = (offset: number, ranges: readonly Range[]): Range =>
        ranges
          .filter(([start, end]) => start <= offset && offset < end)
          .toSorted(([a, b], [c, d]) => d - c - (b - a))[0] ?? [offset, offset + 1]
      const made = joins.map(([from, length]): readonly Range[] => {
        const [start, end] = [outer(from, all)[0], outer(Math.min(63, from + length), all)[1]]
        all.push([start, end])
        return [...all]
      })
      const before = made[Math.min(at, made.length - 1)] ?? []
      const same = sameBefore(before, all)!
      for (let offset = 0; offset < Math.min(64, same); offset++)
        expect(outer(offset, all)).toEqual(outer(offset, before))
      if (same > 0 && same < 64) partly++
    }),
    { numRuns: 300 },
  )
  expect(partly).toBeGreaterThan(20)
})
