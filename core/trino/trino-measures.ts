/**
 * The states of measures on Trino. Trino adds up, and DuckDB puts what arrives into the form of the state: whatever of it depends on an
 * engine's own functions (texts of doubles, logarithms at the border of two buckets) is left to DuckDB, so that the states are those of a recount by DuckDB.
 */
import type { MeasureKind } from '../definition-parts.ts'
import { KMV_KEPT } from '../measures/count-distinct.ts'
import { sumType } from '../measures/number-types.ts'
import { decimalOf } from '../stored-value.ts'
import { doubleSumOnTrino } from './trino-double-sum.ts'
import { histogramAggregates } from './trino-histogram.ts'
import type { RefusedMeasure, Sent, TrinoMeasure, TrinoMeasureInput } from './trino-measure.ts'
import { associationOnTrino, spreadOnTrino } from './trino-moments.ts'
import { orderedStateSql } from './trino-order.ts'
import { quantileElement } from './trino-quantile.ts'

type Make = (input: TrinoMeasureInput) => TrinoMeasure | RefusedMeasure

const KINDS: Readonly<Record<MeasureKind, Make>> = {
  count: ({ definition, x }) =>
    scalars([{ sql: definition.where === undefined ? 'count(*)' : `count(${x})`, type: 'BIGINT' }]),
  sum: ({ type, x }) => sums([{ x, type }]),
  avg: ({ type, x }) => sums([{ x, type }], [count(x)]),
  ratio: ({ type, second, x, y }) => ratio({ x, type }, { x: y, type: second }),
  min: (input) => extreme('min', input),
  max: (input) => extreme('max', input),
  first: (input) => ordered('min', input),
  latest: (input) => ordered('max', input),
  maxBy: (input) => extremeBy('max', input),
  minBy: (input) => extremeBy('min', input),
  boolAnd: ({ x }) => scalars([{ sql: `bool_and(${x})`, type: 'BOOLEAN' }]),
  boolOr: ({ x }) => scalars([{ sql: `bool_or(${x})`, type: 'BOOLEAN' }]),
  histogram: ({ definition, type, x }) => {
    const counts = histogramAggregates(x, type, definition.bounds ?? []).map((sql) => ({ sql, type: 'BIGINT' }))
    return { ...scalars(counts), states: (sent) => [`[${sent.join(', ')}]`] }
  },
  countDistinct: distinct,
  quantile: ({ type, x }) => ({
    ...scalars([{ sql: `min(${x})`, type }, { sql: `max(${x})`, type }, count(x)]),
    states: ([lo, hi, n]) => [`(${lo})::DOUBLE`, `(${hi})::DOUBLE`, n!],
    list: { kind: 'counted', keep: null, ...quantileElement(x, type) },
  }),
  varSamp: spreadOnTrino,
  varPop: spreadOnTrino,
  stddevSamp: spreadOnTrino,
  stddevPop: spreadOnTrino,
  covarSamp: (input) => associationOnTrino('covarSamp', input),
  covarPop: (input) => associationOnTrino('covarPop', input),
  corr: (input) => associationOnTrino('corr', input),
  regrSlope: (input) => associationOnTrino('regrSlope', input),
}

export function trinoMeasure(input: TrinoMeasureInput): TrinoMeasure | RefusedMeasure {
  return KINDS[input.definition.kind](input)
}

/** Aggregates that travel as they are, and are the states. */
function scalars(aggregates: readonly Sent[]): TrinoMeasure {
  return {
    aggregates: aggregates.map(({ sql }) => sql),
    sent: (columns) => columns.map((sql, at) => ({ sql, type: aggregates[at]!.type })),
    states: (sent) => sent,
    list: null,
  }
}

function count(x: string): Sent {
  return { sql: `count(${x})`, type: 'BIGINT' }
}

interface Summed {
  readonly x: string
  readonly type: string
}

function sums(values: readonly Summed[], more: readonly Sent[] = []): TrinoMeasure {
  const parts = [...values.map(sumOf), scalars(more)]
  return {
    aggregates: parts.flatMap(({ aggregates }) => aggregates),
    sent: (columns) => apart(parts, columns).flatMap((own, at) => parts[at]!.sent(own)),
    states: (sent) => apart(parts, sent).flatMap((own, at) => parts[at]!.states(own)),
    list: null,
  }
}

/** Each part's own of what all have one after the other. */
function apart<Column>(parts: readonly TrinoMeasure[], columns: readonly Column[]): Column[][] {
  return inTurn(
    columns,
    parts.map(({ aggregates }) => aggregates.length),
  )
}

/**
 * Parts of a list, one after the other.
 *
 * @example inTurn(['a', 'b', 'c'], [1, 2]) // [['a'], ['b', 'c']]
 */
