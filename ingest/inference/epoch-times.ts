/** Times in numbers since 1970, which only the name of their column tells from other numbers. */
import type { TimeUnit } from '#core/definition-parts.ts'
import type { NumberRange } from './number-range.ts'

/** `at_value` is the name of a member `at`, which is a keyword of SQL */
const TIME_NAME = /time|date|_at$|^at(_value)?$|^ts$|^t$|when|created|updated|modified|stamp|datum|zeit|fecha/i
/** [unit, smallest, largest number of 1980 to 2100] */
const EPOCHS: readonly (readonly [EpochUnit, number, number])[] = [
  ['s', 315_532_800, 4_102_444_800],
  ['ms', 315_532_800_000, 4_102_444_800_000],
  ['us', 315_532_800_000_000, 4_102_444_800_000_000],
]

const MICROSECONDS = { s: 1_000_000, ms: 1_000, us: 1 } as const

export type EpochUnit = Exclude<TimeUnit, 'iso'>

export function isTimeName(name: string): boolean {
  return TIME_NAME.test(name)
}

/** null: the numbers are not times. Fractions of microseconds are not */
export function epochUnitOf({ lowest, highest, scale, isExponential }: NumberRange, name: string): EpochUnit | null {
  if (isExponential || !isTimeName(name)) return null
  const unit = EPOCHS.find(([, from, to]) => lowest >= from && highest <= to)?.[0] ?? null
  return unit === 'us' && scale > 0 ? null : unit
}

/** SQL of the whole microseconds since 1970. @param text a column of texts that are numbers of the unit */
export function microsecondsSql(text: string, unit: EpochUnit): string {
  return `round(${text}::DECIMAL(28,6) * ${MICROSECONDS[unit]})`
}

/** A doubt about numbers that have fractions, which a column of the unit rounds; null if they have none. */
export function fractionDoubt({ scale }: NumberRange, unit: EpochUnit, name: string): string | null {
  if (scale === 0) return null
  const units = unit === 's' ? 'seconds' : 'milliseconds'
  return `its ${units} have fractions, which the unit '${unit}' rounds to whole ${units}; to keep them, make it a DOUBLE and derive the time from it: { type: 'TIMESTAMP', unit: 'us', as: 'round(${name} * ${MICROSECONDS[unit]})' }`
}
