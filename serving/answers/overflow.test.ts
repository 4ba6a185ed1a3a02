/** A sum that no double can hold has no value, so it is not ranked before those that have one. */
import { beforeAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
import { count, defineDataset, quantile, ratio, sum } from '#core/definition.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { BoundValues } from './bound-values.ts'
import { answerSql } from './merged-sql.ts'
import { planQuery } from './query-plan.ts'

const connection = await testConnection()
let view: CompiledView

beforeAll(async () => {
  const definition = defineDataset({
    name: 'overflow',
    time: 't',
    key: 'k',
    columns: {
      k: { type: 'VARCHAR', path: '$.k', required: true },
      t: { type: 'TIMESTAMP', path: '$.t', required: true },
      d: { type: 'DOUBLE', path: '$.d' },
    },
    views: {
      largest: {
        dimensions: { k: 'k' },
        measures: {
          n: count(),
          total: sum('d'),
          share: ratio('d', "CASE WHEN k = 'a' THEN 1e-10 ELSE 1 END"),
          median: quantile('d', 0.5),
        },
        rank: { by: 'total', limit: 1 },
      },
    },
  })
  view = (await compileDataset(definition, connection)).views.get('largest')!
})

async function firstBy(measure: string): Promise<Record<string, unknown>> {
  const rows = `(SELECT 0::INTEGER AS _partition, o AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, k, epoch_ms(0) AS t, d
    FROM (VALUES (0::BIGINT, 'a', 1e308::DOUBLE), (1, 'a', 1e308), (2, 'b', 5.0)) AS v(o, k, d))`
  const plan = planQuery(view, {
    dataset: 'overflow',
    view: 'largest',
    order: [{ by: measure, direction: 'desc' }],
    limit: 1,
  })
  const [first] = await connection.rows<Record<string, unknown>>(
    `SELECT * FROM (${answerSql(plan, `(${view.partialSql(rows)})`, new BoundValues())}) WHERE _n = 1`,
  )
  return first!
}

test.each(['total', 'share'])('by %s', async (measure) => {
  expect(await firstBy(measure)).toMatchObject({ k: 'b', n: 1, [measure]: expect.any(Number) })
})

test('a median beyond 9e307 is a value', async () => {
  expect(await firstBy('median')).toMatchObject({ k: 'a', median: 1e308, total: null })
})
