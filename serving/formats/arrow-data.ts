/** Columns of values as Arrow's buffers. */
import { type Data, makeData } from 'apache-arrow'
import { timeTextUs } from '../answers/time-text.ts'
import { arrowType } from './arrow-types.ts'
import type { ColumnKind } from './column-kinds.ts'
import type { RowValue } from './row-values.ts'

const DAY_MS = 86_400_000
const NUMBERS = {
  signed: { 8: Int8Array, 16: Int16Array, 32: Int32Array },
  unsigned: { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array },
} as const

/** @param values of one column */
export function arrowData(kind: ColumnKind, values: readonly RowValue[]): Data {
  const nulls = values.reduce<number>((count, value) => count + (value === null ? 1 : 0), 0)
  const shape = {
    type: arrowType(kind),
    length: values.length,
    nullCount: nulls,
    ...(nulls === 0 ? {} : { nullBitmap: bits(values, (value) => value !== null) }),
  }
  return makeData({ ...shape, ...buffersOf(kind, values) } as Parameters<typeof makeData>[0])
}

function buffersOf(kind: ColumnKind, values: readonly RowValue[]): object {
  switch (kind.kind) {
    case 'boolean':
      return { data: bits(values, (value) => value === true) }
    case 'integer':
      return { data: integers(kind, values) }
    case 'decimal':
      return { data: decimals(values, kind.scale) }
    case 'double':
      return { data: Float64Array.from(values, Number) }
    case 'date':
      return { data: Int32Array.from(values, (value) => (value === null ? 0 : daysOf(String(value)))) }
    case 'timestamp':
      return { data: BigInt64Array.from(values, (value) => (value === null ? 0n : timeTextUs(String(value))!)) }
    case 'list':
      return lists(kind.element, values)
    case 'text':
      return texts(values)
  }
}

function bits(values: readonly RowValue[], isSet: (value: RowValue) => boolean): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8))
  for (const [at, value] of values.entries()) if (isSet(value)) bytes[at >> 3]! |= 1 << (at & 7)
  return bytes
}

function integers({ bits: size, signed }: ColumnKind & { kind: 'integer' }, values: readonly RowValue[]): object {
  if (size === 64)
    return (signed ? BigInt64Array : BigUint64Array).from(values.map((value) => BigInt(String(value ?? 0))))
  const numbers = new NUMBERS[signed ? 'signed' : 'unsigned'][size](values.length)
  for (const [at, value] of values.entries()) numbers[at] = Number(value)
  return numbers
}

/** Days since 1970, also of years with more than four digits and before the first one, which expressions can make. @throws RangeError */
function daysOf(text: string): number {
  const [, year, month, day, era] = /^(\d+)-(\d\d)-(\d\d)( \(BC\))?$/.exec(text) ?? []
  const days =
    new Date(0).setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day)) / DAY_MS
  if (Number.isInteger(days)) return days
  throw new RangeError(`'${text}' is not a date that Arrow can hold`)
}

/** 128 bits each, as the number of units of the last digit. */
function decimals(values: readonly RowValue[], scale: number): Uint32Array {
  const words = new BigInt64Array(values.length * 2)
  for (const [at, value] of values.entries()) {
    if (value === null) continue
    const units = unitsOf(String(value), scale)
    words[2 * at] = BigInt.asIntN(64, units)
    words[2 * at + 1] = units >> 64n
  }
  return new Uint32Array(words.buffer)
}

function unitsOf(text: string, scale: number): bigint {
  const [whole, fraction = ''] = text.split('.') as [string, string?]
  return BigInt(whole + fraction.padEnd(scale, '0'))
}

function texts(values: readonly RowValue[]): { data: Uint8Array; valueOffsets: Int32Array } {
  const pieces = values.map((value) => Buffer.from(value === null ? '' : String(value)))
  return { data: Buffer.concat(pieces), valueOffsets: offsets(pieces) }
}

function lists(element: ColumnKind, values: readonly RowValue[]): { child: Data; valueOffsets: Int32Array } {
  const all = values.map((value) => (Array.isArray(value) ? (value as readonly RowValue[]) : []))
  return { child: arrowData(element, all.flat()), valueOffsets: offsets(all) }
}

function offsets(pieces: readonly { readonly length: number }[]): Int32Array {
  const ends = new Int32Array(pieces.length + 1)
  for (const [at, { length }] of pieces.entries()) ends[at + 1] = ends[at]! + length
  return ends
}
