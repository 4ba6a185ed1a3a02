import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEY_SLOTS } from '#core/key-slots.ts'
import {
  ALL_STATES,
  coverAllStates,
  cutRange,
  cutSlots,
  filesWithin,
  overlaps,
  rangesOf,
  type StateRange,
} from './state-ranges.ts'

const cutsArbitrary = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 8 })
const ascending = (numbers: readonly number[]): number[] => [...numbers].sort((one, other) => one - other)
const at = (pane: number): StateRange => ({ fromMs: pane, beforeMs: pane + 1 })

test('parts of a range hold each of its panes once, also when a part is cut again', () => {
  fc.assert(
    fc.property(cutsArbitrary, fc.nat(), fc.integer({ min: -60, max: 60 }), (cuts, place, pane) => {
      const parts = cutRange(ALL_STATES, ascending(cuts))
      const chosen = parts[place % parts.length]!
      const { fromMs = -1_000, beforeMs = 1_000 } = chosen
      const middle = Math.floor((fromMs + beforeMs) / 2)
      const again = middle > fromMs ? cutRange(chosen, [middle]) : [chosen]
      const files = [...parts.filter((part) => part !== chosen), ...again].map((range) => ({ range }))
      expect(coverAllStates(files)).toBe(true)
      expect(coverAllStates([...files, ...files])).toBe(true)
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
  expect(coverAllStates(ranges.map((range) => ({ range })))).toBe(false)
})

test('parts of slots hold each slot once, also when a part is cut again, beside files of all keys', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat({ max: KEY_SLOTS - 1 }), (number, place, slot) => {
      const parts = cutSlots(ALL_STATES, number)
      const chosen = parts[place % parts.length]!
      const files = [...parts.filter((part) => part !== chosen), ...cutSlots(chosen, 3)].map((range) => ({ range }))
      expect(coverAllStates(files)).toBe(true)
      expect(coverAllStates([...files, {}, {}])).toBe(true)
      expect(coverAllStates(files.slice(1))).toBe(false)
      expect(coverAllStates([...files, { range: { fromMs: 0 } }])).toBe(false)
      const asked = { fromSlot: slot, beforeSlot: slot + 1 }
      expect(filesWithin(files, asked)).toHaveLength(1)
      expect(filesWithin([...files, {}], asked)).toHaveLength(2)
    }),
  )
  expect(cutSlots({ fromSlot: 7, beforeSlot: 9 }, 5)).toEqual([
    { fromSlot: 7, beforeSlot: 8 },
    { fromSlot: 8, beforeSlot: 9 },
  ])
})

test('a range ends before its bound', () => {
  expect(overlaps({ fromMs: 0, beforeMs: 10 }, { fromMs: 10 })).toBe(false)
  expect(overlaps({ fromMs: 0, beforeMs: 10 }, { fromMs: 9 })).toBe(true)
  expect(overlaps({ beforeMs: 10 }, ALL_STATES)).toBe(true)
  expect(filesWithin([{}, { range: { beforeMs: 5 } }], { fromMs: 5 })).toEqual([{}])
})
