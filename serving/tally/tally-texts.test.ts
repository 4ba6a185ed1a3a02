/** What a tally numbers beside its numbers: texts and sets. */
import { expect, test } from 'vitest'
import { TallySets } from './tally-sets.ts'
import { TallyTexts } from './tally-texts.ts'

test('texts that no row says are forgotten, and the others numbered anew', () => {
  const texts = new TallyTexts()
  const numberOf = (text: string): number => texts.numberOf(Buffer.from(text), 0, text.length)
  const said = ['"a"', '"b"', 'null', '"c"'].map(numberOf)
  expect(numberOf('"b"')).toBe(said[1])
  const [values, spare] = [Float64Array.of(said[3]!, Number.NaN, said[0]!, said[1]!), texts.bytes]
  // The last row is not counted.
  texts.forgetOthers([{ values, count: 3 }])
  expect([...values.subarray(0, 3)].map((at) => (Number.isNaN(at) ? null : texts.json(at)))).toEqual([
    '"c"',
    null,
    '"a"',
  ])
  expect(texts.bytes).toBeLessThan(spare)
})

test('sets are united, and those that no row has are forgotten', () => {
  const sets = new TallySets()
  const elements = Float64Array.of(1, 3, 9, 3, 4, 2 ** 52 - 1)
  const [first, second, none] = [sets.add(elements, 0, 3), sets.add(elements, 3, 6), sets.add(elements, 2, 2)]
  expect([first, second, none].map((set) => sets.sizeOf(set))).toEqual([3, 3, 0])
  expect(sets.countOf([first, second, none])).toBe(5)
  const all = sets.union([first, second])
  expect(sets.sizeOf(all)).toBe(5)
  const [values, spare] = [Float64Array.of(all, Number.NaN, none), sets.bytes]
  sets.forgetOthers([{ values, count: 3 }])
  expect(sets.bytes).toBeLessThan(spare)
  expect(sets.sizeOf(values[0]!)).toBe(5)
  expect(sets.sizeOf(values[2]!)).toBe(0)
  expect(sets.countOf([values[0]!, values[2]!])).toBe(5)
})
