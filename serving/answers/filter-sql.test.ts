import { expect, test } from 'vitest'
import type { FilterOperator } from '#core/query.ts'
import { quoteText } from '#core/sql-names.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { BoundValues } from './bound-values.ts'
import { checkFilter, filterSql } from './filter-sql.ts'

const connection = await testConnection()

const check = (type: string, operator: FilterOperator, ...values: string[]) => {
  checkFilter({ name: 'd', type }, { operator, values })
}

test.each([
  ['BIGINT', '5.5'],
  ['BIGINT', '9223372036854775808'],
  ['INTEGER', '1e3'],
  ['UINTEGER', '-1'],
  ['DECIMAL(5,2)', '1.999'],
  ['DECIMAL(5,2)', '1000'],
  ['DECIMAL(2,2)', '1.5'],
  ['DECIMAL(5,2)', '1.0010'],
  ['BIGINT', '1.50'],
  ['BIGINT', '1.'],
  ['DOUBLE', 'NaN'],
  ['DOUBLE', '1e400'],
  ['FLOAT', '-4e38'],
  ['BOOLEAN', 'yes'],
  ['TIMESTAMP', '2026-02-30'],
  ['TIMESTAMP', '2017-03-19T10:00:00.1234567Z'],
  ['DATE', '2026-13-01'],
  ['VARCHAR[]', 'a'],
  ['VARCHAR', 'a\ud800'],
])('%s refuses %s instead of rounding it or finding nothing', (type, value) => {
  expect(() => check(type, 'eq', value)).toThrow(/filter: d:eq: /)
})

test.each([
  ['BIGINT', '-9223372036854775808'],
  ['UINTEGER', '4294967295'],
  ['DECIMAL(5,2)', '-999.99'],
  ['DECIMAL(5,2)', '00999'],
  ['DECIMAL(2,2)', '0.25'],
  ['DECIMAL(5,2)', '0.1000'],
  ['BIGINT', '-9223372036854775808.00'],
  ['DOUBLE', '-1.5e3'],
  ['DOUBLE', '1.7976931348623157e308'],
  ['BOOLEAN', 'false'],
  ['TIMESTAMP', '2026-01-31T12:00:00+01:00'],
  ['TIMESTAMP', '1769860800000'],
  ['TIMESTAMP', '2017-03-19T10:00:00.123456Z'],
  ['DATE', '2024-02-29'],
  ['VARCHAR', "'; DROP TABLE x"],
])('%s takes %s', (type, value) => {
  expect(() => check(type, 'eq', value)).not.toThrow()
})

test('operators have the values that they need, within limits by name', () => {
  expect(() => check('VARCHAR', 'eq')).toThrow(
    /the value is missing; write d:eq:<value>, or as JSON, "operator": "eq", "value": <value>$/,
  )
  expect(() => check('VARCHAR', 'in')).toThrow(/"operator": "in", "values": \[<value>, …\]$/)
  expect(() => check('VARCHAR', 'null', 'x')).toThrow(/takes no value/)
  expect(() => check('VARCHAR', 'in', ...Array.from({ length: 1_001 }, String))).toThrow(/filterValuesMax = 1000/)
  expect(() => check('VARCHAR', 'eq', 'x'.repeat(1_025))).toThrow(/filterValueCharsMax = 1024/)
  expect(() => check('BIGINT', 'contains', '1')).toThrow(
    /requires a VARCHAR or a list, but this column has type BIGINT/,
  )
  expect(() => check('BIGINT[]', 'contains', '1')).not.toThrow()
})

async function contains(text: string, value: string): Promise<boolean> {
  const bound = new BoundValues()
  const where = filterSql({ name: 'd', type: 'VARCHAR' }, { operator: 'contains', values: [value] }, bound)
  const [row] = await connection.rows<{ found: boolean }>(
    `SELECT ${where} AS found FROM (SELECT ${quoteText(text)} AS d)`,
    bound.parameters,
  )
  return row!.found
}

test.each([
  ['New York', 'new y'],
  ['caf\u00e9', 'CAFE\u0301'],
  ['cafe\u0301', 'caf\u00c9'],
  ['\u03bf\u03b4\u03bf\u03c2', '\u039f\u0394\u039f\u03a3'],
  ['\u0130stanbul', 'istanbul'],
  ['5 \u00b5m', '5 \u03bcm'],
  ['a%b', '%'],
])("'%s' contains '%s'", async (text, value) => {
  expect(await contains(text, value)).toBe(true)
})

test.each([
  ['caf\u00e9', 'cafe'],
  ['cafe\u0301', 'cafe'],
  ['stra\u00dfe', 'strasse'],
  ['a_b', 'axb'],
])("'%s' does not contain '%s'", async (text, value) => {
  expect(await contains(text, value)).toBe(false)
})

test('elements of a list are found exactly', async () => {
  const bound = new BoundValues()
  const filter = { operator: 'contains', values: ['caf\u00e9'] } as const
  const where = filterSql({ name: 'd', type: 'VARCHAR[]' }, filter, bound)
  const lists = [['caf\u00e9'], ['cafe\u0301'], ['Caf\u00e9'], ['caf\u00e9s']].map((list) => `[${list.map(quoteText)}]`)
  const [found] = await connection.columns(`SELECT ${where} FROM (SELECT unnest([${lists}]) AS d)`, bound.parameters)
  expect(found).toEqual([true, false, false, false])
})
