/** Numbers in texts with a decimal comma or separators of thousands: what decides between the two, and what is drafted. */
import { expect, test } from 'vitest'
import { DEFINITION_LIMITS } from '#core/definition-limits.ts'
import { type ColumnDraft, draftColumns } from './column-draft.ts'
import { draftDataset } from './dataset-draft.ts'
import { decimalCommas } from './number-notation.ts'
import { plainNumber } from './numeral.ts'
import { Survey } from './survey.ts'

type Columns = Readonly<Record<string, readonly unknown[]>>

function surveyOf(columns: Columns): Survey {
  const survey = new Survey()
  const rows = Math.max(...Object.values(columns).map(({ length }) => length))
  for (let at = 0; at < rows; at++)
    survey.add(Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at] ?? null])))
  return survey
}

function drafted(columns: Columns, delimiter: string | null = null): readonly ColumnDraft[] {
  return draftColumns(surveyOf(columns), new Set(), { delimiter, decimalComma: [], guessed: new Map() }).columns
}

const typesOf = (columns: readonly ColumnDraft[]): object =>
  Object.fromEntries(columns.map(({ name, type, as }) => [name, as === undefined ? type : `${type} as ${as}`]))

test.each([
  ['1,234', '1234', '1.234'],
  ['1.234', '1.234', '1234'],
  ['-1,234,567', '-1234567', null],
  ['1.234.567', null, '1234567'],
  ['1,234.50', '1234.50', null],
  ['1.234,50', null, '1234.50'],
  ['1,5', null, '1.5'],
  ['0,123', null, '0.123'],
  ['1234,567', null, '1234.567'],
  ['1234.567', '1234.567', null],
  ['+12', '+12', '+12'],
  ['1,23,456', '123456', null],
  ['12,345,6', null, null],
  ['192.168.100.200', null, null],
  ['1,234 m', null, null],
])('%s with a decimal point is %s, with a decimal comma %s', (text, point, comma) => {
  expect([plainNumber(text, 'point'), plainNumber(text, 'comma')]).toEqual([point, comma])
})

test.each<[string, Columns, string | null, Record<string, string | null>]>([
  ['a value with fewer or more digits behind the comma', { a: ['1,234', '1,5'] }, ';', { a: null }],
  ['several points', { a: ['1.234', '1.234.567'] }, '\t', { a: null }],
  ['a value with both separators', { a: ['1.234,50', '7'] }, '|', { a: null }],
  ['another column', { a: ['1.234', '2.001'], b: ['10.500,50', '1'] }, ';', { a: '1.234', b: null }],
  ['another column, against the delimiter', { a: ['1,234'], b: ['3,5'] }, ',', { a: '1,234', b: null }],
  ['the delimiter', { a: ['1,234', '950'] }, ',', {}],
  ['the column itself, which has thousands', { a: ['1,234', '1,234,567'] }, ';', {}],
  ['another column with decimal points', { a: ['1,234'], b: ['3.5'] }, ';', {}],
  ['nothing', { a: ['1,234', '2,001'], b: ['x', 'y'] }, ';', {}],
  ['columns that contradict each other', { a: ['1,234'], b: ['3.5'], c: ['3,5'] }, ';', { c: null }],
  ['a column that has other texts', { a: ['1,234', '2,001'], b: ['1,5', 'x'] }, ';', {}],
  ['a name that the flag cannot give', { 'a, EUR': ['1,5'], column2: ['1,5'] }, ';', {}],
])('decimal commas of CSV are decided by %s', (_what, columns, delimiter, found) => {
  expect(Object.fromEntries(decimalCommas(surveyOf(columns).fields.values(), delimiter))).toEqual(found)
})

test('thousands become a derived column of the type of their numbers, beside the text', () => {
  expect(typesOf(drafted({ visitors: ['1,234', '950', '2,001'] }, ','))).toEqual({
    visitors_text: 'VARCHAR',
    visitors: "BIGINT as replace(visitors_text, ',', '')",
  })
  expect(typesOf(drafted({ visitors: ['1,234', '1,234,567'], visitors_text: ['x'] }, ';'))).toEqual({
    visitors_text: 'VARCHAR',
    visitors: "BIGINT as replace(visitors_text, ',', '')",
    visitors_text_value: 'VARCHAR',
  })
  expect(typesOf(drafted({ a: ['1,234.50', 7, null] }))).toEqual({
    a_text: 'VARCHAR',
    a: "DECIMAL(18,2) as replace(a_text, ',', '')",
  })
})

test('decimal commas that no flag converts become a derived column, too', () => {
  expect(typesOf(drafted({ a: ['1,5', '1.234,50'], b: ['1.234', '2.001'] }))).toEqual({
    a_text: 'VARCHAR',
    a: "DECIMAL(18,2) as replace(replace(a_text, '.', ''), ',', '.')",
    b_text: 'VARCHAR',
    b: "BIGINT as replace(replace(b_text, '.', ''), ',', '.')",
  })
})

