/**
 * The laws of every measure, through the real engine on generated rows: merge is associative and commutative and has a
 * zero; present(merge(partial(a), partial(b))) = present(partial(a ∪ b)), to the last digit also for doubles that cancel; the
 * recount, which shares nothing with them, agrees, for doubles within their bound;
 * merge(a, b) - b = a where a measure says that it is invertible.
 */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset, CompiledView, SqlColumn } from './compiled.ts'
import {
  avg,
  boolAnd,
  boolOr,
  corr,
  count,
  countDistinct,
  covarPop,
  covarSamp,
  defineDataset,
  first,
  histogram,
  latest,
  max,
  maxBy,
  min,
  minBy,
  quantile,
  ratio,
  regrSlope,
  stddevPop,
  stddevSamp,
  sum,
  varPop,
  varSamp,
} from './definition.ts'
import { quoteText } from './sql-names.ts'
import { stateJsonSql, statesFromJsonSql } from './state-json.ts'
import { keyNames } from './view-time.ts'

/** Products of larger values are doubles, whose sum depends on its order within the bound: moments.test.ts looks at them. */
const CALM = 'CASE WHEN abs(x) < 1e12 THEN x END'

const definition = defineDataset({
  name: 'law_events',
  time: 'at',
  key: 'id',
  columns: {
    run: { type: 'INTEGER', path: '$.run' },
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    k: { type: 'VARCHAR', path: '$.k' },
    big: { type: 'BIGINT', path: '$.big' },
    small: { type: 'INTEGER', path: '$.small' },
    price: { type: 'DECIMAL(12,3)', path: '$.price' },
    wide: { type: 'DECIMAL(28,8)', path: '$.wide' },
    x: { type: 'DOUBLE', path: '$.x' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    all: {
      dimensions: { run: 'run', k: 'k' },
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
        mean_x: avg('x'),
        share_x: ratio('x', 'small'),
        mean: avg('small'),
        share: ratio('small', 'big'),
        first_big: first('big'),
        last_k: latest('upper(k)'),
        last_tags: latest('tags'),
        last_price: latest('price'),
        first_wide: first('wide'),
        last_wide: latest('wide'),
        lowest_wide: min('wide'),
        people: countDistinct('big'),
        people_exact: countDistinct('k', { exact: true, where: 'small >= 0' }),
        median: quantile('x', 0.5),
        high: quantile('small', 0.95),
        k_of_most: maxBy('k', 'small'),
        wide_of_least: minBy('wide', 'x'),
        tags_of_most: maxBy('tags', 'k'),
        bins: histogram('x', [-1000, 0, 0.1, 1000]),
        price_bins: histogram('price', [-0.5, 0.125]),
        all_positive: boolAnd('small > 0'),
        any_positive: boolOr('small > 0'),
      },
    },
    spread: {
      dimensions: { run: 'run' },
      measures: {
        var_x: varSamp(CALM),
        var_small: varPop('small'),
        dev_price: stddevSamp('price'),
        dev_x: stddevPop(CALM, { where: 'small > 0' }),
        co_x: covarSamp(CALM, 'small'),
        co_price: covarPop('price', CALM),
        related: corr(CALM, 'price'),
        related_big: corr('small', 'price'),
        slope: regrSlope(CALM, 'small'),
      },
    },
    total: { dimensions: {}, measures: { n: count(), people: countDistinct('id'), last: latest('k') } },
    tagged: {
      unnest: { tag: 'tags' },
      dimensions: { run: 'run', tag: 'tag' },
      measures: { n: count(), ids: countDistinct('id'), last_tag: latest('tag'), first_length: first('length(tag)') },
    },
    ends: {
      unnest: { tag: 'tags' },
      dimensions: { run: 'run' },
      measures: { first_tag: first('tag'), last_tag: latest('tag'), last_x: latest('x * length(tag)') },
    },
  },
})

