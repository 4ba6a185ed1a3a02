/** Bins of values whose comparison with a bound needs more than 38 digits: the engine would fail to convert them, and no fold would succeed. */
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { histogram } from '../definition.ts'
import { cut, MeasuredColumn } from './measure-fixture.ts'

const connection = await testConnection()
const NINES = '9'.repeat(38)

test.each([
  ['DECIMAL(38,0)', [-0.5, 0.5], [`-${NINES}`, '0', '1', NINES], [1, 1, 2]],
  ['DECIMAL(38,38)', [0.5, 5], ['-0.1', '0.5', `0.${NINES}`], [2, 1, 0]],
  [
    'DECIMAL(38,18)',
    [0.1, 123456789012345680000],
    ['0.1', '0.100000000000000001', '12345678901234567890.5'],
    [1, 2, 0],
  ],
  ['BIGINT', [-1, 0.00001234567890123456], ['0', '9223372036854775807'], [0, 1, 1]],
  ['BIGINT', [0.5, 1e300], ['-9223372036854775808', '9223372036854775807'], [1, 1, 0]],
] as const)('bins of %s with bounds %j', async (type, bounds, values, expected) => {
  const column = await MeasuredColumn.of(connection, type as 'DECIMAL(38,0)', { bins: histogram('v', [...bounds]) })
  const literals = [...values.map((value) => `'${value}'`), null]
  const counts = ({ bins }: { readonly bins?: unknown }) => (bins as unknown[]).map(Number)
  expect(counts(await column.merged(cut(literals, [1])))).toEqual(expected)
  expect(counts(await column.recounted(literals))).toEqual(expected)
})
