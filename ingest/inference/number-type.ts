/** The type that holds surveyed numbers with all of their digits, where one does. */
import { DEFINITION_LIMITS } from '#core/definition-limits.ts'
import type { ColumnType } from '#core/definition-parts.ts'
import { DOUBLE_DIGITS } from '../number-digits.ts'
import type { NumberRange } from './number-range.ts'

const BIGINT_DIGITS = 18
const DECIMAL_DIGITS = 38
/** beyond it, fractions are not prices or shares but measurements */
const DECIMAL_SCALE_MAX = 4

/** @param doubts gets what the type does not keep */
export function numberType(range: NumberRange, doubts: string[]): ColumnType {
  const { digits, scale, isExponential, fractionDigits } = range
  if (!isExponential && scale === 0 && digits <= BIGINT_DIGITS) return 'BIGINT'
  if (scale === 0 && digits > BIGINT_DIGITS && !range.hasTexts)
    doubts.push(
      'some of its whole numbers have 19 digits or more, of which a DOUBLE keeps 15; if all digits matter, use VARCHAR, or DECIMAL(38,0) to compute with them',
    )
  if (fractionDigits > DOUBLE_DIGITS)
    doubts.push(
      'some of its numbers have a fraction and 16 digits or more, of which reading JSON keeps 15; if all digits matter, send them as texts, for a DECIMAL',
    )
  if (isExponential || fractionDigits > DOUBLE_DIGITS) return double(range, doubts)
  const isPrice = scale <= DECIMAL_SCALE_MAX
  if (isPrice && digits + scale <= DOUBLE_DIGITS) return `DECIMAL(18,${scale})`
  return range.isLossy || (isPrice && range.hasTexts) ? wideDecimal(range, doubts) : double(range, doubts)
}

/** With room for larger numbers, if they can still be added. */
function wideDecimal(range: NumberRange, doubts: string[]): ColumnType {
  const { digits, scale } = range
  const { sumDigitsMax } = DEFINITION_LIMITS
  if (digits + scale > DECIMAL_DIGITS) return double(range, doubts)
  if (digits + scale <= sumDigitsMax) return `DECIMAL(${sumDigitsMax},${scale})`
  doubts.push(
    `its numbers have up to ${digits + scale} digits, and sum, avg and ratio take at most ${sumDigitsMax}; cast it in the measure, for example sum('…::DECIMAL(28,2)')`,
  )
  return `DECIMAL(${DECIMAL_DIGITS},${scale})`
}

function double({ isLossy }: NumberRange, doubts: string[]): ColumnType {
  if (isLossy)
    doubts.push(
      `some of its numbers have more than ${DOUBLE_DIGITS} digits, which a DOUBLE does not keep; if all matter, use VARCHAR`,
    )
  return 'DOUBLE'
}
