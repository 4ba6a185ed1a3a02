/** Values of answers as Arrow has them, against the engine's own arithmetic. */
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { jsonValueSql } from '../answers/json-value.ts'
import { arrowData } from './arrow-data.ts'

test('a date is its days since 1970, whatever its year', async () => {
  const connection = await testConnection()
  const dates = [
    '1969-12-31',
    '2000-02-29',
    '0001-01-01',
    '9999-12-31',
    '10000-01-01',
    '123456-07-08',
    '0044-03-15 (BC)',
  ]
  const values = dates.map((date) => `(DATE '${date}')`).join(', ')
  const [texts, days] = await connection.columns(
    `SELECT ${jsonValueSql({ name: 'd', type: 'DATE' })}::VARCHAR, (d - DATE '1970-01-01')::INTEGER FROM (VALUES ${values}) AS t(d)`,
  )
  expect([...arrowData({ kind: 'date' }, [...(texts as string[]), null]).values]).toEqual([...days!, 0])
  expect(() => arrowData({ kind: 'date' }, ['tomorrow'])).toThrow("'tomorrow' is not a date")
})
