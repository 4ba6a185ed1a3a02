/** Values of Arrow columns as JSON, in the form that the values of a Parquet file get: the type of the definition's column converts them. */
import { isUtf8 } from 'node:buffer'
import { type Data, DataType, DateUnit, Precision, TimeUnit, type Vector } from 'apache-arrow'
import { JSON_DEPTH_MAX } from '#core/json-text.ts'
import { decimalJson } from '../number-digits.ts'
import { dateText, decimalText, timestampText, timeText } from './arrow-times.ts'
import { BodyError } from './body-error.ts'
import { TooLongError } from './json-output.ts'

/** The JSON text of the value at an index. @throws TooLongError; RangeError for a value that has no text */
export type Cell = (index: number) => string

export interface Place {
  /** of the column */
  readonly name: string
  /** of one value's text */
  readonly bytesMax: number
  readonly depth?: number
}

/** @throws BodyError for a type that has no counterpart in an event */
export function cellsOf(data: Data, place: Place): Cell {
  const depth = (place.depth ?? 0) + 1
  if (depth > JSON_DEPTH_MAX)
    throw new BodyError(`column '${place.name}' is nested deeper than ${JSON_DEPTH_MAX} levels`)
  if (DataType.isNull(data.type)) return () => 'null'
  const cell = valuesOf(data, { ...place, depth })
  return data.nullCount === 0 ? cell : (index) => (data.getValid(index) ? cell(index) : 'null')
}

function valuesOf(data: Data, place: Place): Cell {
  const { type, values } = data
  if (DataType.isDictionary(type)) return dictionaryCells(data, place)
  if (DataType.isBool(type)) return (index) => String(bitAt(values, data.offset + index))
  if (DataType.isInt(type)) return (index) => String(at<number | bigint>(values, index))
  if (DataType.isFloat(type))
    return type.precision === Precision.HALF ? halfCells(data) : (index) => numberText(at<number>(values, index))
  if (DataType.isDecimal(type)) {
    const words = type.bitWidth / 32
    return (index) => decimalJson(decimalText(values, index * words, words, type.scale))
  }
  if (DataType.isDate(type))
    return type.unit === DateUnit.DAY
      ? (index) => dateText(at<number>(values, index))
      : (index) => dateText(Number(at<bigint>(values, index) / 86_400_000n))
  if (DataType.isTimestamp(type)) {
    const suffix = type.timezone ? '+00' : ''
    return (index) => timestampText(at<bigint>(values, index), digitsOf(type.unit), suffix)
  }
  if (DataType.isTime(type)) return (index) => timeText(BigInt(at<number | bigint>(values, index)), digitsOf(type.unit))
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return textCells(data, place)
  if (DataType.isBinary(type) || DataType.isLargeBinary(type))
    return (index) => blobText(bytesBetween(values, data.valueOffsets, index), place)
  if (DataType.isFixedSizeBinary(type))
    return (index) => blobText(values.subarray(index * type.byteWidth, (index + 1) * type.byteWidth), place)
  if (DataType.isList(type) || DataType.isLargeList(type)) {
    const item = cellsOf(data.children[0]!, place)
    return (index) => listText(item, ...rangeOf(data.valueOffsets, index), place)
  }
  if (DataType.isFixedSizeList(type)) {
    const item = cellsOf(data.children[0]!, place)
    return (index) => listText(item, index * type.listSize, (index + 1) * type.listSize, place)
  }
  if (DataType.isMap(type)) return mapCells(data, place)
  if (DataType.isStruct(type)) return structCells(data, place)
  throw new BodyError(`column '${place.name}' has the Arrow type ${type}, which is not supported`)
}

/** @throws RangeError if the column's buffer ends before the value */
function at<Value>(values: ArrayLike<unknown>, index: number): Value {
  const value = values[index]
  if (value === undefined) throw new RangeError('its buffer ends before this value')
  return value as Value
}

function bitAt(bits: Uint8Array, index: number): boolean {
  return ((at<number>(bits, index >> 3) >> (index & 7)) & 1) === 1
}

