import fc from 'fast-check'
import papa from 'papaparse'
import { expect, test } from 'vitest'
import { CSV_DELIMITERS, type CsvOptions, CsvSplitter } from './csv.ts'
import type { NumberedRecord } from './records.ts'

interface Told {
  readonly number: number
  readonly event?: unknown
  readonly fault?: string
  readonly text?: string
}

const told = ({ number, bytes, fault }: NumberedRecord): Told => {
  if (bytes === null) return { number, fault: 'too long' }
  return fault === undefined
    ? { number, event: JSON.parse(bytes.toString()) }
    : { number, fault, text: bytes.toString() }
}

function split(text: string | Buffer, options: CsvOptions & { max?: number; chunkBytes?: number } = {}): Told[] {
  const bytes = Buffer.from(text)
  const { max = 1_000, chunkBytes = 3, delimiter = ',' } = options
  const splitter = new CsvSplitter(max, { ...options, delimiter })
  const found: Told[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes)
    for (const record of splitter.push(bytes.subarray(at, at + chunkBytes))) found.push(told(record))
  for (const record of splitter.end(false)) found.push(told(record))
  return found
}

test('however the chunks fall, the fields are those that were written', () => {
  const field = fc
    .array(fc.constantFrom('a', '7', '"', ',', ';', '\t', '|', '\n', '\r\n', 'é', ' ', '\u2028'), { maxLength: 6 })
    .map((parts) => parts.join(''))
  const rows = fc.array(fc.tuple(field, field, field), { maxLength: 12 })
  const newline = fc.constantFrom('\n' as const, '\r\n' as const)
  const written = fc.record({
    rows,
    newline,
    delimiter: fc.constantFrom(...CSV_DELIMITERS),
    chunkBytes: fc.integer({ min: 1, max: 9 }),
    mark: fc.constantFrom('', '\uFEFF'),
    quotes: fc.boolean(),
  })
  fc.assert(
    fc.property(written, ({ rows, newline, delimiter, chunkBytes, mark, quotes }) => {
      // A row of nothing but empty fields is written like one of delimiters, which is not blank.
      const fields = ['key "x"', 'b', 'c']
      const text = mark + papa.unparse({ fields, data: rows }, { delimiter, newline, quotes })
      const expected = rows.map((row) => Object.fromEntries(fields.map((name, at) => [name, row[at] || null])))
      const isBlank = (row: readonly string[]): boolean =>
        delimiter === '\t' && !quotes && row.every((value) => value === '')
      expect(split(text, { delimiter, chunkBytes }).map(({ event }) => event)).toEqual(
        expected.filter((_, at) => !isBlank(rows[at]!)),
      )
    }),
    { numRuns: 500 },
  )
})

test('a record has the number of the line where it begins, and blank lines count', () => {
  expect(split('\na,b\n\n1,"x\ny"\r\n2,z')).toEqual([
    { number: 4, event: { a: '1', b: 'x\ny' } },
    { number: 6, event: { a: '2', b: 'z' } },
  ])
})

test('an odd record is named with its line and text, and the records around it are taken', () => {
  expect(split('a,b\n1,x\n2\n3,y,z\n4,"x" y\n5,5" disk\n6,z\n')).toEqual([
    { number: 2, event: { a: '1', b: 'x' } },
    { number: 3, fault: 'it has 1 fields, and the header names 2 columns', text: '2' },
    { number: 4, fault: 'it has 3 fields, and the header names 2 columns', text: '3,y,z' },
    { number: 5, fault: 'text follows the closing quote of a field', text: '4,"x" y' },
    { number: 6, event: { a: '5', b: '5" disk' } },
    { number: 7, event: { a: '6', b: 'z' } },
  ])
  const latin = Buffer.concat([Buffer.from('a,b\n1,'), Buffer.from([0xe9]), Buffer.from('\n2,x')])
  expect(split(latin).map(({ number, fault }) => [number, fault])).toEqual([
    [2, 'it is not UTF-8 text'],
    [3, undefined],
  ])
})

test('an odd record that ends a chunk or the text keeps its bytes and its own reason', () => {
  const fault = 'text follows the closing quote of a field'
  expect(split('a,b\n1,"x" y')).toEqual([{ number: 2, fault, text: '1,"x" y' }])
  const part = fc.constantFrom('a', ',', '"', '""', '"x"y', '\n', '\r\n', 'é')
  const text = fc.array(part, { maxLength: 30 }).map((parts) => `a,b\n${parts.join('')}`)
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (given, chunkBytes) => {
      expect(split(given, { chunkBytes })).toEqual(split(given, { chunkBytes: 1_000 }))
    }),
    { numRuns: 500 },
  )
})

test('a quote that is never closed costs its own line, and no other', () => {
  const rest = Array.from({ length: 400 }, (_, at) => `${at},x\n`).join('')
  const found = split(`a,b\n1,"x\n${rest}`, { chunkBytes: 50 })
  expect(found[0]).toEqual({ number: 2, fault: 'a quote is opened and never closed', text: '1,"x' })
  expect(found).toHaveLength(401)
  expect(found.at(-1)).toEqual({ number: 402, event: { a: '399', b: 'x' } })
})

test('a record that is longer than the limit is reported, and its bytes are not kept', () => {
  const long = 'x'.repeat(5_000)
  expect(split(`a,b\n1,${long}\n2,y\n3,${long}`, { max: 20, chunkBytes: 7 })).toEqual([
    { number: 2, fault: 'too long' },
    { number: 3, event: { a: '2', b: 'y' } },
    { number: 4, fault: 'too long' },
  ])
  expect(split(`a,b\n1,"${'y\n'.repeat(50)}"\n2,z\n`, { max: 20 }).at(-1)).toEqual({
    number: 53,
    event: { a: '2', b: 'z' },
  })
})

test('numbers with a decimal comma are converted where the column is named', () => {
  const options = { delimiter: ';', decimalComma: ['n'] }
  expect(
    split('n;t\n-3,5;1,5\n1.234,50;x\n+1.234;x\n,5;x\nabc;x\n0.123;x\n0,123;x\n', options).map(({ event }) => event),
  ).toEqual([
    { n: '-3.5', t: '1,5' },
    { n: '1234.50', t: 'x' },
    { n: '+1234', t: 'x' },
    { n: '.5', t: 'x' },
    { n: 'abc', t: 'x' },
    { n: '0.123', t: 'x' },
    { n: '0.123', t: 'x' },
  ])
  expect(() => split('a;b\n1;2\n', options)).toThrow(
    "no column 'n' for numbers with a decimal comma; its columns are a, b",
  )
})

test('columns can be named if there is no header; an empty name in a header is replaced, and a repeated name is refused', () => {
  expect(split('1,x\n', { columns: ['a', 'b'] })).toEqual([{ number: 1, event: { a: '1', b: 'x' } }])
  expect(split(',b\n1,x\n')).toEqual([{ number: 2, event: { column1: '1', b: 'x' } }])
  expect(() => split('a,a\n1,x\n')).toThrow("two columns are named 'a'")
  expect(() => split('')).toThrow('it has no header line')
})

test('of an input that is left before its end, the record that had not ended is not taken', () => {
  const splitter = new CsvSplitter(100, { delimiter: ',' })
  expect([...splitter.push(Buffer.from('a,b\n1,2\n3,4'))].map(told)).toEqual([{ number: 2, event: { a: '1', b: '2' } }])
  expect([...splitter.end(true)].map(told)).toEqual([{ number: 3, fault: 'it had not ended', text: '3,4' }])
})
