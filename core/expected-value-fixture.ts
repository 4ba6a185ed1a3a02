/** For tests: the value that a JSON text has in a column, told from the definition's reference in plain lines, without the engine. */
import { timeUnitOf } from './column-types.ts'
import type { ColumnDefinition } from './definition.ts'

/** The value as the engine would write it; null for NULL; undefined where only "some value" is promised. */
export function expectedText(json: string, column: ColumnDefinition): string | null | undefined {
  const value: unknown = JSON.parse(json)
  const { type } = column
  if (type.endsWith('[]') || type === 'JSON' || column.format !== undefined) return undefined
  if (value === null || typeof value === 'object') return type === 'VARCHAR' && value !== null ? undefined : null
  const text = typeof value === 'string' ? value : json
  if (type === 'VARCHAR') return typeof value === 'number' && !/^-?[1-9]\d*$/.test(json) ? undefined : text
  if (type === 'BOOLEAN') return String(typeof value === 'string' ? /^[ty1]/i.test(value) : Boolean(value))
  if (type === 'BIGINT' || type === 'INTEGER') return wholeText(value, text)
  if (type === 'DATE') return text.slice(0, 10)
  if (type === 'DOUBLE') return undefined
  if (type === 'TIMESTAMP') return timeText(value, text, timeUnitOf(column))
  const [, digits, scale] = /(\d+),\s*(\d+)/.exec(type)!
  const plain = decimalText(value, text, Number(scale))
  // The engine writes no 0 before the point where there is no room for another digit.
  return digits === scale ? plain?.replace('0.', '.') : plain
}

function wholeText(value: unknown, text: string, halves: 'to even' | 'away from zero' = 'to even'): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  const plain = text.trim()
  if (/^[+-]?\d+$/.test(plain)) return String(BigInt(plain.replace('+', '')))
  const number = Number(plain)
  if (Number.isInteger(number)) return String(BigInt(halves === 'to even' ? number : String(number)))
  if (halves === 'away from zero') return String(Math.sign(number) * Math.floor(Math.abs(number) + 0.5))
  const half = Math.abs(number % 1) === 0.5
  return String(BigInt(half ? 2 * Math.round(number / 2) : Math.round(number)))
}

function timeText(value: unknown, text: string, unit: 's' | 'ms' | 'us' | 'iso'): string | undefined {
  if (unit !== 'iso') {
    const micros = BigInt(wholeText(value, text, 'away from zero')) * { s: 1_000_000n, ms: 1_000n, us: 1n }[unit]
    return timeOf(micros)
  }
  const [, day, clock = '00:00', fraction = '', zone = 'Z'] =
    /^(.{10})(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?(.*))?$/.exec(text)!
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(zone)
  const minutes = offset === null ? 0 : Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0))
  const ms = Date.parse(`${day}T${clock}Z`) - minutes * 60_000
  return timeOf(BigInt(ms) * 1_000n + BigInt(fraction.slice(1, 7).padEnd(6, '0')))
}

function timeOf(micros: bigint): string {
  const seconds = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n)
  const rest = String(micros - seconds * 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const plain = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19).replace('T', ' ')
  return rest === '' ? plain : `${plain}.${rest}`
}

/** undefined where the engine reads a number as a double, and its text lies within a hair of the middle between two values. */
function decimalText(value: unknown, text: string, scale: number): string | undefined {
  const isDouble = typeof value === 'number' && !/^-?\d+$/.test(text)
  const plain = typeof value === 'boolean' || isDouble ? String(Number(value)) : text.trim()
  const [, sign, whole, fraction = '', power = '0'] = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(plain)!
  // In units of 10^-POINT: all powers are positive.
  const POINT = 500
  const digits = BigInt(whole! + fraction) * 10n ** BigInt(POINT + Number(power) - fraction.length)
  const unit = 10n ** BigInt(POINT - scale)
  const [below, rest] = [digits / unit, digits % unit]
  // by how much the double may lie beside the middle, in units
  const blur = Math.abs(Number(plain)) * 2 ** -51 * 10 ** scale + 1e-4
  const nearMiddle = plain.includes('e') && Math.abs(Number((rest * 1_000_000n) / unit) / 1e6 - 0.5) <= blur
  if (nearMiddle) return undefined
  const rounded = String(below + (rest * 2n >= unit ? 1n : 0n)).padStart(scale + 1, '0')
  const shown = scale === 0 ? rounded : `${rounded.slice(0, -scale)}.${rounded.slice(-scale)}`
  return sign === '-' && /[1-9]/.test(shown) ? `-${shown}` : shown
}