interface Row {
  id: number
  /** event time, epoch ms, and microseconds after it */
  at: number
  us: number
  k: string | null
  big: bigint | null
  small: number | null
  price: number | null
  /** in units of the last of its eight places */
  wide: bigint | null
  x: number | null
  tags: (string | null)[] | null
}

const names = fc.constantFrom('a', 'b', 'ü', '😀 "x"', "o'clock", '')
const row: fc.Arbitrary<Row> = fc.record({
  id: fc.integer({ min: 0, max: 9 }),
  at: fc.constantFrom(-60_001, -1, 0, 59_999, 60_000, 1_489_925_470_960),
  us: fc.constantFrom(0, 1, 999),
  k: fc.option(names),
  big: fc.option(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n })),
  small: fc.option(fc.integer({ min: -5, max: 5 })),
  price: fc.option(fc.integer({ min: -(10 ** 9), max: 10 ** 9 })),
  wide: fc.option(fc.bigInt({ min: -(10n ** 28n) + 1n, max: 10n ** 28n - 1n })),
  x: fc.option(
    fc.oneof(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => (Math.abs(x) < 1e-6 ? 0 : x)),
      fc.constantFrom(1e16, -1e16, 123456789.1, -123456789.1, 0.1, -0.1),
    ),
  ),
  tags: fc.option(fc.array(fc.option(names), { maxLength: 3 })),
})

const connection = await testConnection()
let dataset: CompiledDataset

beforeAll(async () => {
  dataset = await compileDataset(definition, connection)
})

/** One property run holds this many cases side by side, kept apart by the dimension `run`: planning a query costs more than running it. */
const CASES = 25

/** A table of typed rows: the rows of case i have run = i; offsets go on from one case to the next. */
async function table(name: string, cases: readonly (readonly Row[])[], partition: number): Promise<void> {
  const rows = cases.flatMap((rows, run) => rows.map((r) => ({ ...r, run })))
  const columns = dataset.rowColumns.map((column) => `"${column.name}" ${column.type}`).join(', ')
  await connection.run(`CREATE OR REPLACE TABLE ${name} (${columns})`)
  if (rows.length === 0) return
  const text = (value: string | null): string => (value === null ? 'NULL' : quoteText(value))
  const values = rows.map((r, offset) => {
    const tags = r.tags === null ? 'NULL' : `[${r.tags.map(text).join(', ')}]::VARCHAR[]`
    const price = r.price === null ? 'NULL' : `${r.price}::DECIMAL(38,0) / 1000`
    const wide = r.wide === null ? 'NULL' : `${r.wide}::DECIMAL(28,0) * 0.00000001`
    return `(${partition}, ${offset}, ${r.at}, ${r.at}, ${r.run}, ${r.id}, make_timestamp(${r.at * 1_000 + r.us}), ${text(r.k)}, ${r.big ?? 'NULL'}, ${r.small ?? 'NULL'}, ${price}, ${wide}, ${r.x ?? 'NULL'}::DOUBLE, ${tags})`
  })
  await connection.run(`INSERT INTO ${name} VALUES ${values.join(', ')}`)
}

async function save(name: string, select: string): Promise<string> {
  await connection.run(`CREATE OR REPLACE TABLE ${name} AS ${select}`)
  return name
}
const together = (...relations: readonly string[]): string =>
  `(${relations.map((relation) => `SELECT * FROM ${relation}`).join(' UNION ALL ')})`

/** presented rows as sorted texts */
async function presented(view: CompiledView, states: string, keys = keyNames(view)): Promise<string[]> {
  return numbers(view, view.presentSql(`(${states})`, keys), keys)
}
async function numbers(view: CompiledView, select: string, keys = keyNames(view)): Promise<string[]> {
  const items = view.measures.map((measure) => `"${measure.name}"::VARCHAR`)
  const rows = await connection.columns(
    `SELECT json_array(${[...keys.map((key) => `"${key}"`), ...items].join(', ')})::VARCHAR FROM (${select})`,
  )
  return (rows[0] as string[]).sort()
}

