/**
 * The laws of every measure, through the real engine on generated rows: merge is associative and commutative and has a
 * zero; present(merge(partial(a), partial(b))) = present(partial(a ∪ b)); the recount, which shares nothing with them, agrees.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset, CompiledView } from './compiled.ts'
import {
  avg,
  count,
  countDistinct,
  defineDataset,
  first,
  latest,
  max,
  min,
  quantile,
  ratio,
  sum,
} from './definition.ts'
import { quoteText } from './sql-names.ts'
import { stateJsonSql, statesFromJsonSql } from './state-json.ts'

const definition = defineDataset({
  name: 'law_events',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    k: { type: 'VARCHAR', path: '$.k' },
    big: { type: 'BIGINT', path: '$.big' },
    small: { type: 'INTEGER', path: '$.small' },
    price: { type: 'DECIMAL(12,3)', path: '$.price' },
    x: { type: 'DOUBLE', path: '$.x' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    all: {
      dimensions: { k: 'k' },
      time: ['minute'],
      measures: {
        n: count(),
        n_pos: count({ where: 'small > 0' }),
        sum_small: sum('small'),
        sum_big: sum('big'),
        sum_price: sum('price', { where: 'big IS NOT NULL' }),
        sum_x: sum('x'),
        lo: min('k'),
        hi: max('big'),
        mean: avg('small'),
        share: ratio('small', 'big'),
        first_big: first('big'),
        last_k: latest('upper(k)'),
        last_tags: latest('tags'),
        last_price: latest('price'),
        people: countDistinct('big'),
        people_exact: countDistinct('k', { exact: true, where: 'small >= 0' }),
        median: quantile('x', 0.5),
      },
    },
    total: { dimensions: {}, measures: { n: count(), people: countDistinct('id'), last: latest('k') } },
    tagged: { unnest: { tag: 'tags' }, dimensions: { tag: 'tag' }, measures: { n: count(), ids: countDistinct('id') } },
  },
})

interface Row {
  id: number
  at: number
  k: string | null
  big: bigint | null
  small: number | null
  price: number | null
  x: number | null
  tags: (string | null)[] | null
}

const names = fc.constantFrom('a', 'b', 'ü', '😀 "x"', "o'clock", '')
const row: fc.Arbitrary<Row> = fc.record({
  id: fc.integer({ min: 0, max: 9 }),
  at: fc.constantFrom(-60_001, -1, 0, 59_999, 60_000, 1_489_925_470_960),
  k: fc.option(names),
  big: fc.option(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n })),
  small: fc.option(fc.integer({ min: -5, max: 5 })),
  price: fc.option(fc.integer({ min: -(10 ** 9), max: 10 ** 9 })),
  x: fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => (Math.abs(x) < 1e-6 ? 0 : x))),
  tags: fc.option(fc.array(fc.option(names), { maxLength: 3 })),
})

let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset

beforeAll(async () => {
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(definition, connection)
})
afterAll(() => engine.close())

async function table(name: string, rows: readonly Row[], partition: number): Promise<void> {
  const columns = dataset.rowColumns.map((column) => `"${column.name}" ${column.type}`).join(', ')
  await connection.run(`CREATE OR REPLACE TABLE ${name} (${columns})`)
  if (rows.length === 0) return
  const text = (value: string | null): string => (value === null ? 'NULL' : quoteText(value))
  const values = rows.map((r, offset) => {
    const tags = r.tags === null ? 'NULL' : `[${r.tags.map(text).join(', ')}]::VARCHAR[]`
    const price = r.price === null ? 'NULL' : `${r.price}::DECIMAL(38,0) / 1000`
    return `(${partition}, ${offset}, ${r.at}, ${r.at}, ${r.id}, epoch_ms(${r.at}), ${text(r.k)}, ${r.big ?? 'NULL'}, ${r.small ?? 'NULL'}, ${price}, ${r.x ?? 'NULL'}::DOUBLE, ${tags})`
  })
  await connection.run(`INSERT INTO ${name} VALUES ${values.join(', ')}`)
}

const keysOf = (view: CompiledView): string[] => [
  ...(view.paneMs === undefined ? [] : ['pane']),
  ...view.dimensions.map((column) => column.name),
]

/** presented rows as sorted texts; doubles rounded to 9 digits, for their sums depend on the order of adding */
async function presented(view: CompiledView, states: string): Promise<string[]> {
  return numbers(view, view.presentSql(`(${states})`, keysOf(view)))
}
async function numbers(view: CompiledView, select: string): Promise<string[]> {
  const items = view.measures.map((measure) =>
    measure.type === 'DOUBLE' ? `printf('%.9e', round("${measure.name}", 6) + 0.0)` : `"${measure.name}"::VARCHAR`,
  )
  const rows = await connection.columns(
    `SELECT json_array(${[...keysOf(view).map((key) => `"${key}"`), ...items].join(', ')})::VARCHAR FROM (${select})`,
  )
  return (rows[0] as string[]).sort()
}

