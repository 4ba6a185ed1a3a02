import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import {
  avg,
  type ColumnDefinition,
  count,
  countDistinct,
  type DatasetDefinition,
  max,
  quantile,
} from './definition.ts'
import { namingProblems, unitOf, valueNamesOf } from './names-for-people.ts'

const columns: DatasetDefinition['columns'] = {
  at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms' },
  day: { type: 'INTEGER', path: '$.day', values: { '1': 'Monday' } },
  tags: { type: 'VARCHAR[]', path: '$.tags', values: { a: 'First' } },
  delay: { type: 'INTEGER', path: '$.delay', unit: 'min' },
}

test.each([
  ['the column', 'day', { '1': 'Monday' }],
  ['the column, quoted', '"day"', { '1': 'Monday' }],
  ['an element of the column', 'tag', { a: 'First' }],
  ['computed from it', 'day + 1', undefined],
  ['another column', 'delay', undefined],
])('a dimension that is %s has its names', (_, expression, names) => {
  const view = { unnest: { tag: 'tags' }, dimensions: { it: expression }, measures: { n: count() } }
  expect(valueNamesOf(view, 'it', columns)).toEqual(names)
})

test('a measure has the unit of the values that it is of, unless it states one; counts and times have none', () => {
  const measures = [max('delay'), quantile('delay', 0.9), avg('delay / 60.0', { unit: 'h' }), avg('delay / 60.0')]
  expect(measures.map((measure) => unitOf(measure, columns))).toEqual(['min', 'min', 'h', undefined])
  expect([countDistinct('delay'), max('at'), count()].map((measure) => unitOf(measure, columns))).toEqual(
    Array(3).fill(undefined),
  )
})

const WRONG: readonly (readonly [ColumnDefinition, string])[] = [
  [
    { type: 'DOUBLE', path: '$.x', values: { '1': 'One' } },
    'values name those of BOOLEAN, INTEGER, BIGINT, VARCHAR, DATE, not of DOUBLE',
  ],
  [{ type: 'INTEGER', path: '$.x', values: { one: 'One' } }, "values: 'one' is not a valid INTEGER"],
  [{ type: 'BOOLEAN', path: '$.x', values: { yes: 'Yes' } }, "values: 'yes' is not a valid BOOLEAN"],
  [{ type: 'BIGINT[]', path: '$.x[*]', values: { '1': '' } }, "values: the name of '1' must have 1 to 200 characters"],
  [{ type: 'INTEGER', path: '$.x', unit: '' }, 'a unit must have 1 to 200 characters'],
]
test.each(WRONG)('%j is refused', async (column, problem) => {
  expect(namingProblems(column)).toEqual([problem])
  const definition: DatasetDefinition = {
    name: 'trains',
    time: 'at',
    key: 'day',
    columns: { ...columns, odd: column },
    views: { all: { dimensions: {}, measures: { n: count() } } },
  }
  await expect(compileDataset(definition, await testConnection())).rejects.toThrow(`column 'odd': ${problem}`)
})
