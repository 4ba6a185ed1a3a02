/** Which numbers a DECIMAL column holds, as the engine's decode decides it (stored-value.ts). */

/** Decimal digits that a double preserves. */
const DOUBLE_DIGITS = 15
/** The engine writes smaller doubles with an exponent. */
const PLAIN_MIN = 1e-4

export interface DecimalType {
  readonly digits: number
  /** digits after the decimal point */
  readonly scale: number
}

/** Whether the reader would convert it incorrectly: it has more digits than a double, or none before the point (true becomes 0.01). */
export function isWideDecimal({ digits, scale }: DecimalType): boolean {
  return digits > DOUBLE_DIGITS || digits === scale
}

/**
 * Whether a number that the engine reads as a double has a value in the type.
 *
 * @example
 * hasDouble(9999999.99, { digits: 9, scale: 2 }) // true
 * hasDouble(9999999.995, { digits: 9, scale: 2 }) // false: rounded to the last digit, it has ten
 */
export function hasDouble(value: number, type: DecimalType): boolean {
  const { digits, scale } = type
  const size = Math.abs(value)
  if (Number.isSafeInteger(size)) return hasDigits(BigInt(size) * 10n ** BigInt(scale), digits)
  if (Number.isInteger(size) || !Number.isFinite(size)) return false
  const isWide = isWideDecimal(type)
  if (size < PLAIN_MIN) return !isWide || size < 10 ** (DOUBLE_DIGITS - scale)
  const shortest = String(size)
  if (isWide && size >= 10 ** (DOUBLE_DIGITS - scale) && shortest.length - 1 > DOUBLE_DIGITS) return false
  const [whole, fraction] = shortest.split('.')
  return hasDigits(unitsOf(whole!, fraction!, scale), digits)
}

/** The same of a text with an exponent. */
export function hasExponentText(value: number, type: DecimalType): boolean {
  if (isWideDecimal(type)) return hasDouble(value, type)
  const { digits, scale } = type
  const size = Math.abs(value)
  return size <= 10 ** (digits - scale) && hasDigits(halfToEven(size * 10 ** scale), digits)
}

export function hasDigits(units: bigint, digits: number): boolean {
  return (units < 0n ? -units : units) < 10n ** BigInt(digits)
}

/** A number in units of 10^-scale, rounded half up. */
export function unitsOf(whole: string, fraction: string, scale: number): bigint {
  const digits = BigInt(`${whole}${fraction}`)
  const unit = 10n ** BigInt(Math.abs(scale - fraction.length))
  return scale >= fraction.length ? digits * unit : (digits * 2n + unit) / (2n * unit)
}

export function halfToEven(value: number): bigint {
  const below = Math.floor(value)
  if (value - below !== 0.5) return BigInt(Math.round(value))
  return BigInt(below % 2 === 0 ? below : below + 1)
}
