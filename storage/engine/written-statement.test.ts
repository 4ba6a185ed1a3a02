import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testConnection } from './engine-fixture.ts'
import { type Parameter, writtenName, writtenStatement } from './written-statement.ts'

const connection = await testConnection()

const named = (values: readonly Parameter[]): Record<string, Parameter> =>
  Object.fromEntries(values.map((value, index) => [writtenName(index), value]))

test('a text that is written into a statement is the text that is bound to it', async () => {
  const texts = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom("'", "''", '$p0', '--', '\\', ';', '\0', '/*')),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  const check = async (values: string[]): Promise<void> => {
    const select = `SELECT ${values.map((_, index) => `$${writtenName(index)}::VARCHAR AS c${index}`).join(', ')}`
    const [row] = await connection.rows(select, named(values))
    expect(Object.values(row!)).toEqual(values)
  }
  await fc.assert(fc.asyncProperty(texts, check), { numRuns: 60 })
})

test('other values keep their type and sign', async () => {
  const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((index) => `$${writtenName(index)}`)
  const select = `SELECT 1 -${a}::BIGINT AS a, ${b}::BIGINT AS b, ${c}::BOOLEAN AS c, ${d}::VARCHAR AS d, ${e}::DOUBLE AS e`
  const [row] = await connection.rows(select, named([-5n, -(2n ** 63n), false, null, 0.1]))
  expect(row).toEqual({ a: 6, b: -(2n ** 63n), c: false, d: null, e: 0.1 })
})

test('what is in a value is not looked for places of other values', () => {
  const [first, second] = [writtenName(0), writtenName(1)]
  const parameters = { [first]: `$${second}`, [second]: 'x' }
  expect(writtenStatement(`SELECT $${first}, $${second}`, parameters)).toBe(`SELECT '$${second}', 'x'`)
})

test('all values are bound where one of them has to be', () => {
  const select = `SELECT $${writtenName(0)}, $${writtenName(1)}`
  for (const value of ['\0', '\ud800', 'x'.repeat(5_000), 1.5])
    expect(writtenStatement(select, named([1n, value]))).toBeNull()
  expect(writtenStatement('SELECT $p0', { p0: 1n })).toBeNull()
})
