/** Sums of doubles, variances, covariances, correlations and slopes: their states on a real Trino are those of DuckDB, and so are the answers. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import {
  corr,
  covarPop,
  covarSamp,
  type DatasetDefinition,
  regrSlope,
  stddevPop,
  stddevSamp,
  sum,
  varPop,
  varSamp,
} from '#core/definition.ts'
import { quoteText } from '#core/sql-names.ts'
import { type TrinoView, trinoView } from '#core/trino/trino-view.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { TrinoClient, type TrinoResult } from '#storage/trino/trino-client.ts'
import { sharedTrino, whyNoTrino } from '../servers/trino-server.ts'

const definition: DatasetDefinition = {
  name: 'moments',
  time: 't',
  key: 'k',
  columns: {
    t: { type: 'TIMESTAMP', path: '$.t', unit: 'ms' },
    k: { type: 'INTEGER', path: '$.k' },
    x: { type: 'DOUBLE', path: '$.x' },
    y: { type: 'DOUBLE', path: '$.y' },
    n: { type: 'BIGINT', path: '$.n' },
    d: { type: 'DECIMAL(18,6)', path: '$.d' },
  },
  views: {
    all: {
      dimensions: { k: 'k' },
      measures: {
        variance: varSamp('x'),
        variance_of_all: varPop('y'),
        deviation: stddevSamp('y'),
        deviation_of_all: stddevPop('x'),
        covariance: covarSamp('x', 'y'),
        covariance_of_all: covarPop('y', 'x'),
        correlation: corr('x', 'y'),
        slope: regrSlope('x', 'y'),
        spread_n: varPop('n'),
        spread_d: stddevSamp('d'),
        mixed: corr('d', 'n'),
        some: regrSlope('x', 'd', { where: 'n > 0' }),
        total: sum('x'),
      },
    },
  },
} as DatasetDefinition

/** Groups of values of one size, so that small ones are not lost beside large ones. */
const SCALES = [1, 1e-12, 1e-25, 1e3, 1e9, 4e13, 1.7e15, 1e19, 1e30, 1e149, 1e160]
const rows = fc.sample(
  fc.tuple(
    fc.nat(SCALES.length - 1),
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.constantFrom(0.5, 2.5, 1, 1 / 3, 0, 100.25),
    fc.maxSafeInteger(),
    fc.integer(),
    fc.nat(20),
  ),
  { numRuns: 600, seed: 15 },
)
const typed = rows.map(([k, a, b, n, d, holes], at) => {
  const x = holes === 0 ? null : SCALES[k]! * (at % 3 === 0 ? b : 1 + a / 1000)
  const y = holes === 1 ? null : SCALES[k]! * (at % 5 === 0 ? a : b)
  return [0, at, 0, k, x, y, holes === 2 ? null : n, holes === 3 ? null : d / 1e3] as const
})
const COLUMNS = ['_partition', '_offset', '_time', 'k', 'x', 'y', 'n', 'd'] as const
const TYPES = ['INTEGER', 'BIGINT', 'BIGINT', 'INTEGER', 'DOUBLE', 'DOUBLE', 'BIGINT', 'DECIMAL(18,6)'] as const

/** Both engines read it. */
const relation = `(SELECT ${COLUMNS.map((name, at) => `CAST(c${at} AS ${TYPES[at]}) AS ${name}`).join(', ')}, TIMESTAMP '1970-01-01 00:00:00' AS t
  FROM (VALUES ${typed.map((row) => `(${row.map((value) => (value === null ? 'NULL' : `'${value}'`)).join(', ')})`).join(', ')}) AS v(${COLUMNS.map((_, at) => `c${at}`).join(', ')}))`

