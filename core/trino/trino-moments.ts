/**
 * Sums of products on Trino, of which variances, covariances, correlations and slopes are made. A value is split into whole units, multiples of
 * 2^-30 and a rest, step by step and exactly as in core/measures/moments.ts. Trino rounds at each step when it adds doubles; so the
 * rests, and what products of them leave, are added as whole numbers of four sizes.
 */

import { Refused } from '../dialects/refused.ts'
import { converted } from '../dialects/trino-casts.ts'
import { trinoValue } from '../dialects/trino-value.ts'
import { ASSOCIATION_PAIRS, type AssociationKind } from '../measures/association.ts'
import { HUGE, type Pair, UNITS, WHOLE_END } from '../measures/moments.ts'
import type { RefusedMeasure, Sent, TrinoColumn, TrinoMeasure, TrinoMeasureInput } from './trino-measure.ts'

/** Units of the whole numbers that a double is split into. What is smaller than the last is lost. */
const LIMB_UNITS = [2 ** 60, 1, 2 ** -92, 2 ** -182] as const
/** Doubles from here on travel as they are: sums of 2^34 smaller ones have at most 38 digits. */
const LIMBS_END = 2 ** 152

type Axis = 'x' | 'y'
const EXTREMES = ['DOUBLE', 'DOUBLE'] as const

export function spreadOnTrino({ type, x }: TrinoMeasureInput): TrinoMeasure | RefusedMeasure {
  return moments({ x: { sql: x, type } }, ['xx'])
}

/** The dependent value comes first, but is the y axis. */
export function associationOnTrino(
  kind: AssociationKind,
  { type, second, x, y }: TrinoMeasureInput,
): TrinoMeasure | RefusedMeasure {
  return moments({ x: { sql: y, type: second }, y: { sql: x, type } }, ASSOCIATION_PAIRS[kind])
}

interface Axes {
  readonly x: Sent
  readonly y?: Sent
}

function moments(values: Axes, pairs: readonly Pair[]): TrinoMeasure | RefusedMeasure {
  const axes: readonly Axis[] = values.y === undefined ? ['x'] : ['x', 'y']
  const of = { x: namesOf(values.x.sql), y: namesOf((values.y ?? values.x).sql) }
  let doubles: TrinoColumn[]
  try {
    doubles = axes.map((axis) => ({ name: of[axis].value, sql: doubleOf(axis === 'x' ? values.x : values.y!) }))
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message }
    throw error
  }
  const isSmall = of.x.isSmall
  const small = axes.map((axis) => `abs(${of[axis].value}) <= ${literal(HUGE)}`).join(' AND ')
  const only = `FILTER (WHERE ${isSmall})`
  const sums = axes.map((axis) => limbsOf(of[axis].rest, isSmall))
  const products = pairs.map((pair) => limbsOf(of.x.product(pair), isSmall))
  const firsts = axes.map((axis, at): Composed => firstOf(of[axis], sums[at]!, only))
  const seconds = pairs.map(
    (pair, at): Composed => secondOf(of[pair[0] as Axis], of[pair[1] as Axis], products[at]!, only),
  )
  const composed = [countsOf(isSmall, only), ...firsts, ...seconds]
  return {
    steps: [
      doubles,
      [{ name: isSmall, sql: small }, ...axes.map((axis) => of[axis].steps[0]!)],
      axes.map((axis) => of[axis].steps[1]!),
      axes.map((axis) => of[axis].steps[2]!),
      pairs.map((pair) => ({ name: of.x.product(pair), sql: restsSql(of[pair[0] as Axis], of[pair[1] as Axis]) })),
    ],
    aggregates: composed.flatMap(({ sent }) => sent.map(({ sql }) => sql)),
    sent: (columns) => {
      const types = composed.flatMap(({ sent }) => sent.map(({ type }) => type))
      return columns.map((sql, at) => ({ sql, type: types[at]! }))
    },
    states: (received) => {
      const left = [...received]
      return composed.flatMap(({ sent, states }) => states(left.splice(0, sent.length)))
    },
    list: null,
  }
}

/** Aggregates, and the states that DuckDB makes of them. */
interface Composed {
  readonly sent: readonly Sent[]
  readonly states: (received: readonly string[]) => readonly string[]
}

function countsOf(isSmall: string, only: string): Composed {
  const counts = [`count(*) ${only}`, `count(*) FILTER (WHERE NOT ${isSmall})`]
  return { sent: counts.map((sql) => ({ sql, type: 'BIGINT' })), states: (received) => received }
}

function firstOf({ value, whole, fine }: Names, rests: Limbs, only: string): Composed {
  return {
    sent: [
      ...[whole, fine].map((part) => decimalSum(decimal(part), only)),
      { sql: `min(${value}) ${only}`, type: EXTREMES[0] },
      { sql: `max(${value}) ${only}`, type: EXTREMES[1] },
      ...rests.sent,
    ],
    states: ([w, f, lo, hi, ...limbs]) => [
      `struct_pack(w := ${w}, f := ${f}, r := CASE WHEN ${w} IS NOT NULL THEN ${rests.sum(limbs)} END, lo := ${lo}, hi := ${hi})`,
    ],
  }
}

