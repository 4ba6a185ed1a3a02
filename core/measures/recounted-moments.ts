/** Moments by the engine's own aggregates, which keep a running mean (Welford): for the recount, with how far they may be from the exact ones. */
import { MOMENT_ERROR } from './moments.ts'

/** Each value adds at most so much of the spread times the condition (Chan, Golub and LeVeque, The American Statistician 37, 1983). */
const STEP_ERROR = 2 ** -50

interface Recounted {
  readonly value: string
  readonly within: string
}

/** @param x a double; @param max no value of the group may be larger */
export function boundedVariance(x: string, of: 'samp' | 'pop', max: string): Recounted {
  const only = `FILTER (WHERE abs(${x}) <= ${max})`
  const variance = `var_${of}(${x}) ${only}`
  const squares = `coalesce(avg(${x} * ${x}) ${only}, 0)`
  const steps = `count(${x}) * ${STEP_ERROR.toExponential()} * sqrt(${squares} * coalesce(${variance}, 0))`
  // The state keeps products of values from 2^45 on as doubles.
  const large = `coalesce(avg(CASE WHEN abs(${x}) >= ${(2 ** 45).toExponential()} THEN ${x} * ${x} ELSE 0 END) ${only}, 0) * ${MOMENT_ERROR.relative}`
  const within = `(${steps} + ${large} + coalesce(${variance}, 0) * ${MOMENT_ERROR.relative} + ${MOMENT_ERROR.absolute} + count(${x}) * ${STEP_ERROR.toExponential()} * ${STEP_ERROR.toExponential()} * ${squares})`
  return { value: `(CASE WHEN count(*) FILTER (WHERE abs(${x}) > ${max}) = 0 THEN ${variance} END)`, within }
}

/** @param y the dependent double, @param x the independent one */
export function boundedPairs(
  kind: 'covarSamp' | 'covarPop' | 'corr' | 'regrSlope',
  y: string,
  x: string,
  max: string,
): { readonly recount: string; readonly within: string } {
  const both = `abs(${x}) <= ${max} AND abs(${y}) <= ${max}`
  const only = `FILTER (WHERE ${both})`
  const variance = (of: string): string => `coalesce(var_pop(${of}) ${only}, 0)`
  const squares = (of: string): string => `coalesce(avg(${of} * ${of}) ${only}, 0)`
  const steps = `(count(*) ${only} * ${STEP_ERROR.toExponential()} + ${MOMENT_ERROR.relative})`
  // Per row: how far a mean product of deviations may be from the exact one.
  const errorOf = (a: string, b: string): string =>
    `(${steps} * (sqrt(${squares(a)} * ${variance(b)}) + sqrt(${variance(a)} * ${squares(b)})) + ${MOMENT_ERROR.absolute} + ${largeSql(a, b, only)} + ${steps} * ${steps} * sqrt(${squares(a)} * ${squares(b)}))`
  const isHuge = `count(*) FILTER (WHERE NOT (${both})) > 0`
  const guarded = (value: string): string => `(CASE WHEN NOT ${isHuge} THEN ${value} END)`
  const n = `nullif(count(*) ${only}, 0)`
  if (kind === 'covarPop') return { recount: guarded(`covar_pop(${y}, ${x}) ${only}`), within: errorOf(y, x) }
  if (kind === 'covarSamp')
    return {
      recount: guarded(`covar_samp(${y}, ${x}) ${only}`),
      within: `(${errorOf(y, x)} * ${n} / nullif(${n} - 1, 0))`,
    }
  const spreads = kind === 'corr' ? `sqrt(${variance(x)} * ${variance(y)})` : variance(x)
  const constant = (of: string): string => `min(${of}) ${only} = max(${of}) ${only}`
  const isOpen = kind === 'corr' ? `${constant(x)} OR ${constant(y)}` : constant(x)
  const value = kind === 'corr' ? `corr(${y}, ${x}) ${only}` : `regr_slope(${y}, ${x}) ${only}`
  const recount = guarded(`(CASE WHEN NOT (${isOpen}) AND isfinite(${value}) THEN ${value} END)`)
  const relative = (of: string): string => `${errorOf(of, of)} / nullif(${variance(of)}, 0)`
  const share = kind === 'corr' ? `(${relative(x)} + ${relative(y)})` : `abs(${value}) * ${relative(x)}`
  // A spread that its own error can hide leaves the quotient open.
  const hidden = kind === 'corr' ? `${relative(x)} > 0.1 OR ${relative(y)} > 0.1` : `${relative(x)} > 0.1`
  const within = `(CASE WHEN ${hidden} THEN 'inf'::DOUBLE ELSE 2 * (${errorOf(y, x)} / nullif(${spreads}, 0) + ${share}) END)`
  return { recount, within }
}

/** The state keeps products of values from 2^45 on as doubles. */
function largeSql(a: string, b: string, only: string): string {
  const isLarge = `greatest(abs(${a}), abs(${b})) >= ${(2 ** 45).toExponential()}`
  const product = (of: string): string => `coalesce(avg(CASE WHEN ${isLarge} THEN ${of} * ${of} ELSE 0 END) ${only}, 0)`
  return `sqrt(${product(a)} * ${product(b)}) * ${MOMENT_ERROR.relative}`
}