/** a view without dimensions can not keep cases apart: one at a time */
const VIEWS = [
  { name: 'all', cases: CASES, numRuns: 3 },
  { name: 'total', cases: 1, numRuns: 25 },
  { name: 'tagged', cases: CASES, numRuns: 3 },
  { name: 'spread', cases: CASES, numRuns: 1 },
  { name: 'ends', cases: CASES, numRuns: 3 },
]
const casesOf = (cases: number, rowsMax: number) =>
  fc.array(fc.array(row, { maxLength: rowsMax }), { minLength: cases, maxLength: cases })

describe.each(VIEWS)('view $name', ({ name, cases, numRuns }) => {
  test('merging partials of any cut presents the same as one partial, in any order, with a zero', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 12), casesOf(cases, 12), casesOf(cases, 6), async (a, b, c) => {
        await table('a', a, 0)
        await table('b', b, 1)
        await table('c', c, 2)
        const [pa, pb, pc] = [
          await save('pa', view.partialSql('a')),
          await save('pb', view.partialSql('b')),
          await save('pc', view.partialSql('c')),
        ]
        await save('one', view.partialSql(together('a', 'b', 'c')))
        const whole = await presented(view, 'FROM one')
        expect(whole.length).toBeGreaterThan(cases === 1 ? -1 : cases / 2)
        const backwards = `(SELECT * FROM ${together('a', 'b', 'c')} ORDER BY _partition DESC, _offset DESC)`
        expect(await presented(view, view.partialSql(backwards))).toEqual(whole)
        expect(await presented(view, view.mergeSql(together(pa, pb, pc)))).toEqual(whole)
        const ca = await save('ca', view.mergeSql(together(pc, pa)))
        expect(await presented(view, view.mergeSql(together(ca, pb)))).toEqual(whole)
        const bc = await save('bc', view.mergeSql(together(pb, pc)))
        expect(await presented(view, view.mergeSql(together(pa, bc)))).toEqual(whole)
        const nothing = await save('nothing', view.partialSql('(SELECT * FROM a WHERE false)'))
        expect(await presented(view, view.mergeSql(together('one', nothing)))).toEqual(whole)
        const texts = `(SELECT ${stateJsonSql(view)}::VARCHAR AS "row" FROM ${together(pa, pb, pc)})`
        expect(await presented(view, view.mergeSql(`(${statesFromJsonSql(view, texts)})`))).toEqual(whole)
        // over fewer keys: one event may meet itself again
        const by = cases === 1 ? [] : [{ name: 'run', sql: 'run' }]
        const keys = by.map((group) => group.name)
        expect(await presented(view, view.mergeSql(together(pb, pc, pa), by), keys)).toEqual(
          await presented(view, view.mergeSql('one', by), keys),
        )
      }),
      { numRuns },
    )
  })

  test('the independent recount agrees', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 20), async (rows) => {
        await table('a', rows, 0)
        const bounded = view.measures.filter(({ exactness }) => exactness.kind === 'float' && exactness.of !== 'value')
        const exact = {
          ...view,
          measures: view.measures.filter((measure) => !bounded.includes(measure) && measure.name !== 'median'),
        }
        const merged = await save('merged', view.presentSql(`(${view.partialSql('a')})`, keyNames(view)))
        const recounted = await save('recounted', view.recountSql('a'))
        expect(await numbers(exact, `FROM ${merged}`)).toEqual(await numbers(exact, `FROM ${recounted}`))
        const same = keyNames(view).map((key) => `m."${key}" IS NOT DISTINCT FROM r."${key}"`)
        for (const { name } of bounded) {
          const [m, r, within] = [`m."${name}"`, `r."${name}"`, `r."${name}__within"`]
          const equal = `${m} IS NOT DISTINCT FROM ${r} OR coalesce(abs(${m} - ${r}) <= ${within} OR ${within} = 'inf'::DOUBLE, false)`
          const both = `FROM ${merged} AS m JOIN ${recounted} AS r ON ${same.join(' AND ')}`
          expect(await connection.rows(`SELECT ${m}, ${r}, ${within} ${both} WHERE NOT (${equal})`)).toEqual([])
        }
      }),
      { numRuns },
    )
  })

  test('partials of touched keys are those of the whole', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 20), fc.nat(20), async (rows, from) => {
        await table('a', rows, 0)
        const touched = `(${view.keysSql(`(SELECT * FROM a WHERE _offset % 20 >= ${from})`)})`
        const some = await presented(view, view.partialOfKeysSql('a', touched))
        const whole = new Set(await presented(view, view.partialSql('a')))
        expect(some.filter((text) => !whole.has(text))).toEqual([])
        expect(some.length).toBe(
          keyNames(view).length === 0 ? whole.size : (await connection.columns(`SELECT 1 FROM ${touched}`))[0]!.length,
        )
      }),
      { numRuns },
    )
  })
})

