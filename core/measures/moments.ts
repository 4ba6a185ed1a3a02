/**
 * Sums of products of deviations from the mean, which variance, covariance, correlation and slope are made of. The textbook formula
 * Σxy - ΣxΣy/n subtracts two large numbers and keeps nothing of 1e9 ± 1 in doubles. Here a value is split exactly in three, as for sums of
 * doubles: whole units, multiples of 2^-30, and a rest below 2^-31. The products of the first two add up as integers, so these sums are
 * the same for any order and cut; only when they are presented, they are moved to the mean, in integers too, and become doubles.
 */
import type { SqlColumn } from '../compiled.ts'
import { finiteSql } from '../stored-value.ts'
import { type PreparedColumn, SCALAR } from './measure-sql.ts'

export const UNITS = 2 ** 30
/** Larger values are rest: up to here 2^36 squares fit into the 38 digits of an integer. */
export const WHOLE_END = 2 ** 45
/** The squares of larger values are not finite: a group with one has no moments. */
export const HUGE = 1e150
/** Up to here an integer of whole units can be written in units of 2^-60. */
const FINE_END = 2n ** 65n

/** The greatest error of a moment: relative, and of its rests absolute (values below 2^23 have one; 2^-8 · 2^-52 each). */
export const MOMENT_ERROR = { relative: 1e-12, absolute: 1e-17 } as const

const FIRST = 'STRUCT(w DECIMAL(38,0), f DECIMAL(38,0), r DOUBLE, lo DOUBLE, hi DOUBLE)'
const SECOND = 'STRUCT(ww DECIMAL(38,0), wf DECIMAL(38,0), ff DECIMAL(38,0), e DOUBLE)'

/** `xx`: squares of x; `xy`: products. */
export type Pair = 'xx' | 'yy' | 'xy'
type Axis = 'x' | 'y'

export interface Moments {
  readonly steps: readonly (readonly PreparedColumn[])[]
  readonly state: readonly SqlColumn[]
  readonly partial: readonly string[]
  readonly merge: readonly string[]
  /** SQL over the state: number of rows, NULL if a value was too large for squares */
  readonly n: string
  /** SQL over the state: Σ(x - mean x)(y - mean y), as a double */
  central(pair: Pair): string
}

interface Split {
  readonly value: string
  readonly whole: string
  readonly fine: string
  readonly rest: string
  readonly isSmall: string
  readonly steps: readonly PreparedColumn[]
}

/**
 * @param values prepared columns, by axis: x alone, or x and y, of which only rows with both count
 * @param s name of a state column
 */
