/**
 * Sums of doubles that hardly depend on the order and the cut. A plain sum of doubles rounds at every step, so 1e16 - 1e16 + 1 is
 * 1 or 0. Here each value is split exactly in two: the whole multiples of a unit, which add up as integers, without rounding, and
 * the rest, which is smaller than half a unit and is added with compensation (Kahan). The rest also holds all of a value that is
 * too large for the integer.
 */
import type { SqlColumn } from '../compiled.ts'
import { finiteSql } from '../stored-value.ts'

/**
 * The unit is 2^-30: the rest of a value of about 1 has 22 bits, so that 2^31 such rests add up without rounding. Values from 2^63
 * on are rest only; in units, 10^10 smaller ones fit into the 38 digits of the integer.
 */
export const UNITS = 2 ** 30
/** The rest is kept this much smaller, so that sums beyond the largest double come back into range when they cancel. */
export const REST_SCALE = 2 ** -40

/**
 * The greatest error of a sum, relative to the sum of the absolute values. Compensated addition has 2^-52 for each merge, whatever
 * the number of values (Higham, Accuracy and Stability of Numerical Algorithms, 4.3); this leaves room for 4,000 merges in a row.
 * Values below 1e-290 lose bits to REST_SCALE.
 */
export const DOUBLE_SUM_ERROR = 1e-12

export interface DoubleSum {
  readonly state: readonly SqlColumn[]
  readonly partial: readonly string[]
  readonly merge: readonly string[]
  /** the sum of the state, times REST_SCALE; NULL where there was no value */
  readonly scaled: string
}

/** @param units, rest names of the state columns */
export function doubleSum(x: string, units: string, rest: string): DoubleSum {
  // Two casts to integers of 64 and 32 bits take half the time of one to 128 bits. What does not fit is rest.
  const whole = `coalesce(TRY_CAST(${x} AS BIGINT), 0)`
  const fraction = `coalesce(TRY_CAST((${x} - ${whole}) * ${literal(UNITS)} AS INTEGER), 0)`
  return {
    state: [
      { name: units, type: 'DECIMAL(38,0)' },
      { name: rest, type: 'DOUBLE' },
    ],
    partial: [
      `(sum(${whole}) * ${UNITS} + sum(${fraction}))::DECIMAL(38,0)`,
      `fsum((${x} - ${whole} - ${fraction} * ${literal(1 / UNITS)}) * ${literal(REST_SCALE)})`,
    ],
    merge: [`sum(${units})::DECIMAL(38,0)`, `fsum(${rest})`],
    scaled: `(${units}::DOUBLE * ${literal(REST_SCALE / UNITS)} + ${rest})`,
  }
}

/** A scaled value as it is presented: NULL if it is beyond the largest double, so that it is not ranked first without a value. */
export function presentedSql(scaled: string): string {
  return finiteSql(`(${scaled} * ${literal(1 / REST_SCALE)})`)
}

/** For the recount: the scaled sum by the engine's own compensated aggregate, of whole values. */
export function recountedSum(x: string): string {
  return `fsum(${x} * ${literal(REST_SCALE)})`
}

/** How far the scaled sum may be from the exact one. */
export function recountedError(x: string): string {
  return `(sum(abs(${x}) * ${literal(REST_SCALE)}) * ${literal(DOUBLE_SUM_ERROR)})`
}

/** How far a presented value may be from the exact one, of the same for the scaled value. */
export function unscaledSql(scaled: string): string {
  return `${scaled} * ${literal(1 / REST_SCALE)}`
}

/** With an exponent a literal is a double. */
function literal(value: number): string {
  return value.toExponential()
}
