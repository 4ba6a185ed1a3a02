/** Texts and combinations are numbered as a Map would do it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Combinations } from './combinations.ts'
import { TextNumbers } from './text-numbers.ts'

/** By the order in which they are first seen. */
function numbered(keys: readonly string[]): number[] {
  const numbers = new Map<string, number>()
  return keys.map((key) => {
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    return number
  })
}

test('texts have the numbers of their first occurrences, wherever their bytes are', () => {
  const texts = fc.array(
    fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('', 'a', 'b', '\0', 'é')),
  )
  fc.assert(
    fc.property(texts, fc.nat(20), (said, before) => {
      const numbers = new TextNumbers()
      const given = said.map((text) => {
        const bytes = Buffer.from(`${'x'.repeat(before)}${text}y`)
        return numbers.numberOf(bytes, before, bytes.length - before - 1)
      })
      // What is no text, such as half of a pair, is written as one.
      const written = said.map((text) => Buffer.from(text).toString())
      expect(given).toEqual(numbered(written))
      expect(given.map((number) => numbers.text(number))).toEqual(written)
      expect(numbers.count).toBe(new Set(written).size)
      const others = new TextNumbers()
      const moved = given.toReversed().map((number) => others.text(others.numberFrom(numbers, number)))
      expect(moved).toEqual(written.toReversed())
    }),
  )
})

test('as many texts as need more room keep their numbers', () => {
  const numbers = new TextNumbers()
  const texts = Array.from({ length: 5_000 }, (_, n) => Buffer.from(`text ${n} ${'.'.repeat(n % 50)}`))
  const first = texts.map((bytes) => numbers.numberOf(bytes, 0, bytes.length))
  expect(first).toEqual(texts.map((_, n) => n))
  expect(texts.map((bytes) => numbers.numberOf(bytes, 0, bytes.length))).toEqual(first)
  expect(numbers.bytes).toBe(texts.reduce((sum, { length }) => sum + length, 0))
})

test('combinations have the numbers of their first occurrences', () => {
  const small = fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1))
  const rows = fc
    .integer({ min: 0, max: 4 })
    .chain((places) =>
      fc.tuple(
        fc.constant(places),
        fc.array(fc.array(small, { minLength: places, maxLength: places }), { maxLength: 200 }),
      ),
    )
  fc.assert(
    fc.property(rows, ([places, said]) => {
      const combinations = new Combinations(places)
      const given = said.map((row) => {
        combinations.wanted.set(row)
        return combinations.numberOfWanted()
      })
      expect(given).toEqual(numbered(said.map((row) => row.join())))
      expect(given.map((number) => combinations.places.map((own) => own[number]))).toEqual(said)
      expect(combinations.count).toBe(new Set(given).size)
    }),
  )
})
