import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ALL_PANES, coverAllPanes, cutRange, filesWithin, overlaps, rangesOf, type StateRange } from './state-ranges.ts'

const cutsArbitrary = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 8 })
const ascending = (numbers: readonly number[]): number[] => [...numbers].sort((one, other) => one - other)
const at = (pane: number): StateRange => ({ fromMs: pane, beforeMs: pane + 1 })

test('parts of a range hold each of its panes once, also when a part is cut again', () => {
  fc.assert(
    fc.property(cutsArbitrary, fc.nat(), fc.integer({ min: -60, max: 60 }), (cuts, place, pane) => {
      const parts = cutRange(ALL_PANES, ascending(cuts))
      const chosen = parts[place % parts.length]!
      const { fromMs = -1_000, beforeMs = 1_000 } = chosen
      const middle = Math.floor((fromMs + beforeMs) / 2)
      const again = middle > fromMs ? cutRange(chosen, [middle]) : [chosen]
      const files = [...parts.filter((part) => part !== chosen), ...again].map((range) => ({ range }))
      expect(coverAllPanes(files)).toBe(true)
      expect(coverAllPanes([...files, ...files])).toBe(true)
      expect(rangesOf(files)).toHaveLength(files.length)
      expect(filesWithin(files, at(pane))).toHaveLength(1)
    }),
  )
})

test.each([
  ['a hole', [{ beforeMs: 10 }, { fromMs: 20 }]],
  ['an overlap', [{ beforeMs: 10 }, { fromMs: 5 }]],
  ['no end', [{ beforeMs: 10 }]],
  ['no beginning', [{ fromMs: 10 }]],
  ['a range beside all of time', [{ beforeMs: 10 }, {}, { fromMs: 10 }]],
])('ranges with %s do not cover every pane once', (_, ranges) => {
  expect(coverAllPanes(ranges.map((range) => ({ range })))).toBe(false)
})

test('a range ends before its bound', () => {
  expect(overlaps({ fromMs: 0, beforeMs: 10 }, { fromMs: 10 })).toBe(false)
  expect(overlaps({ fromMs: 0, beforeMs: 10 }, { fromMs: 9 })).toBe(true)
  expect(overlaps({ beforeMs: 10 }, ALL_PANES)).toBe(true)
  expect(filesWithin([{}, { range: { beforeMs: 5 } }], { fromMs: 5 })).toEqual([{}])
})
