import fc from 'fast-check'
import papa from 'papaparse'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CsvBody } from '#core/body-format.ts'
import { openScratch, type Scratch, textsOf, visits } from '../ingest-fixture.ts'
import { OfferTooLargeError } from '../ingest-limits.ts'
import { Intake } from '../intake.ts'
import { rowsOfBody } from '../parse-body.ts'
import { BodyError } from './body-error.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await openScratch(1)
})
afterEach(() => scratch.remove())

const CSV: CsvBody = { kind: 'csv', delimiter: ',' }
const rows = (text: string | Buffer, format = CSV, limits = {}) => rowsOfBody(Buffer.from(text), format, limits)

test('a record becomes the JSON that the log keeps; bad ones are rejected by their line, and the others are taken', async () => {
  const body =
    'id,at,note\r\n1,1700000000000,"a, ""b""\nc"\r\n2,1700000000000\r\n\r\n3,1700000000000,"x"y\r\nx,1700000000000,\r\n4,1700000000000,\r\n'
  const offered = await new Intake({ dataset: visits, log: scratch.log }).offer(await rows(body), {
    verdicts: 'rejected',
  })
  expect(offered.accepted).toBe(2)
  expect(offered.verdicts).toEqual([
    { index: 1, line: 4, status: 'rejected', reason: 'it has 2 fields, and the header names 3 columns' },
    { index: 2, line: 6, status: 'rejected', reason: 'text follows the closing quote of a field' },
    { index: 3, line: 7, status: 'rejected', reason: expect.stringMatching(/^id \(\$\.id\): /) },
  ])
  expect([...(await scratch.records()).values()].map(String)).toEqual([
    '{"id":"1","at":"1700000000000","note":"a, \\"b\\"\\nc"}',
    '{"id":"4","at":"1700000000000","note":null}',
  ])
})

test('other delimiters, given columns and decimal commas', async () => {
  const format: CsvBody = { kind: 'csv', delimiter: ';', columns: ['id', 'price'], decimalComma: ['price'] }
  expect(textsOf(await rows('1;1.234,5\n', format))).toEqual(['{"id":"1","price":"1234.5"}'])
})

test('what a CSV library reads is what is taken, for any texts', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', ' ', '7') })
  const table = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(table, async (records) => {
      const text = papa.unparse({ fields: ['a', 'b', 'c'], data: records }, { quotes: true, newline: '\n' })
      const found = textsOf(await rows(text)).map((row) => Object.values(JSON.parse(row)))
      expect(found).toEqual(records.map((record) => record.map((value) => (value === '' ? null : value))))
    }),
  )
})

test.each([
  ['', /it has no header line/],
  ['a,a\n1,2', /two columns are named 'a'/],
])('%j is refused as a whole', async (text, why) => {
  await expect(rows(text)).rejects.toThrow(BodyError)
  await expect(rows(text)).rejects.toThrow(why)
})

test('a long column name counts in every row', async () => {
  const body = `${'n'.repeat(100_000)}\n${'1\n'.repeat(1_000)}`
  await expect(rows(body)).rejects.toThrow(/the events of the body as JSON: \d+ bytes.*requestBytesMax/)
  await expect(rows('a\n1\n2\n3\n', CSV, { rowsMax: 2 })).rejects.toThrow(OfferTooLargeError)
})

test('a record that is too long is rejected by itself', async () => {
  const found = await rows(`a\n1\n${'x'.repeat(300_000)}\n2\n`, CSV, { recordBytesMax: 1_000 })
  expect(found.faults).toEqual(new Map([[1, 'the record is longer than recordBytesMax = 1000 bytes']]))
  expect(found.lines).toEqual([2, 3, 4])
})

test('a body of quotes that are not balanced is refused after bounded work', async () => {
  const body = `a,b\n${'x","y\n'.repeat(1_000_000)}`
  await expect(rows(body)).rejects.toThrow(/too many quotes are not balanced, up to line \d+; is the delimiter right/)
})

test('columns with a decimal comma that are not among the given ones are a fault of the body', async () => {
  const format: CsvBody = { kind: 'csv', delimiter: ',', columns: ['id'], decimalComma: ['price'] }
  await expect(rows('1', format)).rejects.toMatchObject({
    name: 'BodyError',
    message: expect.stringContaining("no column 'price'"),
  })
})
