/** For tests: a dataset with a view for each kind of measure, generated rows of it, and the relations that laws compare. */
import fc from 'fast-check'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
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
} from '#core/definition.ts'
import { quoteText } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'

/** Products of larger values are doubles, whose sum depends on its order within the bound: moments.test.ts looks at them. */
const CALM = 'CASE WHEN abs(x) < 1e12 THEN x END'

export const definition = defineDataset({
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
    total: {
      dimensions: {},
      measures: {
        n: count(),
        people: countDistinct('id'),
        last: latest('k'),
        last_big: latest('big'),
        last_price: latest('price'),
      },
    },
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

export interface Row {
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

export const connection = await testConnection()
/** the views whose measures obey the laws */
export const dataset = await compileDataset(definition, connection)

/** One property run holds this many cases side by side, kept apart by the dimension `run`: planning a query costs more than running it. */
export const CASES = 25

/** A table of typed rows: the rows of case i have run = i; offsets go on from one case to the next. */
export async function table(name: string, cases: readonly (readonly Row[])[], partition: number): Promise<void> {
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

export async function save(name: string, select: string): Promise<string> {
  await connection.run(`CREATE OR REPLACE TABLE ${name} AS ${select}`)
  return name
}
export const together = (...relations: readonly string[]): string =>
  `(${relations.map((relation) => `SELECT * FROM ${relation}`).join(' UNION ALL ')})`

/** presented rows as sorted texts */
export async function presented(view: CompiledView, states: string, keys = keyNames(view)): Promise<string[]> {
  return numbers(view, view.presentSql(`(${states})`, keys), keys)
}
export async function numbers(view: CompiledView, select: string, keys = keyNames(view)): Promise<string[]> {
  const items = view.measures.map((measure) => `"${measure.name}"::VARCHAR`)
  const rows = await connection.columns(
    `SELECT json_array(${[...keys.map((key) => `"${key}"`), ...items].join(', ')})::VARCHAR FROM (${select})`,
  )
  return (rows[0] as string[]).sort()
}

/** Cases of at most `rowsMax` rows each. */
export const casesOf = (cases: number, rowsMax: number) =>
  fc.array(fc.array(row, { maxLength: rowsMax }), { minLength: cases, maxLength: cases })