/** SQL of a state column of `merged` without that of `taken`, and of the one that `kept` has; NULL counts as 0. */
function takenOut({ name }: SqlColumn): { rest: string; kept: string } {
  return { rest: `coalesce(merged.${name}, 0) - coalesce(taken.${name}, 0)`, kept: `coalesce(kept.${name}, 0)` }
}

test('what a merge added to an invertible state can be taken out again', async () => {
  const view = dataset.views.get('all')!
  const invertible = view.measures.filter((measure) => measure.invertible !== 'no')
  expect(invertible.map(({ name }) => name)).toEqual(
    ['n', 'n_pos', 'sum_small', 'sum_big', 'sum_price', 'mean', 'share'], // sums of doubles are not
  )
  const whole = { ...view, measures: invertible.filter((measure) => measure.invertible === 'yes') }
  const wholeNames = whole.measures.map(({ name }) => name)
  const keys = keyNames(view)
  const sameAs = (side: string): string =>
    keys.map((key) => `merged.${key} IS NOT DISTINCT FROM ${side}.${key}`).join(' AND ')
  const states = invertible.flatMap(({ state }) => state).map((column) => ({ ...column, ...takenOut(column) }))
  const rest = states.map((state) => `${state.rest} AS ${state.name}`)
  const differs = states.map((state) => `${state.rest} IS DISTINCT FROM ${state.kept}`)
  await fc.assert(
    fc.asyncProperty(casesOf(CASES, 12), casesOf(CASES, 12), async (a, b) => {
      await table('a', a, 0)
      await table('b', b, 1)
      const kept = await save('pa', view.partialSql('a'))
      const taken = await save('pb', view.partialSql('b'))
      const merged = await save('pm', view.mergeSql(together(kept, taken)))
      const joined = `${merged} AS merged LEFT JOIN ${taken} AS taken ON ${sameAs('taken')} LEFT JOIN ${kept} AS kept ON ${sameAs('kept')}`
      expect(await connection.rows(`SELECT merged.* FROM ${joined} WHERE ${differs.join(' OR ')}`)).toEqual([])
      const back = `SELECT ${[...keys.map((key) => `merged.${key}`), ...rest].join(', ')} FROM ${joined} WHERE kept.pane IS NOT NULL`
      expect(await numbers(whole, view.presentSql(`(${back})`, keys, wholeNames))).toEqual(
        await numbers(whole, view.presentSql(kept, keys, wholeNames)),
      )
    }),
    { numRuns: 3 },
  )
})

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
      `CREATE OR REPLACE TABLE many AS SELECT * REPLACE (range::BIGINT AS id) FROM (SELECT * EXCLUDE (range), range FROM (SELECT 0::INTEGER AS _partition, 0::BIGINT AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, NULL::INTEGER AS run, NULL::BIGINT AS id, epoch_ms(0) AS at, 'k' AS k), range(${n}))`,
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
