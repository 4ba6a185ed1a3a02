/** Dates, times and decimals of Arrow as texts, in the form that DuckDB gives those of a Parquet file. */

const DAY_MS = 86_400_000
/** what is wrong with other dates: text for years that four digits do not hold has no agreed form */
export const DATE_RANGE = 'the date is not within the years 1 to 9999'

/** @param days since 1970. @throws RangeError. @example dateText(20484) // '"2026-01-31"' */
export function dateText(days: number): string {
  return `"${dayOf(days)}"`
}

/** @param value since 1970, in units of 10^-digits seconds. @example timestampText(1_500n, 3, '+00') // '"1970-01-01 00:00:01.5+00"' */
export function timestampText(value: bigint, digits: 0 | 3 | 6 | 9, suffix: string): string {
  const dayUnits = 86_400n * 10n ** BigInt(digits)
  const rest = ((value % dayUnits) + dayUnits) % dayUnits
  return `"${dayOf(Number((value - rest) / dayUnits))} ${clock(rest, digits)}${suffix}"`
}

/** @param value since midnight. @throws RangeError unless it is within a day. @example timeText(3_600n, 0) // '"01:00:00"' */
export function timeText(value: bigint, digits: 0 | 3 | 6 | 9): string {
  if (value < 0n || value > 86_400n * 10n ** BigInt(digits)) throw new RangeError('the time is not within a day')
  return `"${clock(value, digits)}"`
}

/** @param words little-endian 32-bit words of two's complement. @throws RangeError. @example decimalText([150], 0, 1, 2) // '1.50' */
export function decimalText(words: ArrayLike<number>, from: number, count: number, scale: number): string {
  let value = 0n
  for (let word = count - 1; word >= 0; word--) {
    const bits = words[from + word]
    if (bits === undefined) throw new RangeError('its buffer ends before this value')
    value = (value << 32n) | BigInt(bits >>> 0)
  }
  value = BigInt.asIntN(32 * count, value)
  if (scale <= 0) return String(value * 10n ** BigInt(-scale))
  const text = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${text.slice(0, -scale)}.${text.slice(-scale)}`
}

function dayOf(days: number): string {
  const date = new Date(days * DAY_MS)
  const year = date.getUTCFullYear()
  if (!(year >= 1 && year <= 9_999)) throw new RangeError(DATE_RANGE)
  return date.toISOString().slice(0, 10)
}

function clock(units: bigint, digits: 0 | 3 | 6 | 9): string {
  const perSecond = 10n ** BigInt(digits)
  const seconds = Number(units / perSecond)
  const part = (value: number): string => String(value).padStart(2, '0')
  const whole = `${part(Math.floor(seconds / 3_600))}:${part(Math.floor(seconds / 60) % 60)}:${part(seconds % 60)}`
  const fraction =
    digits === 0
      ? ''
      : String(units % perSecond)
          .padStart(digits, '0')
          .replace(/0+$/, '')
  return fraction === '' ? whole : `${whole}.${fraction}`
}
