/** Law: a client that applies the changes has exactly the rows of the next answer, in its order. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AnswerChange, applyChange } from '#core/answer-changes.ts'
import { changesBetween, changesJson } from './row-changes.ts'
import { rowTexts } from './row-texts.ts'

type Row = Readonly<Record<string, unknown>>

const key = fc.oneof(fc.constantFrom('us', 'de', 'a"b\\', '}],{', null), fc.string({ maxLength: 3 }))
const value = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.constantFrom(null, ['x', '"]'], { n: [1, { m: '}' }] }, ''),
)
const rows = fc.uniqueArray(fc.record({ country: key, kind: fc.integer({ max: 3, min: 0 }), n: value }), {
  selector: ({ country, kind }) => JSON.stringify([country, kind]),
  maxLength: 12,
})

function changeOf(before: readonly Row[], after: readonly Row[], keyMembers = 2): AnswerChange<Row> | null {
  const changes = changesBetween(
    rowTexts(JSON.stringify(before), keyMembers),
    rowTexts(JSON.stringify(after), keyMembers),
  )
  return changes === null ? null : (JSON.parse(`{${changesJson(changes)}}`) as AnswerChange<Row>)
}

/** As parsed: -0 has no JSON. */
const parsed = (all: readonly Row[]): readonly Row[] => JSON.parse(JSON.stringify(all)) as Row[]

test('applied to the rows before, a change gives the rows after it', () => {
  fc.assert(
    fc.property(rows, rows, fc.infiniteStream(fc.nat()), (before, other, order) => {
      // Some rows of the one answer are in the other as well, at other places.
      const shuffled = [...before].map((row) => ({ row, place: order.next().value })).sort((a, b) => a.place - b.place)
      const kept = shuffled.slice(0, other.length).map(({ row }) => row)
      const names = new Set(kept.map(({ country, kind }) => JSON.stringify([country, kind])))
      const after = [...kept, ...other.filter(({ country, kind }) => !names.has(JSON.stringify([country, kind])))]
      const change = changeOf(before, after)
      expect(applyChange(parsed(before), change ?? {})).toEqual(parsed(after))
      expect(change === null).toBe(JSON.stringify(before) === JSON.stringify(after))
    }),
  )
})

test('rows with the same key are told apart by their places', () => {
  const twice = fc.array(fc.record({ country: fc.constantFrom('us', 'de'), n: fc.nat(3) }), { maxLength: 8 })
  fc.assert(
    fc.property(twice, twice, (before, after) => {
      expect(applyChange(before, changeOf(before, after, 1) ?? {})).toEqual(after)
    }),
  )
})

test('says what happened to each row, and names no other row', () => {
  const before = ['us', 'de', 'fr', 'gb'].map((country) => ({ country, n: 5 }))
  const after = [
    { country: 'it', n: 9 },
    { country: 'de', n: 5 },
    { country: 'gb', n: 4 },
    { country: 'fr', n: 5 },
  ]
  expect(changeOf(before, after, 1)).toEqual({
    removed: [{ from: 0, key: { country: 'us' } }],
    changed: [{ from: 3, at: 2, row: { country: 'gb', n: 4 } }],
    added: [{ at: 0, row: { country: 'it', n: 9 } }],
  })
})

test('of rows that only changed their places, as few as possible are moved', () => {
  const before = [1, 2, 3, 4, 5].map((id) => ({ id }))
  const after = [5, 1, 2, 3, 4].map((id) => ({ id }))
  expect(changeOf(before, after, 1)).toEqual({ moved: [{ from: 4, at: 0 }] })
})

test('numbers keep their digits: nothing is parsed', () => {
  const [before, after] = ['[{"id":9007199254740993,"n":1}]', '[{"id":9007199254740993,"n":2}]']
  const changes = changesBetween(rowTexts(before, 1), rowTexts(after, 1))!
  expect(changesJson(changes)).toBe('"changed":[{"from":0,"at":0,"row":{"id":9007199254740993,"n":2}}]')
})

test('one row without a key is changed, not replaced', () => {
  expect(changeOf([{ n: 1 }], [{ n: 2 }], 0)).toEqual({ changed: [{ from: 0, at: 0, row: { n: 2 } }] })
})

test('a change of other rows is refused', () => {
  expect(() => applyChange([{ n: 1 }], { removed: [{ from: 1, key: {} }] })).toThrow(RangeError)
  expect(() => applyChange([], { added: [{ at: 3, row: { n: 1 } }] })).toThrow(RangeError)
})
