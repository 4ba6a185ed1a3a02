import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { BodyError } from './bodies/body-error.ts'
import { checkRow } from './check-row.ts'
import { textsOf, visit, visits } from './ingest-fixture.ts'
import { OfferTooLargeError } from './ingest-limits.ts'
import { rowsOfBody } from './parse-body.ts'

const rows = async (text: string | Buffer, format: 'json' | 'ndjson', limits = {}): Promise<string[]> =>
  textsOf(await rowsOfBody(Buffer.from(text), format, limits))

test('a JSON array becomes one line per event, each as it was written', async () => {
  const text = ' [{"id": 9007199254740993, "x": 1.10,\r\n"y": 1e400, "id": [1]},\n {"a": "é\\n,]"}\t]\n'
  expect(await rows(text, 'json')).toEqual([
    '{"id": 9007199254740993, "x": 1.10,  "y": 1e400, "id": [1]}',
    '{"a": "é\\n,]"}',
  ])
})

test('a name that occurs twice is rejected in an array as it is in NDJSON', async () => {
  const event = visit(1).replace('{', '{"id":2,')
  for (const list of [await rows(`[${event}]`, 'json'), await rows(event, 'ndjson')])
    expect(list.map((row) => checkRow(visits, Buffer.from(row), Date.UTC(2026, 0)))).toEqual([
      { ok: false, reason: 'the name "id" occurs twice in one object' },
    ])
})

test('an event that is nested without end is a row like others', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  expect(await rows(`[1,${deep},{"a":2}]`, 'json')).toEqual(['1', deep, '{"a":2}'])
})

test('one object is one event; what is no event stays a row, for its verdict', async () => {
  expect(await rows('\uFEFF{"a":1}', 'json')).toEqual(['{"a":1}'])
  expect(await rows(' [ ]', 'json')).toEqual([])
  expect(await rows('[1,null,[2]]', 'json')).toEqual(['1', 'null', '[2]'])
})

test('NDJSON keeps its rows as they came', async () => {
  expect(await rows('{"a": 1.0}\r\n\r\n[1]\nno', 'ndjson')).toEqual(['{"a": 1.0}', '[1]', 'no'])
})

test('a body that is not JSON or not text is refused with advice', async () => {
  await expect(rows('[{"a":1}', 'json')).rejects.toThrow(/the body is not valid JSON: .*x-ndjson/)
  await expect(rows(Buffer.from([0x22, 0xff, 0x22]), 'json')).rejects.toThrow(/not UTF-8/)
  await expect(rows('', 'json')).rejects.toThrow(BodyError)
})

test('limits are checked by name, the bytes before parsing', async () => {
  await expect(rows('[nonsense that is never parsed', 'json', { bodyBytesMax: 10 })).rejects.toThrow(
    /30 bytes in one request, but the limit requestBytesMax is 10/,
  )
  await expect(rows('[1,2,3]', 'json', { rowsMax: 2 })).rejects.toThrow(OfferTooLargeError)
  await expect(rows('1\n2\n3\n', 'ndjson', { rowsMax: 2 })).rejects.toThrow(/limit requestRowsMax is 2/)
})

test('an array of too many events is refused before it is parsed', async () => {
  const parse = vi.spyOn(JSON, 'parse')
  await expect(rows(`\uFEFF [${'0,'.repeat(1_000_000)}0]`, 'json', { rowsMax: 50 })).rejects.toThrow(
    /51 events in one request, but/,
  )
  expect(parse).not.toHaveBeenCalled()
  parse.mockRestore()
})

test('a body of brackets is one row, and nothing of it is parsed', async () => {
  const levels = 8 * 2 ** 20 - 50
  const body = Buffer.alloc(2 * levels, '[').fill(']', levels)
  const parse = vi.spyOn(JSON, 'parse')
  const object = Buffer.from(`${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`)
  expect(await rowsOfBody(body, 'json')).toMatchObject({ starts: [1], ends: [body.length - 1] })
  expect(await rowsOfBody(object, 'json')).toMatchObject({ starts: [0], ends: [object.length] })
  await expect(rowsOfBody(body.subarray(0, levels), 'json')).rejects.toThrow(/the array is not closed/)
  expect(parse).not.toHaveBeenCalled()
  parse.mockRestore()
})

test.each([
  ['[1,2', /the array is not closed/],
  ['[1,2}', /closed by a brace/],
  ['[1,,2]', /expected a value at byte 3/],
  ['[1,2,]', /expected a value at byte 5/],
  ['[1] 2', /more text follows the array at byte 4/],
  ['[1]]', /more text follows/],
  ['["a]', /the array is not closed/],
  ['[{"a":1]}', /closed by a brace/],
  ['[1, 2 3]', /event 1: .*position 2/],
  ['[1, {"a":"x\n"}]', /event 1: Bad control character/],
  ['[[[', /the array is not closed/],
])('%j is refused as a whole: nothing of it is offered', async (text, why) => {
  await expect(rows(text, 'json')).rejects.toThrow(BodyError)
  await expect(rows(text, 'json')).rejects.toThrow(why)
})

test('an array is taken apart exactly where JSON.parse would take it apart', async () => {
  const piece = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '"',
    '\\',
    ' ',
    '\n',
    '1',
    'true',
    '"a"',
    '"a":',
    '{}',
    '[]',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const text = `[${pieces.join('')}]`
      let whole: unknown[] | null = null
      try {
        whole = JSON.parse(text) as unknown[]
      } catch {}
      if (whole === null) await expect(rows(text, 'json')).rejects.toThrow(BodyError)
      else expect((await rows(text, 'json')).map((row) => JSON.parse(row))).toEqual(whole)
    }),
    { numRuns: 2_000 },
  )
})

test('others have their turn while a large body is parsed', async () => {
  let isTheirs = false
  setImmediate(() => {
    isTheirs = true
  })
  const events = Array.from({ length: 30 }, () => `[${'[],'.repeat(30_000)}1]`)
  expect(await rows(`[${events.join(',')}]`, 'json')).toEqual(events)
  expect(isTheirs).toBe(true)
})

test('only the events of an array count, whatever is in them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue(), { minLength: 1 }),
      fc.constantFrom(undefined, 2),
      async (events, space) => {
        const text = JSON.stringify(events, null, space)
        const found = await rows(text, 'json', { rowsMax: events.length })
        expect(found.map((row) => JSON.parse(row))).toEqual(JSON.parse(text))
        expect(found.some((row) => /[\r\n]/.test(row))).toBe(false)
        await expect(rows(text, 'json', { rowsMax: events.length - 1 })).rejects.toThrow(OfferTooLargeError)
      },
    ),
  )
  const hard = ['"],[{', '\\', '\\"', [1, [2, 3]], { ',': ',"' }]
  expect(await rows(JSON.stringify(hard), 'json', { rowsMax: 5 })).toHaveLength(5)
  expect(await rows('{"a":1,"b":2,"c":3}', 'json', { rowsMax: 1 })).toHaveLength(1)
})
