/**
 * Values of Arrow columns as JSON, written as bytes. The types that most values have are written without making a value or a text of each;
 * the others through their texts. The JSON is that of arrow-json.ts, byte by byte.
 */
import { isUtf8 } from 'node:buffer'
import { type Data, DataType, DateUnit, Precision, type Vector } from 'apache-arrow'
import { type Cell, cellsOf, type Place, rangeOf } from './arrow-json.ts'
import { days, decimals, timestamps } from './arrow-time-writers.ts'
import { JsonOutput, POWERS, TooLongError, type Writer } from './json-output.ts'

const [COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x2c, 0x5b, 0x5d, 0x7b, 0x7d]
const [NULL, TRUE, FALSE] = ['null', 'true', 'false'].map((word) => Buffer.from(word)) as [Buffer, Buffer, Buffer]
const HIGH = 2 ** 32
/** a smaller number could have an exponent in its text */
const SHORT_DECIMALS_MAX = 6
const SHORT_UNITS_END = 1e15
const FAILS = -1

/** @throws BodyError for a type that has no counterpart in an event */
export function writerOf(data: Data, place: Place): Writer {
  // Checks the type and how deep it is, too.
  const cell = cellsOf(data, place)
  const deeper = { ...place, depth: (place.depth ?? 0) + 1 }
  const write = valuesOf(data, deeper, cell)
  if (write === null) return (output, index) => output.json(cell(index))
  const { nullCount, nullBitmap, offset } = data
  if (!(nullCount > 0 && data.nullable)) return write
  return (output, index) => {
    const at = offset + index
    if (((nullBitmap[at >> 3]! >> (at & 7)) & 1) === 1) write(output, index)
    else output.raw(NULL)
  }
}

/** null: through its text */
function valuesOf(data: Data, place: Place, cell: Cell): Writer | null {
  const { type } = data
  if (DataType.isDictionary(type)) return dictionaryValues(data, place)
  if (DataType.isBool(type)) return booleans(data)
  if (DataType.isInt(type)) return type.bitWidth === 64 ? longs(data, type.isSigned) : wholes(data)
  if (DataType.isFloat(type) && type.precision !== Precision.HALF) return doubles(data, cell)
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return texts(data, place)
  if (DataType.isTimestamp(type)) return timestamps(data)
  if (DataType.isDate(type) && type.unit === DateUnit.DAY) return days(data)
  if (DataType.isDecimal(type)) return decimals(data, (output, index) => output.json(cell(index)))
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

/** Many are decimals of a few digits, which are written without searching for the shortest text. */
function doubles(data: Data, text: Cell): Writer {
  const values = data.values as Float64Array
  let decimals = 2
  return (output, index) => {
    const value = inside(values, index)
    if (Number.isSafeInteger(value)) return output.whole(value)
    const power = POWERS[decimals]!
    const units = Math.round(value * power)
    // Two decimals of 15 digits are never the same double, so this is the shortest text.
    if (units / power === value && Math.abs(units) < SHORT_UNITS_END) return fraction(output, units, decimals)
    const json = text(index)
    decimals = Math.max(decimals, decimalsOf(json))
    output.json(json)
  }
}

function fraction(output: JsonOutput, units: number, decimals: number): void {
  let [rest, left] = [units, decimals]
  for (; rest % 10 === 0; left--) rest /= 10
  output.fraction(rest, left)
}

/** Digits of a short fraction; 0: it has none, or is not short. */
function decimalsOf(json: string): number {
  const point = json.indexOf('.')
  const digits = json.length - point - 1
  return point === -1 || digits > SHORT_DECIMALS_MAX || json.includes('e') ? 0 : digits
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

function dictionaryValues({ values, dictionary, length: rows }: Data, place: Place): Writer {
  const chunks = (dictionary as Vector).data
  const writers = chunks.map((chunk) => {
    const write = writerOf(chunk, place)
    // Kept is only what is written at least once, and longer dictionaries than columns repeat little.
    return chunk.length <= rows ? writtenOnce(chunk.length, write, place) : write
  })
  return (output, index) => {
    let key = Number(inside(values as Int32Array, index))
    for (let at = 0; at < chunks.length; at++) {
      const { length } = chunks[at]!
      if (key >= 0 && key < length) return writers[at]!(output, key)
      key -= length
    }
    throw new RangeError('its dictionary does not have this value')
  }
}

/** Makes the JSON of each value when it is first needed, and copies it from then on; what fails is written to the output, whose row counts it. */
function writtenOnce(count: number, write: Writer, { bytesMax }: Place): Writer {
  const kept = new JsonOutput(bytesMax)
  const [starts, ends] = [new Int32Array(count), new Int32Array(count)]
  const keep = (index: number): void => {
    kept.begin()
    try {
      write(kept, index)
      starts[index] = kept.at - kept.length
      ends[index] = kept.at
    } catch {
      kept.undo()
      ends[index] = FAILS
    }
  }
  return (output, index) => {
    if (ends[index] === 0) keep(index)
    if (ends[index] === FAILS) write(output, index)
    else output.raw(kept.bytes, starts[index], ends[index])
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
