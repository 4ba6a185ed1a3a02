/** A row for which an expression fails affects neither other rows nor other expressions. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { coalesceAsCase } from './coalesce-as-case.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, type DatasetDefinition, maxBy } from './definition.ts'
import type { DefinitionError } from './definition-error.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-failing-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const ROWS = [
  { s: '1', i: 255, n: '1' },
  { s: 'x', i: 7, n: '2' },
  { s: '3', i: null, n: '9223372036854775807' },
  { s: '4', i: null, n: '3' },
  { s: 'y', i: 8, n: '9223372036854775807' },
  { s: null, i: 9, n: null },
]

const base = {
  name: 'rows',
  time: 't',
  key: 's',
  columns: {
    t: { type: 'TIMESTAMP', path: '$.t', unit: 'ms' },
    s: { type: 'VARCHAR', path: '$.s' },
    i: { type: 'INTEGER', path: '$.i' },
  },
} as const

/** State rows of a view with these dimensions, as JSON. */
async function states(
  dimensions: Readonly<Record<string, string>>,
  rows: readonly (typeof ROWS)[number][],
): Promise<string[]> {
  const definition = {
    ...base,
    columns: { ...base.columns, n: { type: 'BIGINT', path: '$.n' } },
    views: { all: { dimensions, measures: { rows: count() } } },
  } satisfies DatasetDefinition
  const dataset = await compileDataset(definition, connection)
  const values = rows.map(({ s, i, n }) => `(${s === null ? 'NULL' : `'${s}'`}::VARCHAR, ${i}::INTEGER, ${n}::BIGINT)`)
  // From a table: of constants the engine evaluates rows in another way.
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE typed AS SELECT 0 AS _partition, 0 AS _offset, 0 AS _time, TIMESTAMP '1970-01-01' AS t, * FROM (VALUES ${values.join(', ')}) AS v(s, i, n)`,
  )
  const partial = dataset.views.get('all')!.partialSql('typed')
  const found = await connection.rows<{ state: string }>(`SELECT to_json(p)::VARCHAR AS state FROM (${partial}) AS p`)
  return found.map(({ state }) => state)
}

describe('an error in one row', () => {
  test('is NULL in each of several expressions that have the failing part in common', async () => {
    const rows = await states({ more: 's::INTEGER > 2', less: 's::INTEGER < 2', number: 's::INTEGER' }, ROWS)
    expect(rows.toSorted()).toEqual([
      '{"more":false,"less":true,"number":1,"rows__n":1}',
      '{"more":null,"less":null,"number":null,"rows__n":3}',
      '{"more":true,"less":false,"number":3,"rows__n":1}',
      '{"more":true,"less":false,"number":4,"rows__n":1}',
    ])
  })

  test.each([
    'coalesce(i, n * n)',
    'coalesce(i::BIGINT, n * n)',
    'ifnull(i, n * n)',
    'coalesce(s::INTEGER, 5)',
    'COALESCE (i, coalesce(n * n, 0), 5)',
    "concat(coalesce(s::INTEGER::VARCHAR, ',(none'), '-', i)",
    'abs(coalesce(n * n, i)) + 1',
    '[coalesce(i, n * n), 1]',
    'CASE WHEN i > 5 THEN coalesce(i, n * n) ELSE n END',
    '"ifnull"(i, n * n)',
    // What a batch's smallest and largest values tell of one part must not keep another from failing.
    'i > 7 OR s::BOOLEAN',
    's::BOOLEAN OR i > 7',
    'i < 300 AND s::BOOLEAN',
    'i BETWEEN s::INTEGER AND 300',
    'CASE WHEN i BETWEEN s::INTEGER AND 300 THEN 1 ELSE 2 END',
    '(n * n) IS NULL',
    'i > 6 AND NOT (i < 300 AND s::BOOLEAN)',
  ])('%s: leaves the values of other rows as they are alone', async (expression) => {
    // A group for each row.
    const dimensions = { value: expression, place: "concat(s, '/', i, '/', n)" }
    const alone: string[] = []
    for (const row of ROWS) alone.push(...(await states(dimensions, [row])))
    expect((await states(dimensions, ROWS)).toSorted()).toEqual(alone.toSorted())
  })
})

describe('a part that fails by itself', () => {
  const refused = (place: string, expression: string): string =>
    `${place}: '${expression}' has a part that fails in every row: `

  test('is found when the definition is loaded, wherever it is', async () => {
    const error = await compileDataset(
      {
        ...base,
        columns: {
          ...base.columns,
          list: { type: 'INTEGER[]', path: '$.list' },
          derived: { type: 'DOUBLE', as: 'i * ln(0)' },
        },
        views: {
          all: {
            unnest: { odd: "['x'::INTEGER, i]", item: 'list' },
            dimensions: {
              day: "date_diff('day', t, TIMESTAMP '2026-02-30')",
              element: 'item + (2147483647::INTEGER + 1::INTEGER)',
            },
            where: 'i > 5 OR (1 / 0)::BIGINT > 1',
            measures: { n: count({ where: 'i > sqrt(-1)' }), most: maxBy('s', 'coalesce(i, ln(0))') },
            rank: { by: 'n', limit: 5, having: "n > 'many'::INTEGER" },
          },
          hours: { dimensions: {}, time: ['hour'], measures: { n: count() } },
        },
        series: { trend: { over: 'hours', grain: 'hour', columns: { more: "n + 'x'::INTEGER" } } },
        groupings: {
          sizes: { over: 'hours', dimensions: { size: 'n // chr(-1)::INTEGER' }, measures: { n: count() } },
        },
      },
      connection,
    ).catch((fault: Error) => fault)
    const { problems } = error as DefinitionError
    const expected = [
      refused("column 'derived', as", 'i * ln(0)'),
      refused("view 'all', unnest 'odd'", "['x'::INTEGER, i]"),
      refused("view 'all', dimension 'day'", "date_diff('day', t, TIMESTAMP '2026-02-30')"),
      refused("view 'all', dimension 'element'", 'item + (2147483647::INTEGER + 1::INTEGER)'),
      refused("view 'all', where", 'i > 5 OR (1 / 0)::BIGINT > 1'),
      refused("view 'all', measure 'n', where", 'i > sqrt(-1)'),
      refused("view 'all', measure 'most', second value", 'coalesce(i, ln(0))'),
      refused("view 'all', rank, having", "n > 'many'::INTEGER"),
      refused("series 'trend', column 'more'", "n + 'x'::INTEGER"),
      refused("grouping 'sizes', dimension 'size'", 'n // chr(-1)::INTEGER'),
    ]
    expect(
      problems.map((problem) => expected.find((start) => problem.startsWith(start)) ?? problem).toSorted(),
    ).toEqual(expected.toSorted())
    expect(problems).toContainEqual(
      "column 'derived', as: 'i * ln(0)' has a part that fails in every row: Out of Range Error: cannot take logarithm of zero; correct it, or write NULL where no value is meant",
    )
  })

  test.each([
    'ln(coalesce(i, 0))',
    "coalesce(s, 'none')::INTEGER",
    'i + 1e5 - -3.5e0',
    '9223372036854775807 + i',
    'make_date(coalesce(i, 0), 13, 1)',
    "CASE WHEN i > 0 THEN NULL ELSE '7'::INTEGER END",
  ])('%s is not one: whether it fails depends on the row', async (expression) => {
    const views = { all: { dimensions: { value: expression }, measures: { n: count() } } }
    await expect(compileDataset({ ...base, views }, connection)).resolves.toBeDefined()
  })
})

test('COALESCE is left in texts and names', () => {
  for (const text of ['"coalesce(" + 1', "'coalesce(a, b + 1)' || a", 'coalesced(a, b)'])
    expect(coalesceAsCase(text)).toBe(text)
  expect(coalesceAsCase("coalesce(f(a, '(,'), \"b,)\", [1, 2][i]) || 'coalesce('")).toBe(
    "(CASE WHEN (f(a, '(,')) IS NOT NULL THEN (f(a, '(,')) WHEN ( \"b,)\") IS NOT NULL THEN ( \"b,)\") ELSE ( [1, 2][i]) END) || 'coalesce('",
  )
})

test.each([
  ['coalesce(i, length($$)$$))', 'has a text that begins with $$; write it in single quotes'],
  ["length(E'\\')')", "has a text that begins with E'; write it in single quotes"],
  [
    `${'coalesce('.repeat(7)}i${', 1)'.repeat(7)}`,
    'has more than 6 coalesce inside of one another; give one of them all of the values: coalesce(a, b, c)',
  ],
])('%s is refused', async (expression, problem) => {
  await expect(states({ value: expression }, ROWS)).rejects.toThrow(problem)
})

test('six COALESCE inside of one another are not too many', async () => {
  const deep = `${'coalesce('.repeat(6)}i${', 1)'.repeat(6)}`
  expect(await states({ value: deep }, ROWS.slice(0, 1))).toEqual(['{"value":255,"rows__n":1}'])
})