export function moments(
  values: { readonly x: string; readonly y?: string },
  pairs: readonly Pair[],
  s: (part: string) => string,
): Moments {
  const axes: readonly Axis[] = values.y === undefined ? ['x'] : ['x', 'y']
  const columns = { x: columnsOf(values.x), y: columnsOf(values.y ?? values.x) }
  const small = axes.map((axis) => `abs(${columns[axis].value}) <= ${HUGE.toExponential()}`).join(' AND ')
  const isSmall = columns.x.isSmall
  const only = `FILTER (WHERE ${isSmall})`
  const first = (axis: Axis): string => {
    const { value, whole, fine, rest } = columns[axis]
    return `struct_pack(w := sum(${whole}) ${only}::DECIMAL(38,0), f := sum(${fine}) ${only}::DECIMAL(38,0), r := fsum(${rest}) ${only}, lo := min(${value}) ${only}, hi := max(${value}) ${only})`
  }
  const second = (pair: Pair): string => {
    const [a, b] = [columns[pair[0] as Axis], columns[pair[1] as Axis]]
    const mixed = `${a.whole}::HUGEINT * ${b.fine} + ${b.whole}::HUGEINT * ${a.fine}`
    const rests = `${a.value} * ${b.rest} + ${a.rest} * (${b.value} - ${b.rest})`
    return `struct_pack(ww := sum(${a.whole}::HUGEINT * ${b.whole}) ${only}::DECIMAL(38,0), wf := sum(${mixed}) ${only}::DECIMAL(38,0), ff := sum(${a.fine}::HUGEINT * ${b.fine}) ${only}::DECIMAL(38,0), e := fsum(${rests}) ${only})`
  }
  const added = (column: string, part: string): string => `${part} := sum(${column}.${part})::DECIMAL(38,0)`
  const mergedFirst = (column: string): string =>
    `struct_pack(${added(column, 'w')}, ${added(column, 'f')}, r := fsum(${column}.r), lo := min(${column}.lo), hi := max(${column}.hi))`
  const mergedSecond = (column: string): string =>
    `struct_pack(${['ww', 'wf', 'ff'].map((part) => added(column, part)).join(', ')}, e := fsum(${column}.e))`
  return {
    state: [
      { name: s('n'), type: 'BIGINT' },
      { name: s('h'), type: 'BIGINT' },
      ...axes.map((axis) => ({ name: s(axis), type: FIRST })),
      ...pairs.map((pair) => ({ name: s(pair), type: SECOND })),
    ],
    steps: [
      axes.map((axis) => ({ name: columns[axis].value, sql: `${axis === 'x' ? values.x : values.y!}::DOUBLE` })),
      [{ name: isSmall, sql: small }, ...axes.map((axis) => columns[axis].steps[0]!)],
      axes.map((axis) => columns[axis].steps[1]!),
      axes.map((axis) => columns[axis].steps[2]!),
    ],
    partial: [`count(*) ${only}`, `count(*) FILTER (WHERE NOT ${isSmall})`, ...axes.map(first), ...pairs.map(second)],
    merge: [
      `sum(${s('n')})::BIGINT`,
      `sum(${s('h')})::BIGINT`,
      ...axes.map((axis) => mergedFirst(s(axis))),
      ...pairs.map((pair) => mergedSecond(s(pair))),
    ],
    n: `(CASE WHEN ${s('h')} = 0 THEN ${s('n')} END)`,
    central: (pair) => centralSql(s, pair[0] as Axis, pair[1] as Axis, pair),
  }
}