describe.each(['all', 'total', 'tagged'])('view %s', (name) => {
  test('merging partials of any cut presents the same as one partial, in any order, with a zero', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 12 }),
        fc.array(row, { maxLength: 12 }),
        fc.array(row, { maxLength: 6 }),
        async (a, b, c) => {
          await table('a', a, 0)
          await table('b', b, 1)
          await table('c', c, 2)
          const [pa, pb, pc] = ['a', 'b', 'c'].map((source) => view.partialSql(source))
          const union = (...parts: string[]): string =>
            `(${parts.map((part) => `SELECT * FROM (${part})`).join(' UNION ALL ')})`
          const whole = await presented(
            view,
            view.partialSql('(SELECT * FROM a UNION ALL SELECT * FROM b UNION ALL SELECT * FROM c)'),
          )
          expect(await presented(view, view.mergeSql(union(pa!, pb!, pc!)))).toEqual(whole)
          expect(await presented(view, view.mergeSql(union(view.mergeSql(union(pc!, pa!)), pb!)))).toEqual(whole)
          expect(await presented(view, view.mergeSql(union(pa!, view.mergeSql(union(pb!, pc!)))))).toEqual(whole)
          const nothing = view.partialSql('(SELECT * FROM a WHERE false)')
          expect(
            await presented(
              view,
              view.mergeSql(
                union(
                  view.partialSql('(SELECT * FROM a UNION ALL SELECT * FROM b UNION ALL SELECT * FROM c)'),
                  nothing,
                ),
              ),
            ),
          ).toEqual(whole)
          const texts = `(SELECT ${stateJsonSql(view)}::VARCHAR AS "row" FROM ${union(pa!, pb!, pc!)})`
          expect(await presented(view, view.mergeSql(`(${statesFromJsonSql(view, texts)})`))).toEqual(whole)
        },
      ),
      { numRuns: name === 'all' ? 8 : 20 },
    )
  })

  test('the independent recount agrees', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
        await table('a', rows, 0)
        const exact = { ...view, measures: view.measures.filter((measure) => measure.kind !== 'quantile') }
        const [ours, recount] = [
          await numbers(exact, view.presentSql(`(${view.partialSql('a')})`, keysOf(view))),
          await numbers(exact, view.recountSql('a')),
        ]
        expect(ours).toEqual(recount)
      }),
      { numRuns: 25 },
    )
  })

  test('partials of touched keys are those of the whole', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), fc.nat(20), async (rows, from) => {
        await table('a', rows, 0)
        const touched = `(${view.keysSql(`(SELECT * FROM a WHERE _offset >= ${from})`)})`
        const some = await presented(view, view.partialOfKeysSql('a', touched))
        const whole = await presented(view, view.partialSql('a'))
        expect(whole).toEqual(expect.arrayContaining(some))
        expect(some.length).toBe(
          keysOf(view).length === 0 ? whole.length : (await connection.columns(`SELECT 1 FROM ${touched}`))[0]!.length,
        )
      }),
      { numRuns: 25 },
    )
  })
})

test('plain lines count the same', async () => {
  const view = dataset.views.get('all')!
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
      await table('a', rows, 0)
      const groups = Map.groupBy(rows, (r) => JSON.stringify([Math.floor(r.at / 60_000) * 60_000, r.k]))
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
        `SELECT json_array(pane, k)::VARCHAR AS key, n, sum_big::VARCHAR AS total, people FROM (${view.presentSql(`(${view.partialSql('a')})`, ['pane', 'k'])})`,
      )
      const byKey = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1)
      expect(result.map((r) => [r.key, r.n, r.total, r.people]).sort(byKey)).toEqual(naive.sort(byKey))
    }),
    { numRuns: 25 },
  )
})

test('distinct counts are exact to 2,048 and within 5 sigma beyond', async () => {
  const view = dataset.views.get('total')!
  for (const [n, exact] of [
    [2_048, true],
    [50_000, false],
  ] as const) {
    await connection.run(
      `CREATE OR REPLACE TABLE many AS SELECT * REPLACE (range::BIGINT AS id) FROM (SELECT * EXCLUDE (range), range FROM (SELECT 0::INTEGER AS _partition, 0::BIGINT AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, NULL::BIGINT AS id, 'k' AS k), range(${n}))`,
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
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
      await table(
        'a',
        rows.map((r) => ({ ...r, k: 'k', at: 0 })),
        0,
      )
      const [sketch] = await connection.rows<{ median: number | null }>(
        view.presentSql(`(${view.partialSql('a')})`, []),
      )
      const values = rows.flatMap((r) => (r.x === null ? [] : [r.x])).sort((a, b) => a - b)
      const truth = values[Math.floor(0.5 * (values.length - 1))] ?? null
      if (truth === null) expect(sketch!.median).toBeNull()
      else expect(Math.abs(sketch!.median! - truth)).toBeLessThanOrEqual(0.01 * Math.abs(truth) + 1e-12)
    }),
    { numRuns: 30 },
  )
})

test('one row whose expression fails is NULL there, and the others count', async () => {
  const overflowing = defineDataset({
    ...definition,
    views: { v: { dimensions: {}, measures: { n: count(), huge: sum('small * 2147483647') } } },
  })
  const view = (await compileDataset(overflowing, connection)).views.get('v')!
  const blank: Row = { id: 1, at: 0, k: null, big: null, small: null, price: null, x: null, tags: null }
  await table(
    'a',
    [
      { ...blank, small: 5 },
      { ...blank, small: 1 },
    ],
    0,
  )
  expect(await connection.rows(view.presentSql(`(${view.partialSql('a')})`, []))).toEqual([
    { n: 2, huge: 2_147_483_647 },
  ])
})
