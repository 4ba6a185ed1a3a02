import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonArraySplitter } from './json-array.ts'
import type { NumberedRecord } from './records.ts'

/** longer than every element that is generated */
const LONG = 1024 * 1024

function split(text: string, chunkBytes = 3, max = LONG): NumberedRecord[] {
  const bytes = Buffer.from(text)
  const splitter = new JsonArraySplitter(max)
  const found: NumberedRecord[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes)
    found.push(...splitter.push(bytes.subarray(at, at + chunkBytes)))
  return [...found, ...splitter.end(false)]
}

test('however the chunks fall, and however it is indented, the elements are those of the array', () => {
  const array = fc.array(fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('"', '\\', '[', '}', ',', '\u2028')))
  fc.assert(
    fc.property(array, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 9 }), (values, indent, chunkBytes) => {
      const records = split(`\uFEFF ${JSON.stringify(values, null, indent)}\r\n`, chunkBytes)
      expect(records.map(({ bytes }) => JSON.parse(bytes!.toString()))).toEqual(JSON.parse(JSON.stringify(values)))
      expect(records.map(({ number }) => number)).toEqual(values.map((_, at) => at + 1))
      expect(records.some(({ bytes }) => bytes!.includes('\n'))).toBe(false)
    }),
  )
})

test('an element keeps its text: digits of big numbers are not lost', () => {
  expect(String(split('[{"id":12345678901234567890.10}]')[0]!.bytes)).toBe('{"id":12345678901234567890.10}')
})

test('an element that is too long or missing is told by its number, and the next one is whole', () => {
  const found = split(`[1,,{"a":"${'x'.repeat(500)}"},   2,]`, 7, 20)
  expect(found.map(({ number, bytes, fault }) => [number, bytes && String(bytes), fault])).toEqual([
    [1, '1', undefined],
    [2, '', 'a value is missing between two commas or before the end'],
    [3, null, undefined],
    [4, '2', undefined],
    [5, '', 'a value is missing between two commas or before the end'],
  ])
})

test.each([
  ['[1,2', 'the array is not closed behind element 1: is the file complete?'],
  ['[1,2}', 'the array is closed by a brace'],
  ['[1] [2]', 'more text follows the array of 1 elements'],
  ['', 'the array is not closed behind element 0'],
])('%s is refused', (text, message) => {
  expect(() => split(text)).toThrow(message)
})

test('of an input that is left before its end, the element that had not ended is not taken', () => {
  const splitter = new JsonArraySplitter(100)
  expect([...splitter.push(Buffer.from('[{"a":1},{"a"'))]).toHaveLength(1)
  expect([...splitter.end(true)].map(({ number, fault }) => [number, fault])).toEqual([[2, 'it had not ended']])
})