/** Names of the columns that a value is split into, and how: value, whole, fine and rest, each from those before. */
function columnsOf(prepared: string): Split {
  const name = (part: string): string => prepared.replace(/"$/, ` ${part}"`)
  const [value, whole, fine, rest] = ['v', 'w', 'f', 'r'].map(name) as [string, string, string, string]
  const isWhole = `abs(${value}) < ${literal(WHOLE_END)}`
  const steps = [
    { name: whole, sql: `CASE WHEN ${isWhole} THEN TRY_CAST(${value} AS BIGINT) ELSE 0 END` },
    {
      name: fine,
      sql: `CASE WHEN ${isWhole} THEN TRY_CAST((${value} - ${whole}) * ${literal(UNITS)} AS BIGINT) ELSE 0 END`,
    },
    { name: rest, sql: `${value} - ${whole} - ${fine} * ${literal(1 / UNITS)}` },
  ]
  return { value, whole, fine, rest, isSmall: name('s'), steps }
}

/** The pivot is the mean in multiples of 2^-30: whole units `w` and fine ones `f`. What is left of the mean is below 2^-30. */
function pivotSql(column: string, n: string): string {
  const mean = `((${column}.w::DOUBLE + ${column}.f::DOUBLE * ${literal(1 / UNITS)} + ${column}.r) / ${n})`
  const whole = `(CASE WHEN abs(${mean}) < ${literal(WHOLE_END)} THEN TRY_CAST(${mean} AS BIGINT) ELSE 0 END)::HUGEINT`
  const fine = `((${column}.w::HUGEINT - ${n}::HUGEINT * _w)::DOUBLE / ${n} * ${literal(UNITS)} + (${column}.f::DOUBLE + ${column}.r * ${literal(UNITS)}) / ${n})`
  return `list_transform([${whole}], lambda _w: struct_pack(w := _w, f := coalesce(TRY_CAST(${fine} AS BIGINT), 0)::HUGEINT))[1]`
}

function centralSql(s: (part: string) => string, a: Axis, b: Axis, pair: Pair): string {
  const [n, x, y, xy] = [`${s('n')}::HUGEINT`, s(a), s(b), s(pair)]
  const [xw, xf, yw, yf] = [`${x}.w::HUGEINT`, `${x}.f::HUGEINT`, `${y}.w::HUGEINT`, `${y}.f::HUGEINT`]
  const whole = `(${xy}.ww::HUGEINT - _p.w * ${yw} - _q.w * ${xw} + ${n} * _p.w * _q.w)`
  const mixed = `(${xy}.wf::HUGEINT - _p.w * ${yf} - _q.f * ${xw} + ${n} * _p.w * _q.f - _p.f * ${yw} - _q.w * ${xf} + ${n} * _p.f * _q.w)`
  const fine = `(${xy}.ff::HUGEINT - _p.f * ${yf} - _q.f * ${xf} + ${n} * _p.f * _q.f)`
  const unit = literal(1 / UNITS)
  const exactly = `(_t.a * ${2n ** 60n}::HUGEINT + _t.b * ${UNITS} + _t.c)::DOUBLE * ${literal(2 ** -60)}`
  const rounded = `_t.a::DOUBLE + _t.b::DOUBLE * ${unit} + _t.c::DOUBLE * ${literal(2 ** -60)}`
  const parts = `struct_pack(a := ${whole}, b := ${mixed}, c := ${fine})`
  const products = `list_transform([${parts}], lambda _t: CASE WHEN abs(_t.a) < ${FINE_END}::HUGEINT THEN ${exactly} ELSE ${rounded} END)[1]`
  const at = (pivot: string): string => `(${pivot}.w::DOUBLE + ${pivot}.f::DOUBLE * ${unit})`
  const rests = `(${xy}.e - ${at('_p')} * ${y}.r - ${at('_q')} * ${x}.r)`
  const left = (column: string, pivot: string): string =>
    `(((${column}.w::HUGEINT - ${n} * ${pivot}.w) * ${UNITS} + ${column}.f::HUGEINT - ${n} * ${pivot}.f)::DOUBLE * ${unit} + ${column}.r)`
  const sum = `(${products} + ${rests} - ${left(x, '_p')} * ${left(y, '_q')} / ${n}::DOUBLE)`
  const bound = a === b ? `greatest(${sum}, 0)` : sum
  const moved =
    a === b
      ? `list_transform([${pivotSql(x, s('n'))}], lambda _p: ${bound.replaceAll('_q.', '_p.')})[1]`
      : `list_transform([${pivotSql(x, s('n'))}], lambda _p: list_transform([${pivotSql(y, s('n'))}], lambda _q: ${bound})[1])[1]`
  // Rests round: of equal values nothing must be left.
  return `CASE WHEN ${x}.lo = ${x}.hi OR ${y}.lo = ${y}.hi THEN 0.0::DOUBLE WHEN ${s('n')} > 0 THEN TRY(${moved}) END`
}

/** With an exponent a literal is a double. */
function literal(value: number): string {
  return value.toExponential()
}

/** The value, NULL if it is not finite; its text is in the result once. */
export function finiteOnce(value: string): string {
  return `list_transform([${value}], lambda _v: ${finiteSql('_v')})[1]`
}

/** What the engine's own aggregates may be given: for the recount. */
export const RECOUNT_MAX = HUGE.toExponential()

/** What all measures made of moments have in common. */
export const MOMENT_MEASURE = {
  ...SCALAR,
  type: 'DOUBLE',
  exactness: { kind: 'float', relativeError: MOMENT_ERROR.relative, of: 'deviations' },
  invertible: 'no',
} as const
