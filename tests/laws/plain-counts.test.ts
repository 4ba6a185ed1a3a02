/** Measures through the real engine against a few plain lines over the same generated rows. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset, sum } from '#core/definition.ts'
import { CASES, casesOf, connection, dataset, definition, type Row, table } from './laws-fixture.ts'

test('plain lines count the same', async () => {
  const view = dataset.views.get('all')!
  await fc.assert(
    fc.asyncProperty(casesOf(CASES, 30), async (cases) => {
      await table('a', cases, 0)
      const rows = cases.flatMap((rows, run) => rows.map((r) => ({ ...r, run })))
      const groups = Map.groupBy(rows, (r) => JSON.stringify([Math.floor(r.at / 60_000) * 60_000, r.run, r.k]))
      const naive = [...groups].map(([key, group]) => {
        const bigs = group.flatMap((r) => (r.big === null ? [] : [r.big]))
        return [
          key,
          group.length,
          bigs.length === 0 ? null : String(bigs.reduce((sum, big) => sum + big, 0n)),
          new Set(bigs).size,
        ]
      })
      const result = await connection.rows<{ key: string; n: number; total: string | null; people: number }>(
        `SELECT json_array(pane, run, k)::VARCHAR AS key, n, sum_big::VARCHAR AS total, people FROM (${view.presentSql(`(${view.partialSql('a')})`, ['pane', 'run', 'k'])})`,
      )
      const byKey = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1)
      expect(result.map((r) => [r.key, r.n, r.total, r.people]).sort(byKey)).toEqual(naive.sort(byKey))
    }),
    { numRuns: 3 },
  )
})

test('of the names of one event the smallest is first and the largest latest, as plain lines find them', async () => {
  const view = dataset.views.get('ends')!
  await fc.assert(
    fc.asyncProperty(casesOf(CASES, 8), async (cases) => {
      await table('a', cases, 0)
      const naive = cases.flatMap((rows, run) => {
        const named = rows.flatMap((r, place) => (r.tags ?? []).map((tag) => ({ at: r.at * 1_000 + r.us, place, tag })))
        if (named.length === 0) return []
        const some = named.filter((entry): entry is { at: number; place: number; tag: string } => entry.tag !== null)
        some.sort((a, b) => a.at - b.at || a.place - b.place || Buffer.compare(Buffer.from(a.tag), Buffer.from(b.tag)))
        return [{ run, first_tag: some[0]?.tag ?? null, last_tag: some.at(-1)?.tag ?? null }]
      })
      const select = view.presentSql(`(${view.partialSql('a')})`, ['run'], ['first_tag', 'last_tag'])
      expect(await connection.rows(`SELECT * FROM (${select}) ORDER BY run`)).toEqual(naive)
    }),
    { numRuns: 3 },
  )
})

test('distinct counts are exact to 2,048 and within 5 sigma beyond', async () => {
  const view = dataset.views.get('total')!
  for (const [n, exact] of [
    [2_048, true],
    [50_000, false],
  ] as const) {
    await connection.run(
      `CREATE OR REPLACE TABLE many AS SELECT * REPLACE (range::BIGINT AS id) FROM (SELECT * EXCLUDE (range), range FROM (SELECT 0::INTEGER AS _partition, 0::BIGINT AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, NULL::INTEGER AS run, NULL::BIGINT AS id, epoch_ms(0) AS at, 'k' AS k, NULL::BIGINT AS big, NULL::DECIMAL(12,3) AS price), range(${n}))`,
    )
    const [result] = await connection.rows<{ people: number; people__estimated: boolean }>(
      view.presentSql(`(${view.partialSql('many')})`, []),
    )
    expect(result!.people__estimated).toBe(!exact)
    expect(Math.abs(result!.people - n) / n).toBeLessThanOrEqual(exact ? 0 : 5 * 0.0221)
  }
})

test('quantiles keep their bound', async () => {
  const view = dataset.views.get('all')!
  await fc.assert(
    fc.asyncProperty(casesOf(CASES, 40), async (cases) => {
      const sameKey = cases.map((rows) => rows.map((r) => ({ ...r, k: 'k', at: 0 })))
      await table('a', sameKey, 0)
      const sketches = await connection.rows<{ run: number; median: number | null }>(
        view.presentSql(`(${view.partialSql('a')})`, ['run'], ['median']),
      )
      expect(sketches.length).toBe(cases.filter((rows) => rows.length > 0).length)
      for (const { run, median } of sketches) {
        const values = cases[run]!.flatMap((r) => (r.x === null ? [] : [r.x])).sort((a, b) => a - b)
        const truth = values[Math.ceil(0.5 * values.length) - 1] ?? null
        if (truth === null) expect(median).toBeNull()
        else expect(Math.abs(median! - truth)).toBeLessThanOrEqual(0.01 * Math.abs(truth) + 1e-12)
      }
    }),
    { numRuns: 3 },
  )
})

test('one row whose expression fails is NULL there, and the others count', async () => {
  const overflowing = defineDataset({
    ...definition,
    views: { v: { dimensions: {}, measures: { n: count(), huge: sum('small * 2147483647') } } },
  })
  const view = (await compileDataset(overflowing, connection)).views.get('v')!
  const blank: Row = {
    id: 1,
    at: 0,
    us: 0,
    k: null,
    big: null,
    small: null,
    price: null,
    wide: null,
    x: null,
    tags: null,
  }
  await table(
    'a',
    [
      [
        { ...blank, small: 5 },
        { ...blank, small: 1 },
      ],
    ],
    0,
  )
  expect(await connection.rows(view.presentSql(`(${view.partialSql('a')})`, []))).toEqual([
    { n: 2, huge: 2_147_483_647 },
  ])
})