/** JSON has no NaN and no infinity: they become texts. */
function numberText(value: number): string {
  return Number.isFinite(value) ? JSON.stringify(Object.is(value, -0) ? 0 : value) : `"${value}"`
}

function halfCells({ values }: Data): Cell {
  const view = new DataView(new ArrayBuffer(4))
  return (index) => {
    const half = at<number>(values, index)
    const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 0x1f, half & 0x3ff]
    if (exponent === 0x1f) return numberText(fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN)
    view.setFloat32(0, sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)))
    return numberText(view.getFloat32(0))
  }
}

/** digits of a fraction of a second */
export function digitsOf(unit: TimeUnit): 0 | 3 | 6 | 9 {
  return (
    { [TimeUnit.SECOND]: 0, [TimeUnit.MILLISECOND]: 3, [TimeUnit.MICROSECOND]: 6, [TimeUnit.NANOSECOND]: 9 } as const
  )[unit]
}

export function rangeOf(offsets: ArrayLike<number | bigint>, index: number): readonly [number, number] {
  const [from, to] = [Number(at<number | bigint>(offsets, index)), Number(at<number | bigint>(offsets, index + 1))]
  if (from < 0 || to < from) throw new RangeError('its offsets are not in order')
  return [from, to]
}

function bytesBetween(values: Uint8Array, offsets: ArrayLike<number | bigint>, index: number): Uint8Array {
  const [from, to] = rangeOf(offsets, index)
  if (to > values.length) throw new RangeError('its buffer ends before this value')
  return values.subarray(from, to)
}

function textCells({ values, valueOffsets }: Data, { bytesMax }: Place): Cell {
  const all = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  const isText = isUtf8(all)
  return (index) => {
    const [from, to] = rangeOf(valueOffsets, index)
    if (to > all.length) throw new RangeError('its buffer ends before this value')
    if (to - from > bytesMax) throw new TooLongError()
    if (!isText && !isUtf8(all.subarray(from, to))) throw new RangeError('it is not UTF-8 text')
    return JSON.stringify(all.toString('utf8', from, to))
  }
}

/** Bytes as DuckDB writes them as text: printable ASCII stays, all else is `\xHH`. */
function blobText(bytes: Uint8Array, { bytesMax }: Place): string {
  if (bytes.length > bytesMax) throw new TooLongError()
  let text = ''
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c && byte !== 0x22 && byte !== 0x27
    text += isPlain ? String.fromCharCode(byte) : `\\\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return `"${text}"`
}

function listText(item: Cell, from: number, to: number, { bytesMax }: Place): string {
  let text = ''
  for (let index = from; index < to; index++) {
    text += index === from ? item(index) : `,${item(index)}`
    if (text.length > bytesMax) throw new TooLongError()
  }
  return `[${text}]`
}

function structCells({ children, type }: Data, place: Place): Cell {
  const fields = type.children.map(({ name }, at): readonly [string, Cell] => [
    `${at === 0 ? '' : ','}${JSON.stringify(name)}:`,
    cellsOf(children[at]!, place),
  ])
  return (index) => {
    let text = ''
    for (const [key, cell] of fields) {
      text += key + cell(index)
      if (text.length > place.bytesMax) throw new TooLongError()
    }
    return `{${text}}`
  }
}

/** An object with the keys as names. */
function mapCells(data: Data, place: Place): Cell {
  const [keys, values] = data.children[0]!.children.map((child) => cellsOf(child, place)) as [Cell, Cell]
  const entry: Cell = (index) => {
    const key = keys(index)
    return `${key.startsWith('"') ? key : JSON.stringify(key)}:${values(index)}`
  }
  return (index) => `{${listText(entry, ...rangeOf(data.valueOffsets, index), place).slice(1, -1)}}`
}

function dictionaryCells({ values, dictionary }: Data, place: Place): Cell {
  const chunks = (dictionary as Vector).data.map((chunk) => ({ length: chunk.length, cell: cellsOf(chunk, place) }))
  return (index) => {
    let key = Number(at<number | bigint>(values, index))
    for (const { length, cell } of chunks) {
      if (key >= 0 && key < length) return cell(key)
      key -= length
    }
    throw new RangeError('its dictionary does not have this value')
  }
}
