/** Groups of keys are kept from one question to the next, up to a number of them. */
import { expect, test } from 'vitest'
import { TallyKeys } from './tally-keys.ts'

const [COUNTRY, CITY] = [0, 1]

function add(keys: TallyKeys, texts: readonly (string | null)[]): number {
  const values = texts.map((text, dimension) => {
    const bytes = Buffer.from(text ?? '')
    const number = text === null ? keys.numberOfMissing(dimension) : keys.numberOf(dimension, bytes, 0, bytes.length)
    return Int32Array.of(number)
  })
  const into = new Int32Array(1)
  keys.number(values, 1, into)
  return into[0]!
}

test('groups are kept up to their limit, and are right beyond it', () => {
  const columns = ['country', 'city'].map((name) => ({ name, type: 'VARCHAR' }))
  const keys = new TallyKeys(columns, 12)
  for (let key = 0; key < 10; key++) add(keys, [`"c${key % 2}"`, `"t${key}"`])
  expect(Array.from(keys.groups([COUNTRY]).ofKey.subarray(0, 10))).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
  const cities = keys.groups([CITY])
  expect([cities.count, keys.groupsKept]).toEqual([10, 12])
  // What is asked for now stays, the others go.
  expect([keys.groups([CITY]) === cities, keys.groups([CITY, COUNTRY]).count, keys.groupsKept]).toEqual([true, 10, 10])
  add(keys, ['"c0"', '"t0"'])
  for (let key = 10; key < 20; key++) add(keys, [`"c${key % 2}"`, `"t${key}"`])
  // More than the limit by themselves: counted for this question only.
  const all = keys.groups([CITY])
  expect([all.count, Array.from(all.ofKey.subarray(0, 20)), keys.groupsKept]).toEqual([
    20,
    Array.from({ length: 20 }, (_, key) => key),
    0,
  ])
  expect(Array.from(keys.groups([COUNTRY]).ofKey.subarray(0, 20))).toEqual(
    Array.from({ length: 20 }, (_, key) => key % 2),
  )
})
