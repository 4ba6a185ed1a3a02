/**
 * Values of Arrow columns as JSON, written as bytes. The types that most values have are written without making a value or a text of each;
 * the others through their texts. The JSON is that of arrow-json.ts, byte by byte.
 */
import { isUtf8 } from 'node:buffer'
import { type Data, DataType, Precision, type Vector } from 'apache-arrow'
import { cellsOf, type Place, rangeOf } from './arrow-json.ts'
import { type JsonOutput, TooLongError } from './json-output.ts'

/** Writes the value at an index. @throws TooLongError; RangeError for a value that has no text */
export type Writer = (output: JsonOutput, index: number) => void

const [COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x2c, 0x5b, 0x5d, 0x7b, 0x7d]
const [NULL, TRUE, FALSE] = ['null', 'true', 'false'].map((word) => Buffer.from(word)) as [Buffer, Buffer, Buffer]
const HIGH = 2 ** 32

/** @throws BodyError for a type that has no counterpart in an event */
export function writerOf(data: Data, place: Place): Writer {
  // Checks the type and how deep it is, too.
  const cell = cellsOf(data, place)
  const deeper = { ...place, depth: (place.depth ?? 0) + 1 }
  const write = valuesOf(data, deeper)
  if (write === null) return (output, index) => output.json(cell(index))
  if (data.nullCount === 0) return write
  return (output, index) => (data.getValid(index) ? write(output, index) : output.raw(NULL))
}

/** null: through its text */
function valuesOf(data: Data, place: Place): Writer | null {
  const { type } = data
  if (DataType.isDictionary(type)) return dictionaryValues(data, place)
  if (DataType.isBool(type)) return booleans(data)
  if (DataType.isInt(type)) return type.bitWidth === 64 ? longs(data, type.isSigned) : wholes(data)
  if (DataType.isFloat(type) && type.precision !== Precision.HALF) return doubles(data, place)
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return texts(data, place)
  if (DataType.isList(type)) return lists(data, place)
  return DataType.isStruct(type) ? structs(data, place) : null
}

function booleans({ values, offset }: Data): Writer {
  return (output, index) => {
    const bits = inside(values as Uint8Array, (offset + index) >> 3)
    output.raw(((bits >> ((offset + index) & 7)) & 1) === 1 ? TRUE : FALSE)
  }
}

function wholes({ values }: Data): Writer {
  return (output, index) => output.whole(inside(values as Int32Array, index))
}

/** 64 bits, mostly few enough for a number. */
function longs(data: Data, isSigned: boolean): Writer {
  const values = data.values as BigInt64Array
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length)
  return (output, index) => {
    const high = inside(words, 2 * index + 1)
    const number = (isSigned ? high : high >>> 0) * HIGH + (words[2 * index]! >>> 0)
    if (Math.abs(number) < Number.MAX_SAFE_INTEGER) output.whole(number)
    else output.json(String(values[index]))
  }
}

function doubles(data: Data, place: Place): Writer {
  const values = data.values as Float64Array
  const text = cellsOf(data, place)
  return (output, index) => {
    const value = inside(values, index)
    if (Number.isSafeInteger(value)) output.whole(value)
    else output.json(text(index))
  }
}

function texts({ values, valueOffsets }: Data, { bytesMax }: Place): Writer {
  const all = values as Uint8Array
  const isText = isUtf8(all)
  return (output, index) => {
    const from = placeOf(valueOffsets, index)
    const to = placeOf(valueOffsets, index + 1)
    if (from < 0 || to < from) throw new RangeError('its offsets are not in order')
    if (to > all.length) throw new RangeError('its buffer ends before this value')
    if (to - from > bytesMax) throw new TooLongError()
    // A text that begins or ends within a character is not one, even where all bytes together are.
    const isWhole = isText && !isWithin(all[from]) && !isWithin(all[to])
    if (!isWhole && !isUtf8(all.subarray(from, to))) throw new RangeError('it is not UTF-8 text')
    output.text(all, from, to)
  }
}

/** Offsets have 32 or 64 bits. */
function placeOf(offsets: ArrayLike<number | bigint>, index: number): number {
  return Number(inside(offsets as ArrayLike<number>, index))
}

/** Whether a character does not begin with the byte, but goes on. */
function isWithin(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

function lists({ children, valueOffsets }: Data, place: Place): Writer {
  const item = writerOf(children[0]!, place)
  return (output, index) => {
    const [from, to] = rangeOf(valueOffsets, index)
    output.byte(OPEN_LIST)
    for (let at = from; at < to; at++) {
      if (at > from) output.byte(COMMA)
      item(output, at)
    }
    output.byte(CLOSE_LIST)
  }
}

function structs({ children, type }: Data, place: Place): Writer {
  const fields = type.children as { readonly name: string }[]
  return objectWriter(fields.map(({ name }, at) => [name, writerOf(children[at]!, place)]))
}

function dictionaryValues({ values, dictionary }: Data, place: Place): Writer {
  const chunks = (dictionary as Vector).data.map((chunk) => ({ length: chunk.length, write: writerOf(chunk, place) }))
  return (output, index) => {
    let key = Number(inside(values as Int32Array, index))
    for (const { length, write } of chunks) {
      if (key >= 0 && key < length) return write(output, key)
      key -= length
    }
    throw new RangeError('its dictionary does not have this value')
  }
}

/** An object with a member of each name. */
export function objectWriter(named: readonly (readonly [name: string, write: Writer])[]): Writer {
  const members = named.map(([name, write], at) => {
    return { key: Buffer.from(`${at === 0 ? '' : ','}${JSON.stringify(name)}:`), write }
  })
  return (output, index) => {
    output.byte(OPEN_OBJECT)
    for (const { key, write } of members) {
      output.raw(key)
      write(output, index)
    }
    output.byte(CLOSE_OBJECT)
  }
}

/** @throws RangeError if the column's buffer ends before the value */
function inside(values: ArrayLike<number>, index: number): number {
  const value = values[index]
  if (value === undefined) throw new RangeError('its buffer ends before this value')
  return value
}