function secondOf(a: Names, b: Names, rests: Limbs, only: string): Composed {
  const product = (left: string, right: string): string => `${decimal(left)} * ${decimal(right)}`
  const sums = [
    product(a.whole, b.whole),
    `${product(a.whole, b.fine)} + ${product(b.whole, a.fine)}`,
    product(a.fine, b.fine),
  ]
  return {
    sent: [...sums.map((sql) => decimalSum(sql, only)), ...rests.sent],
    states: ([ww, wf, ff, ...limbs]) => [
      `struct_pack(ww := ${ww}, wf := ${wf}, ff := ${ff}, e := CASE WHEN ${ww} IS NOT NULL THEN ${rests.sum(limbs)} END)`,
    ],
  }
}

/** What the products of whole units and multiples of 2^-30 leave of a product. */
function restsSql(a: Names, b: Names): string {
  return `${a.value} * ${b.rest} + ${a.rest} * (${b.value} - ${b.rest})`
}

interface Limbs {
  readonly sent: readonly Sent[]
  /** DuckDB's SQL: the sum, 0 where there was no value */
  readonly sum: (received: readonly string[]) => string
}

/**
 * A sum of doubles by whole numbers: a double's multiples of each unit, without those of the unit before. Each is exact, as it is a part of the
 * double's own digits.
 *
 * @param column of doubles
 */
function limbsOf(column: string, isSmall: string): Limbs {
  const only = `FILTER (WHERE ${isSmall})`
  // Trino evaluates an argument before its FILTER.
  const isInside = `abs(${column}) < ${literal(LIMBS_END)}`
  const multiples = (unit: number): string => `truncate(${column} * ${literal(1 / unit)})`
  const limbs = LIMB_UNITS.map((unit, at) => {
    const before = LIMB_UNITS[at - 1]
    return before === undefined
      ? multiples(unit)
      : `${multiples(unit)} - ${multiples(before)} * ${literal(before / unit)}`
  })
  return {
    sent: [
      ...limbs.map((limb) =>
        decimalSum(`CAST(CASE WHEN ${isInside} THEN ${limb} ELSE 0e0 END AS decimal(38,0))`, only),
      ),
      {
        sql: `array_agg(${column}) FILTER (WHERE ${isSmall} AND abs(${column}) >= ${literal(LIMBS_END)})`,
        type: 'DOUBLE[]',
      },
    ],
    sum: (received) => {
      const parts = LIMB_UNITS.map((unit, at) => `coalesce(${received[at]}::DOUBLE, 0) * ${literal(unit)}`)
      const all = `list_concat([${parts.join(', ')}], coalesce(${received[LIMB_UNITS.length]}, []))`
      return `list_aggregate(${all}, 'fsum')`
    },
  }
}

function decimalSum(sql: string, only: string): Sent {
  return { sql: `sum(${sql}) ${only}`, type: 'DECIMAL(38,0)' }
}

/** Of a whole number below 2^46, so that a product has 38 digits at most. */
function decimal(column: string): string {
  return `CAST(${column} AS decimal(19,0))`
}

interface Names {
  readonly value: string
  readonly whole: string
  readonly fine: string
  readonly rest: string
  readonly isSmall: string
  readonly steps: readonly TrinoColumn[]
  readonly product: (pair: Pair) => string
}

function namesOf(prepared: string): Names {
  const name = (part: string): string => prepared.replace(/"$/, ` ${part}"`)
  const [value, whole, fine, rest] = ['v', 'w', 'f', 'r'].map(name) as [string, string, string, string]
  const isWhole = `abs(${value}) < ${literal(WHOLE_END)}`
  const steps = [
    { name: whole, sql: `CASE WHEN ${isWhole} THEN ${halfToEven(value)} ELSE 0e0 END` },
    {
      name: fine,
      sql: `CASE WHEN ${isWhole} THEN ${halfToEven(`(${value} - ${whole}) * ${literal(UNITS)}`)} ELSE 0e0 END`,
    },
    { name: rest, sql: `${value} - ${whole} - ${fine} * ${literal(1 / UNITS)}` },
  ]
  return { value, whole, fine, rest, isSmall: name('s'), steps, product: name }
}

/** From here on doubles have no fraction. */
const NO_FRACTION = 1.5 * 2 ** 52

/** Adding makes the processor round half to even, as DuckDB does, so that the states are the same. Of numbers below 2^51. */
function halfToEven(sql: string): string {
  return `((${sql}) + ${literal(NO_FRACTION)} - ${literal(NO_FRACTION)})`
}

/** @throws Refused for decimals that Trino converts otherwise */
function doubleOf({ sql, type }: Sent): string {
  return converted(trinoValue(sql, type), 'DOUBLE').sql
}

/** With an exponent a literal is a double. */
function literal(value: number): string {
  return value.toExponential()
}