test('what was guessed says why, and what nothing decides is said', () => {
  const doubtOf = (columns: Columns, delimiter: string | null): string =>
    drafted(columns, delimiter)
      .flatMap(({ doubts }) => doubts)
      .join('; ')
  expect(doubtOf({ a: ['1,234', '950'] }, ',')).toMatch(
    /separators of thousands \(1,234\), because the delimiter is a comma/,
  )
  expect(doubtOf({ a: ['1,234', '7,654,321'] }, ';')).toBe(
    'its numbers are read as having separators of thousands (1,234)',
  )
  expect(doubtOf({ a: ['1,234', '950'] }, ';')).toMatch(
    /\(1,234\) have a decimal comma or separators of thousands, and no other value decides; they stay texts: .*--decimal-comma 'a'/,
  )
  expect(doubtOf({ a: ['1,234', '950'] }, null)).toMatch(/they stay texts: .*replace\(a, ',', ''\)/)
  expect(doubtOf({ a: ['1.234', '950'] }, ';')).toMatch(
    /\(1\.234\) are read with a decimal point, but .*--decimal-comma 'a'/,
  )
  expect(doubtOf({ a: ['1.234', '950'] }, null)).toMatch(/are read with a decimal point, but .*replace\(a, '\.', ''\)/)
  expect(doubtOf({ a: ['1.234', '950'] }, ',')).toBe('')
  expect(doubtOf({ a: ['1.234', '1.5'] }, ';')).toBe('')
  expect(doubtOf({ a: [1.234, 950] }, null)).toBe('')
  expect(doubtOf({ a: [['1,234'], ['1,5']] }, null)).toMatch(/a decimal comma \(1,234\) and stay texts: .*list/)
  expect(typesOf(drafted({ a: ['1,234', '950'] }, ';'))).toEqual({ a: 'VARCHAR' })
  expect(typesOf(drafted({ a: ['1.234', '950'] }, ';'))).toEqual({ a: 'DECIMAL(18,3)' })
})

test('derived columns are no more than a definition has room for', () => {
  const columns = drafted(Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`n${at}`, ['1,234,567']])), ',')
  expect(columns).toHaveLength(DEFINITION_LIMITS.columnsMax)
  expect(columns.at(-1)).toMatchObject({
    type: 'VARCHAR',
    doubts: [expect.stringMatching(/stay texts: .*256 columns/)],
  })
})

test('a column that was read with a decimal comma because of others says so', () => {
  const source = { delimiter: ';', decimalComma: ['a', 'b'], guessed: new Map([['a', '1.234']]) }
  const { columns } = draftColumns(surveyOf({ a: ['1234', '7'], b: ['1.234', '7'] }), new Set(), source)
  expect(columns.map(({ type, doubts }) => [type, doubts])).toEqual([
    ['BIGINT', ['its numbers (1.234) are read with a decimal comma, because other columns have decimal commas']],
    ['DECIMAL(18,3)', []],
  ])
})

test.each([
  [['1 234,50', '950', '-12 345 678'], "replace(regexp_replace(a, '[^0-9.,-]', '', 'g'), ',', '.')"],
  [["1'234.50", '7'], "regexp_replace(a, '[^0-9.,-]', '', 'g')"],
  [['1\u00a0234', '1\u202f234\u202f567'], "regexp_replace(a, '[^0-9.,-]', '', 'g')"],
  [['555 123', '555 124'], null],
  [['1 234', 'x'], null],
  [['0 234', '1'], null],
])('thousands separated by spaces or apostrophes stay texts, and the comment says so: %j', (values, as) => {
  const [column] = drafted({ a: values })
  expect(column).toMatchObject({ type: 'VARCHAR', holdsNumbers: as !== null })
  expect(column!.doubts).toEqual(
    as === null ? [] : [expect.stringContaining(`stay texts: add a column with as: "${as}"`)],
  )
})

test('a text that holds numbers is neither the key nor a dimension', () => {
  const times = Array.from({ length: 6 }, (_, at) => `2026-01-0${at + 1}`)
  const stores = ['A', 'A', 'A', 'B', 'B', 'B']
  for (const [numbers, delimiter] of [
    [['1,234', '1,234', '1,234', '1,234,567', '5', '6'], ','],
    [['1,234', '2,345', '3,456', '1,234', '5,111', '6,222'], ';'],
  ] as const) {
    const columns = drafted({ date: times, visitors: numbers, store: stores }, delimiter)
    const { key, views } = draftDataset('x', columns, 6)
    expect([key.name, ...views.map(({ dimensions }) => dimensions.join())]).toEqual(['store', 'store', 'store'])
    const alone = draftDataset('x', drafted({ date: times, visitors: numbers }, delimiter), 6)
    expect(alone.key.name).toBe('visitors')
    expect(alone.doubts).toContain('visitors holds numbers, and is the key only because no other column can be')
  }
})
