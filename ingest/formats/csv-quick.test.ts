/** Law: what the fast path makes of a record is what its fields are, as papaparse reads them. */
import fc from 'fast-check'
import papa from 'papaparse'
import { expect, test } from 'vitest'
import { CSV_DELIMITERS } from './csv.ts'
import { QuickCsv } from './csv-quick.ts'

const COLUMNS = ['a', 'b "c"', 'é']
const part = fc.constantFrom(
  '',
  'a',
  '7',
  'x y',
  '"',
  '""',
  '\\',
  ',',
  ';',
  '\t',
  '|',
  '\r',
  '\u0001',
  'é',
  '𝕏',
  '\u007f',
)
const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''))
const field = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('', '1.5', 'plain text', '"quoted, text; of all|"', '""', 'ü', 'x'.repeat(70)),
  },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: text.map((inner) => `"${inner}"`) },
)

/** null: it is not one record of so many fields */
function eventOf(record: string, delimiter: string): string | null {
  const { data } = papa.parse<string[]>(record, { delimiter, newline: '\n' })
  const [fields] = data
  if (data.length !== 1 || fields?.length !== COLUMNS.length) return null
  return JSON.stringify(Object.fromEntries(COLUMNS.map((name, at) => [name, fields[at] || null])))
}

test('any record', () => {
  const quick = new Map(CSV_DELIMITERS.map((delimiter) => [delimiter, QuickCsv.of(COLUMNS, delimiter)!]))
  let made = 0
  fc.assert(
    fc.property(
      fc.array(field, { minLength: 2, maxLength: 4 }),
      fc.constantFrom(...CSV_DELIMITERS),
      (fields, delimiter) => {
        const record = fields.join(delimiter)
        const { shape, ends } = quick.get(delimiter)!
        const event = quick.get(delimiter)!.eventOf(Buffer.from(record))?.toString('latin1') ?? null
        if (event === null) return
        made++
        const bytes = Buffer.from(event, 'latin1')
        expect(bytes.toString()).toBe(eventOf(record, delimiter))
        const values = COLUMNS.map((_, at) =>
          JSON.parse(bytes.toString('utf8', (ends[at - 1] ?? 0) + shape.keyBytes[at]!, ends[at])),
        )
        expect(values).toEqual(Object.values(JSON.parse(bytes.toString())))
      },
    ),
    { numRuns: 4_000 },
  )
  expect(made).toBeGreaterThan(400)
})

test.each([
  ['an ordinary record', 'a,,"b, c"', true],
  ['a quote in quotes', '"a""b",,', false],
  ['a quote within a field', 'a"b,,', false],
  ['a byte that JSON escapes', 'a\\b,,', false],
  ['a field too few', 'a,', false],
  ['a field too many', 'a,,,', false],
])('%s', (_what, record, isMade) => {
  expect(QuickCsv.of(COLUMNS, ',')!.eventOf(Buffer.from(record)) !== null).toBe(isMade)
})

test('bytes that are not UTF-8, and delimiters that are not one byte, are left to the slow path', () => {
  expect(QuickCsv.of(COLUMNS, ',')!.eventOf(Buffer.from([0x61, 0x2c, 0xff, 0x2c]))).toBeNull()
  expect(QuickCsv.of(COLUMNS, '§')).toBeNull()
  const tabs = QuickCsv.of(COLUMNS, '\t')!
  expect(tabs.eventOf(Buffer.from('"a\tb"\t\t'))).toBeNull()
})