describe.skipIf(whyNoTrino() !== null)('moments on a real Trino', async () => {
  const connection = await testConnection()
  let dataset: CompiledDataset
  let received: TrinoResult['rows']
  beforeAll(async () => {
    dataset = await compileDataset(definition, connection)
    const view = dataset.views.get('all')!
    const client = new TrinoClient({ url: await sharedTrino(), catalog: 'memory', schema: 'default' })
    // Trino would calculate with every constant of VALUES while it plans.
    await client.query('DROP TABLE IF EXISTS moments')
    await client.query(`CREATE TABLE moments AS ${relation.slice(1, -1)}`)
    const { statements } = (await trinoView(dataset, view, connection)) as TrinoView
    expect(statements).toHaveLength(1)
    received = (await client.query(statements[0]!.sql('moments'))).rows
    const given = received.map((row) => `(${row.map(literal).join(', ')})`).join(', ')
    const names = statements[0]!.columns.map(({ name, type }) => `${name}::${type} AS ${name}`)
    const table = `(SELECT ${names.join(', ')} FROM (VALUES ${given}) AS v(${statements[0]!.columns.map(({ name }) => name).join(', ')}))`
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE theirs AS ${view.mergeSql(`(${statements[0]!.statesSql(table)})`)}`,
    )
    await connection.run(`CREATE OR REPLACE TEMP TABLE typed AS ${relation.slice(1, -1)}`)
    await connection.run(`CREATE OR REPLACE TEMP TABLE ours AS ${view.partialSql('typed')}`)
  })
  afterAll(() => connection.run('DROP TABLE IF EXISTS theirs; DROP TABLE IF EXISTS ours; DROP TABLE IF EXISTS typed'))

  test('numbers of rows, extremes, and sums of whole units and of multiples of 2^-30 are the same', async () => {
    const view = dataset.views.get('all')!
    // A half is rounded up by one engine, and to even by the other: units and rest of a sum can differ, but not what they add up to.
    const exact = view.stateColumns.flatMap(({ name, type }) => {
      if (name.startsWith('total__')) return []
      const parts = [...type.matchAll(/\b(w|f|ww|wf|ff|lo|hi) /g)].map(([, part]) => `${name}.${part}`)
      return type.startsWith('STRUCT') ? parts : [name]
    })
    const of = (table: string): string => `SELECT ${exact.join(', ')} FROM ${table}`
    expect(await connection.rows(`${of('theirs')} EXCEPT ALL ${of('ours')}`)).toEqual([])
    expect(await connection.rows(`SELECT count(*)::INTEGER AS n FROM theirs`)).toEqual([{ n: SCALES.length }])
  })

  test('sums of rests differ by the last digits only, or by less than 1e-50', async () => {
    const view = dataset.views.get('all')!
    for (const { name, type } of view.stateColumns.filter(({ type }) => type.startsWith('STRUCT'))) {
      const rest = type.includes('ww ') ? 'e' : 'r'
      const wrong = await connection.rows(
        `SELECT k, a.${name}.${rest} AS theirs, b.${name}.${rest} AS ours FROM theirs AS a JOIN ours AS b USING (k)
          WHERE a.${name}.${rest} IS DISTINCT FROM b.${name}.${rest} AND (abs(a.${name}.${rest} - b.${name}.${rest}) <= 1e-13 * ${type.includes('ww ') ? `sqrt(1.0 * a.${name}.e * b.${name}.e)` : `abs(b.${name}.r)`} + 1e-50) IS NOT TRUE`,
      )
      expect(wrong, name).toEqual([])
    }
  })

  test('only values that are very large or very small travel one by one', () => {
    const alone = received.filter((row) => row.some(Array.isArray)).map(([k]) => SCALES[Number(k)]!)
    expect(alone.toSorted((a, b) => a - b)).toEqual([1e-25, 1e30, 1e149, 1e160])
  })

  test('answers are within the bounds of a recount', async () => {
    const view = dataset.views.get('all')!
    const measures = view.measures.map(({ name }) => name)
    const wrong = await connection.rows(
      measures
        .map(
          (
            name,
          ) => `SELECT '${name}' AS measure, a.k, a.${name} AS answer, b.${name} AS recounted, b.${name}__within AS bound
            FROM (${view.presentSql('theirs', ['k'])}) AS a FULL JOIN (${view.recountSql('typed')}) AS b USING (k)
            WHERE (a.${name} IS NULL) <> (b.${name} IS NULL) OR abs(a.${name} - b.${name}) > b.${name}__within`,
        )
        .join(' UNION ALL '),
    )
    expect(wrong).toEqual([])
  })
})

function literal(value: unknown): string {
  if (value === null) return 'NULL'
  if (Array.isArray(value)) return `[${value.map((item) => `'${item}'`).join(', ')}]`
  return quoteText(String(value))
}
