/** What does not fit into a sheet is refused; what is long goes on in the next cell. */
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { provenanceXml, rowsXml, XLSX_ROWS_MAX } from './xlsx-sheets.ts'

const COLUMNS = [{ name: 'n', type: 'BIGINT' }]

test('rows have numbers and cells have places; a missing value has no cell', async () => {
  const columns = Array.from({ length: 28 }, (_, at) => ({ name: `c${at}`, type: 'BIGINT' }))
  const row = columns.map((_, at) => (at < 26 ? null : String(at)))
  const xml = await text(rowsXml(columns, [[row], [row]]))
  expect(xml).toContain('<row r="2"><c r="AA2" s="5" t="n"><v>26</v></c><c r="AB2" s="5" t="n"><v>27</v></c></row>')
  expect(xml).toContain('<row r="3"><c r="AA3"')
})

test('more rows than a sheet holds are refused', async () => {
  const batches = [[['1']], Array<[null]>(XLSX_ROWS_MAX).fill([null])]
  await expect(text(rowsXml(COLUMNS, batches))).rejects.toMatchObject({
    field: 'limit',
    message: expect.stringContaining('xlsxRowsMax = 1048575'),
  })
})

test('the provenance keeps the digits of numbers, and every character of long values', () => {
  const long = '😀'.repeat(40_000)
  const meta = `{"exact":true,"position":[1,2],"asOf":null,"outOf":15,"totals":{"sum":9007199254740993},"note":${JSON.stringify(long)}}`
  const xml = provenanceXml(meta)
  expect(xml).toContain('>[1,2]<')
  expect(xml).toContain('>{"sum":9007199254740993}<')
  expect(xml).toContain('<c r="B5" s="0" t="n"><v>15</v></c>')
  const texts = [...xml.matchAll(/<t [^>]*>([^<]*)<\/t>/g)].map(([, content]) => content!)
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(32_767)
  expect(texts.slice(texts.indexOf('note') + 1).join('')).toBe(long)
})
