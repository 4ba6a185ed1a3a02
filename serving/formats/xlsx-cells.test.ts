/** What a spreadsheet keeps of a value is a value; everything else is a text, without loss. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ColumnKind, columnKind } from './column-kinds.ts'
import { cellOf, XLSX_TEXT_MAX, xmlText } from './xlsx-cells.ts'

/** The cell in short: a number, or a text in quotes. */
function shown(kind: ColumnKind, text: string): string {
  const { type, content } = cellOf(kind, 'c')(text)
  const inside = content.replace(/<[^>]*>/g, '')
  return type === 'inlineStr' ? `'${inside}'` : inside
}

test.each([
  ['BIGINT', '999999999999999', '999999999999999'],
  ['BIGINT', '-999999999999999', '-999999999999999'],
  ['BIGINT', '1000000000000000', "'1000000000000000'"],
  ['HUGEINT', '-170141183460469231731687303715884105727', "'-170141183460469231731687303715884105727'"],
  ['INTEGER', '0', '0'],
  ['DECIMAL(12,2)', '-1234567890.05', '-1234567890.05'],
  ['DECIMAL(18,4)', '12345678901.2300', '12345678901.23'],
  ['DECIMAL(18,4)', '123456789012.3456', "'123456789012.3456'"],
  ['DECIMAL(18,17)', '0.00000000000000012', '1.2e-16'],
  ['DOUBLE', '0.1', '0.1'],
  ['DOUBLE', '0.30000000000000004', '0.30000000000000004'],
  ['DOUBLE', '5e-324', "'5e-324'"],
  ['DOUBLE', '-0.0', '0'],
  ['BOOLEAN', 'false', '0'],
  ['TIMESTAMP', '2026-01-31T12:00:00.000Z', '46053.5'],
  ['TIMESTAMP', '2026-01-31T12:00:00.000001Z', "'2026-01-31T12:00:00.000001Z'"],
  ['TIMESTAMP', '1900-02-28T23:59:59.999Z', "'1900-02-28T23:59:59.999Z'"],
  ['DATE', '1900-03-01', '61'],
  ['DATE', '9999-12-31', '2958465'],
  ['DATE', '12026-01-31', "'12026-01-31'"],
  ['DATE', '0044-03-15 (BC)', "'0044-03-15 (BC)'"],
  ['BIGINT[]', '[1,2]', "'[1,2]'"],
  ['VARCHAR', '=1+1', "'=1+1'"],
  ['VARCHAR', '0042', "'0042'"],
  ['VARCHAR', 'a<b>&"c"', `'a&lt;b&gt;&amp;"c"'`],
  ['VARCHAR', '\u0001\r\n\t\uffff', "'_x0001__x000D_\n\t_xFFFF_'"],
  ['VARCHAR', '_x0041_', "'_x005F_x0041_'"],
])('%s %s', (type, text, cell) => {
  expect(shown(columnKind(type), text)).toBe(cell)
})

test('a text that is too long for a cell is refused, with the name of its column', () => {
  const cell = cellOf({ kind: 'text' }, 'note')
  expect(cell('x'.repeat(XLSX_TEXT_MAX)).type).toBe('inlineStr')
  expect(() => cell('x'.repeat(XLSX_TEXT_MAX + 1))).toThrow(
    'note: a text has 32768 characters, and a cell of a spreadsheet at most xlsxTextMax = 32767',
  )
})

test('every text can be told from its XML, by the rule of the standard', () => {
  const piece = fc.constantFrom(
    ...['_', 'x', '0041', '_x0041', '_x005F_', '_xfffe_', '&', '&lt;', '<', 'é', '😀', ' '],
    ...['\u0001', '\u001f', '\r', '\n', '\t', '\ufffe'],
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('')
      const xml = xmlText(text)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML holds none of them
      expect(xml).not.toMatch(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff<>]/)
      const plain = xml.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
      const read = plain.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      )
      expect(read).toBe(text)
    }),
  )
})
