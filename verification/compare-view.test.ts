import { beforeAll, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
import { avg, count, countDistinct, defineDataset, quantile, sum } from '#core/definition.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compareView, type Relation } from './compare-view.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
    weight: { type: 'DOUBLE', path: '$.weight' },
  },
  views: {
    by_kind: {
      dimensions: { kind: 'kind' },
      time: ['minute'],
      measures: {
        n: count(),
        weight: sum('weight'),
        mean: avg('weight'),
        ids: countDistinct('id'),
        median: quantile('weight', 0.5),
      },
    },
    all_time: { dimensions: {}, measures: { n: count() } },
  },
})

const connection = await testConnection()
let view: CompiledView
let allTime: CompiledView

beforeAll(async () => {
  const dataset = await compileDataset(definition, connection)
  view = dataset.views.get('by_kind')!
  allTime = dataset.views.get('all_time')!
})

interface Row {
  readonly pane?: number
  readonly kind?: string | null
  readonly n?: number | bigint
  readonly weight?: number | string | null
  /** sum of the absolute weights */
  readonly size?: number | string
  readonly ids?: number
  readonly median?: number
}

function relation(...rows: readonly Row[]): Relation {
  const selects = rows.map(({ pane = 0, kind = 'a', n = 1, weight = 1, size = 1, ids = 1, median = 1 }) => {
    const within = `${size}::DOUBLE * 1e-12`
    const key = kind === null ? 'NULL::VARCHAR' : `'${kind}'`
    return `SELECT ${pane}::BIGINT AS pane, ${key} AS kind, ${n}::BIGINT AS n, ${weight}::DOUBLE AS weight, ${weight}::DOUBLE AS mean, ${ids}::BIGINT AS ids, ${median}::DOUBLE AS median, ${within} AS weight__within, ${within} AS mean__within`
  })
  return { sql: `(${selects.join(' UNION ALL ')})` }
}

function typedRows(weights: readonly (number | null)[], start: number): string {
  const list = `[${weights.map((weight) => weight?.toExponential() ?? 'NULL').join(', ')}]::DOUBLE[]`
  return `(SELECT 0::INTEGER AS _partition, o AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, o AS id, epoch_ms(0) AS at, 'a' AS kind, weight
    FROM (SELECT unnest(range(${start}, ${start + weights.length})) AS o, unnest(${list}) AS weight))`
}

async function different(merged: readonly Row[], recounted: readonly Row[]): Promise<number> {
  const compared = await compareView(connection, view, {
    merged: relation(...merged),
    recounted: relation(...recounted),
  })
  return compared.different
}

describe('compareView', () => {
  test('finds nothing where both say the same, NULL keys and values included', async () => {
    const rows: Row[] = [{ kind: null }, { kind: 'a', weight: null }, { kind: 'a', pane: 60_000 }]
    expect(await different(rows, rows.toReversed())).toBe(0)
  })

  test('finds a row that only one side has, on either side', async () => {
    expect(await different([{}, { kind: null }], [{}])).toBe(1)
    expect(await different([{}], [{}, { pane: 60_000 }])).toBe(1)
  })

  test('exact measures must be equal', async () => {
    expect(await different([{ n: 2 }], [{ n: 1 }])).toBe(1)
    const big = 2n ** 53n
    expect(await different([{ n: big + 1n }], [{ n: big + 1n }])).toBe(0)
    expect(await different([{ n: big + 1n }], [{ n: big }])).toBe(1)
  })

  test('sums of doubles may differ by 1e-12 of the sum of the absolute values, and a NULL is not a number', async () => {
    expect(await different([{ weight: 1 + 5e-13 }], [{ weight: 1 }])).toBe(0)
    expect(await different([{ weight: 1 + 5e-12 }], [{ weight: 1 }])).toBe(1)
    expect(await different([{ weight: 1e-9 }], [{ weight: 0, size: 1e6 }])).toBe(0)
    expect(await different([{ weight: 1e-5 }], [{ weight: 0, size: 1e6 }])).toBe(1)
    expect(await different([{ weight: null }], [{ weight: 0 }])).toBe(1)
    expect(await different([{ weight: 0 }], [{ weight: null, size: 'NULL' }])).toBe(1)
  })

  test('a value that its error leaves open is not compared', async () => {
    const open = { weight: null, size: "'inf'" }
    expect(await different([{ weight: 5 }], [open])).toBe(0)
    expect(await different([open], [{ weight: 5, size: "'inf'" }])).toBe(0)
  })

  test('what is not a number is a difference, and is shown as text', async () => {
    for (const wrong of ["'inf'", "'-inf'", "'nan'"])
      expect(await different([{ weight: wrong }], [{ weight: 1 }])).toBe(1)
    const { first } = await compareView(connection, view, {
      merged: relation({ weight: "'inf'" }),
      recounted: relation({ weight: 1 }),
    })
    expect(first).toMatchObject([{ merged: { weight: 'inf', mean: 'inf' }, recounted: { weight: 1 } }])
  })

  test('distinct counts are equal up to k, and within 5 sigma beyond', async () => {
    expect(await different([{ ids: 2047 }], [{ ids: 2048 }])).toBe(1)
    expect(await different([{ ids: 10_900 }], [{ ids: 10_000 }])).toBe(0)
    expect(await different([{ ids: 11_500 }], [{ ids: 10_000 }])).toBe(1)
  })

  test('quantiles are within their stated bound', async () => {
    expect(await different([{ median: 100.9 }], [{ median: 100 }])).toBe(0)
    expect(await different([{ median: 103 }], [{ median: 100 }])).toBe(1)
  })

  test('shows the first differences with their keys', async () => {
    const { first } = await compareView(connection, view, { merged: relation({ n: 2 }), recounted: relation({ n: 1 }) })
    expect(first).toEqual([
      expect.objectContaining({
        key: { pane: 0, kind: 'a' },
        merged: expect.objectContaining({ n: 2 }),
        recounted: expect.objectContaining({ n: 1 }),
      }),
    ])
  })

  test.each([
    ['refunds that cancel', [123456789.1, 0.1, -123456789.1, 0.2, -0.3, 77777777.7, -77777777.7]],
    ['refunds that cancel to nothing', [19.99, 0.1, -19.99, -0.1]],
    ['sums beyond the largest double', [1e308, 1e308, 5]],
    ['values without any', [null, null]],
  ])('finds merged and recounted values equal: %s', async (_, weights) => {
    for (let border = 0; border <= weights.length; border++) {
      const parts = [weights.slice(0, border), weights.slice(border)].map((part, index) => typedRows(part, index * 100))
      const states = parts.map((rows) => `SELECT * FROM (${view.partialSql(rows)})`).join(' UNION ALL ')
      const merged = { sql: `(${view.presentSql(`(${view.mergeSql(`(${states})`)})`, ['pane', 'kind'])})` }
      const rows = `(SELECT * FROM ${parts[0]} UNION ALL SELECT * FROM ${parts[1]})`
      expect(await compareView(connection, view, { merged, recounted: { sql: `(${view.recountSql(rows)})` } })).toEqual(
        { view: 'by_kind', merged: 1, recounted: 1, different: 0, first: [] },
      )
    }
  })

  test('a view without keys is one row', async () => {
    const sides = { merged: { sql: '(SELECT 3::BIGINT AS n)' }, recounted: { sql: '(SELECT 4::BIGINT AS n)' } }
    expect(await compareView(connection, allTime, sides)).toMatchObject({ merged: 1, recounted: 1, different: 1 })
    expect(await compareView(connection, allTime, { ...sides, recounted: sides.merged })).toMatchObject({
      different: 0,
    })
  })
})
