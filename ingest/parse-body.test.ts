import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { textsOf } from './ingest-fixture.ts'
import { OfferTooLargeError } from './ingest-limits.ts'
import { BodyError, rowsOfBody } from './parse-body.ts'

const rows = (text: string | Buffer, format: 'json' | 'ndjson', limits = {}): string[] =>
  textsOf(rowsOfBody(Buffer.from(text), format, limits))

test('a JSON array becomes one line per event, each as it was written', () => {
  const text = ' [{"id": 9007199254740993, "x": 1.10,\r\n"y": 1e400, "id": [1]},\n {"a": "é\\n,]"}\t]\n'
  expect(rows(text, 'json')).toEqual(['{"id": 9007199254740993, "x": 1.10,  "y": 1e400, "id": [1]}', '{"a": "é\\n,]"}'])
})

test('an event that is nested without end is a row like others', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  expect(rows(`[1,${deep},{"a":2}]`, 'json')).toEqual(['1', deep, '{"a":2}'])
})

test('one object is one event; what is no event stays a row, for its verdict', () => {
  expect(rows('\uFEFF{"a":1}', 'json')).toEqual(['{"a":1}'])
  expect(rows(' [ ]', 'json')).toEqual([])
  expect(rows('[1,null,[2]]', 'json')).toEqual(['1', 'null', '[2]'])
})

test('NDJSON keeps its rows as they came', () => {
  expect(rows('{"a": 1.0}\r\n\r\n[1]\nno', 'ndjson')).toEqual(['{"a": 1.0}', '[1]', 'no'])
})

test('a body that is not JSON or not text is refused with advice', () => {
  expect(() => rows('[{"a":1}', 'json')).toThrow(/the body is not valid JSON: .*x-ndjson/)
  expect(() => rows(Buffer.from([0x22, 0xff, 0x22]), 'json')).toThrow(/not UTF-8/)
  expect(() => rows('', 'json')).toThrow(BodyError)
})

test('limits are checked by name, the bytes before parsing', () => {
  expect(() => rows('[nonsense that is never parsed', 'json', { bodyBytesMax: 10 })).toThrow(
    /30 bytes in one request, but the limit requestBytesMax is 10/,
  )
  expect(() => rows('[1,2,3]', 'json', { rowsMax: 2 })).toThrow(OfferTooLargeError)
  expect(() => rows('1\n2\n3\n', 'ndjson', { rowsMax: 2 })).toThrow(/limit requestRowsMax is 2/)
})

test('an array of too many events is refused before it is parsed', () => {
  const parse = vi.spyOn(JSON, 'parse')
  expect(() => rows(`\uFEFF [${'0,'.repeat(1_000_000)}0]`, 'json', { rowsMax: 50 })).toThrow(
    /51 events in one request, but/,
  )
  expect(parse).not.toHaveBeenCalled()
  parse.mockRestore()
})

test('only the events of an array count, whatever is in them', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), fc.constantFrom(undefined, 2), (events, space) => {
      const text = JSON.stringify(events, null, space)
      const found = rows(text, 'json', { rowsMax: events.length })
      expect(found.map((row) => JSON.parse(row))).toEqual(JSON.parse(text))
      expect(found.some((row) => /[\r\n]/.test(row))).toBe(false)
      expect(() => rows(text, 'json', { rowsMax: events.length - 1 })).toThrow(OfferTooLargeError)
    }),
  )
  const hard = ['"],[{', '\\', '\\"', [1, [2, 3]], { ',': ',"' }]
  expect(rows(JSON.stringify(hard), 'json', { rowsMax: 5 })).toHaveLength(5)
  expect(rows('{"a":1,"b":2,"c":3}', 'json', { rowsMax: 1 })).toHaveLength(1)
})