export function inTurn<Item>(items: readonly Item[], lengths: readonly number[]): Item[][] {
  let from = 0
  return lengths.map((length) => {
    from += length
    return items.slice(from - length, from)
  })
}

function sumOf({ x, type }: Summed): TrinoMeasure {
  const total = sumType(type)
  if (total === 'DOUBLE') return doubleSumOnTrino(x)
  if (total === 'BIGINT') return scalars([{ sql: `sum(CAST(${x} AS bigint))`, type: total }])
  // The sum of decimals has 38 digits on Trino, too.
  return scalars([{ sql: `sum(${type.startsWith('DECIMAL') ? x : `CAST(${x} AS decimal(38,0))`})`, type: total }])
}

/** Where one of the two is a double, both sums are kept as sums of doubles. */
function ratio(a: Summed, b: Summed): TrinoMeasure {
  const isDouble = [a, b].some(({ type }) => sumType(type) === 'DOUBLE')
  return sums([a, b].map(({ x, type }) => (isDouble ? { x: `CAST(${x} AS double)`, type: 'DOUBLE' } : { x, type })))
}

/** Trino does not compare lists that have a NULL. */
function whyNotComparable({ definition: { kind } }: TrinoMeasureInput, type: string): RefusedMeasure | null {
  return type.endsWith('[]')
    ? { refused: `${kind} of a list: Trino does not compare lists that have a NULL in them` }
    : null
}

function extreme(f: 'min' | 'max', input: TrinoMeasureInput): TrinoMeasure | RefusedMeasure {
  const { type, x } = input
  return whyNotComparable(input, type) ?? scalars([{ sql: `${f}(${x})`, type }])
}

function ordered(f: 'min' | 'max', input: TrinoMeasureInput): TrinoMeasure | RefusedMeasure {
  const { type, x, unnested } = input
  const has = `FILTER (WHERE ${x} IS NOT NULL)`
  const states = ([value, order]: readonly string[]): string[] => [orderedStateSql(value!, order!)]
  if (!unnested)
    return {
      ...scalars([
        { sql: `${f}_by(${x}, _order) ${has}`, type },
        { sql: `${f}(_order) ${has}`, type: 'DECIMAL(38,0)' },
      ]),
      states,
    }
  // The elements of one event share their order: the smallest is first, the largest latest.
  const aggregates = [`${f}(ROW(_order, ${x})) ${has}`]
  const sent = ([row]: readonly string[]): Sent[] => [
    { sql: `${row}[2]`, type },
    { sql: `${row}[1]`, type: 'DECIMAL(38,0)' },
  ]
  return whyNotComparable(input, type) ?? { aggregates, sent, states, list: null }
}

function extremeBy(f: 'min' | 'max', input: TrinoMeasureInput): TrinoMeasure | RefusedMeasure {
  const { type, second, x, y } = input
  return (
    whyNotComparable(input, type) ??
    whyNotComparable(input, second) ?? {
      // Rows compare by their fields in turn, as structs do.
      aggregates: [`${f}(ROW(${y}, ${x})) FILTER (WHERE ${x} IS NOT NULL AND ${y} IS NOT NULL)`],
      sent: ([row]) => [
        { sql: `${row}[1]`, type: second },
        { sql: `${row}[2]`, type },
      ],
      states: ([b, v]) => [`CASE WHEN ${v} IS NOT NULL THEN struct_pack(b := ${b}, v := ${v}) END`],
      list: null,
    }
  )
}

const SAME_TEXT = new Set(['BOOLEAN', 'VARCHAR', 'DATE', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT'])

/** Whether texts of the type, which are hashed, are the same on both engines. A decimal of fractions only begins with its point on DuckDB. */
function hasSameText(type: string): boolean {
  const decimal = decimalOf(type)
  return decimal === null ? SAME_TEXT.has(type) : decimal.digits > decimal.scale
}

function distinct({ definition, type, x }: TrinoMeasureInput): TrinoMeasure {
  const hash = `bitwise_right_shift(from_big_endian_64(substr(md5(to_utf8(CAST(${x} AS varchar))), 1, 8)), 12)`
  const isSame = hasSameText(type)
  return {
    ...scalars([]),
    list: {
      kind: 'distinct',
      keep: isSame && !definition.exact ? KMV_KEPT : null,
      sent: [isSame ? { sql: hash, type: 'BIGINT' } : { sql: x, type }],
      // Of other types the value travels.
      element: ([sent]) => (isSame ? sent! : `CAST('0x' || substr(md5((${sent})::VARCHAR), 1, 13) AS BIGINT)`),
    },
  }
}
