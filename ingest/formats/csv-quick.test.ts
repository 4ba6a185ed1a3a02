/** Law: records take the fast path or the slow one, and become the same. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CSV_DELIMITERS, CsvSplitter } from './csv.ts'
import type { NumberedRecord } from './records.ts'

const COLUMNS = ['a', 'b "c"', 'é', 'z']
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
  '\n',
  '\u0001',
  'é',
  '𝕏',
  '\u007f',
  ' ',
)
const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''))
const field = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('', '1.5', 'plain text', '"quoted, text; of\tall|"', '""', 'ü') },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: text.map((inner) => `"${inner}"`) },
)
const record = fc.array(field, { minLength: 2, maxLength: 4 })

/** What the record became; with `ends`, whether its values end where they are said to. */
function told({ number, through, bytes, fault, flat }: NumberedRecord) {
  if (flat !== undefined) {
    const values = flat.shape.names.map((_, at) => {
      const from = (at === 0 ? 0 : flat.ends[at - 1]!) + flat.shape.keyBytes[at]!
      return JSON.parse(bytes!.toString('utf8', from, flat.ends[at]))
    })
    expect(values).toEqual(Object.values(JSON.parse(bytes!.toString())))
  }
  return { number, through, text: bytes?.toString('latin1'), fault }
}

function split(text: Buffer, delimiter: string, decimalComma: readonly string[] = []) {
  const splitter = new CsvSplitter(1_000, { delimiter, columns: COLUMNS, decimalComma })
  const records: ReturnType<typeof told>[] = []
  let quick = 0
  for (const from of [splitter.push(text), splitter.end(false)])
    for (const each of from) {
      records.push(told(each))
      if (each.flat !== undefined) quick++
    }
  return { records, quick }
}

test('any text', () => {
  let quick = 0
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 6 }),
      fc.constantFrom(...CSV_DELIMITERS),
      fc.constantFrom('\n', '\r\n'),
      fc.option(fc.tuple(fc.nat(200), fc.constantFrom(0xff, 0xc3, 0x22))),
      (records, delimiter, newline, damage) => {
        const lines = records.map((fields) => `${fields.join(delimiter)}${delimiter}end`)
        const bytes = Buffer.from(lines.join(newline))
        if (damage !== null && damage[0] < bytes.length) bytes[damage[0]] = damage[1]
        const found = split(bytes, delimiter)
        // A column whose numbers have a decimal comma makes every record take the slow path.
        expect(found.records).toEqual(split(bytes, delimiter, ['z']).records)
        quick += found.quick
      },
    ),
    { numRuns: 2_000 },
  )
  expect(quick).toBeGreaterThan(200)
})
