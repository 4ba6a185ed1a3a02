/** Law: what is written as bytes is what the texts of the same values are, byte by byte. */
import {
  DataType as ArrowType,
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeBinary,
  Float16,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  makeData,
  Struct,
  TimeMicrosecond,
  Timestamp,
  TimeUnit,
  Uint32,
  Uint64,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellsOf } from './arrow-json.ts'
import { writerOf } from './arrow-writers.ts'
import { JsonOutput, TooLongError } from './json-output.ts'

const PLACE = { name: 'column', bytesMax: 100_000 }
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', '\u007f', '\u2028', 'é', '𝕏', 'a') }),
)
const pair = new Struct([new Field('a "b"', new Utf8(), true), new Field('n', new Int32(), true)])

const KINDS: Record<string, readonly [DataType, fc.Arbitrary<unknown>]> = {
  bool: [new Bool(), fc.boolean()],
  int8: [new Int8(), fc.integer({ min: -128, max: 127 })],
  int32: [new Int32(), fc.integer()],
  uint32: [new Uint32(), fc.nat().map((n) => n * 2)],
  int64: [
    new Int64(),
    fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), around(fc.constantFrom(-1n, 1n))),
  ],
  uint64: [new Uint64(), fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), around(fc.constant(1n)))],
  float32: [new Float32(), fc.float()],
  float64: [new Float64(), fc.oneof(fc.double(), fc.maxSafeInteger(), fc.constantFrom(-0, 1e15, 2 ** 53, 1e21))],
  utf8: [new Utf8(), text],
  largeUtf8: [new LargeUtf8(), text],
  float16: [new Float16(), fc.float()],
  cents: [
    new Float64(),
    fc.tuple(fc.integer(), fc.constantFrom(1, 2, 4, 5, 8, 10, 1e3, 1e6, 1e7)).map(([n, by]) => n / by),
  ],
  ...Object.fromEntries(
    [TimeUnit.SECOND, TimeUnit.MILLISECOND, TimeUnit.MICROSECOND, TimeUnit.NANOSECOND].flatMap((unit) => [
      [`timestamp ${unit}`, [new Timestamp(unit), times(10n ** BigInt(3 * unit))]],
      [`zoned ${unit}`, [new Timestamp(unit, 'Europe/Berlin'), times(10n ** BigInt(3 * unit))]],
    ]),
  ),
  date: [
    new DateDay(),
    fc.oneof(fc.integer({ min: -719_165, max: -719_160 }), fc.integer({ min: -719_162, max: 2_932_900 })),
  ],
  time: [new TimeMicrosecond(), fc.bigInt({ min: 0n, max: 86_400_000_001n })],
  decimal: [new Decimal(2, 38, 128), decimals(128)],
  'decimal of 256 bits': [new Decimal(0, 76, 256), decimals(256)],
  'decimal of many places': [new Decimal(15, 38, 128), decimals(128)],
  'decimal of too many': [new Decimal(20, 38, 128), decimals(128)],
  binary: [new Binary(), fc.uint8Array({ maxLength: 8 })],
  fixed: [new FixedSizeBinary(2), fc.uint8Array({ minLength: 2, maxLength: 2 })],
  list: [new List(new Field('item', new Utf8(), true)), fc.array(fc.option(text), { maxLength: 4 })],
  dictionary: [new Dictionary(new Utf8(), new Int32()), text],
  'dictionary of numbers': [new Dictionary(new Float64(), new Int8()), fc.constantFrom(0.25, 1e300, Number.NaN)],
  lists: [
    new List(new Field('item', new List(new Field('item', pair, true)), true)),
    fc.array(fc.option(fc.array(fc.record({ 'a "b"': text, n: fc.integer() }), { maxLength: 2 })), { maxLength: 3 }),
  ],
  struct: [pair, fc.record({ 'a "b"': fc.option(text), n: fc.option(fc.integer()) })],
}

/** Of a unit, some of them outside of the years that have a text. */
function times(perSecond: bigint): fc.Arbitrary<bigint> {
  const edges = [0n, 1_769_860_800n, -62_135_596_800n, 253_402_300_800n].map((second) => second * perSecond)
  const near = fc
    .tuple(fc.constantFrom(...edges), fc.bigInt({ min: -100_000n * perSecond, max: 100_000n * perSecond }))
    .map(([edge, by]) => BigInt.asIntN(64, edge + by))
  return fc.oneof(near, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
}

function decimals(bits: number): fc.Arbitrary<Uint32Array> {
  const value = fc.oneof(
    fc.bigInt(-(2n ** 70n), 2n ** 70n),
    fc.bigInt(-(10n ** 16n), 10n ** 16n),
    fc.bigInt(-150n, 150n),
  )
  return value.map((units) =>
    Uint32Array.from({ length: bits / 32 }, (_, word) => Number(BigInt.asUintN(32, units >> BigInt(32 * word)))),
  )
}

/** Whole numbers about the powers of ten and the limit of exact doubles, where digits are cut. */
function around(sign: fc.Arbitrary<bigint>): fc.Arbitrary<bigint> {
  const edges = [2n ** 53n, ...Array.from({ length: 17 }, (_, digits) => 10n ** BigInt(digits))]
  return fc
    .tuple(sign, fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 2n }))
    .map(([one, edge, n]) => one * (edge + n - 1n))
    .map((n) => (n === 0n ? 1n : n))
}

/** What happens with a value: its JSON, or why it has none. */
function outcome(write: () => string): string {
  try {
    return write()
  } catch (error) {
    return `fault: ${(error as Error).message}`
  }
}

test.each(Object.entries(KINDS))('values of type %s', (_, [type, value]) => {
  fc.assert(
    fc.property(fc.array(fc.option(value), { minLength: 1, maxLength: 12 }), (values) => {
      const data = dataOf(type, values)
      const [cell, write, output] = [cellsOf(data, PLACE), writerOf(data, PLACE), new JsonOutput(PLACE.bytesMax)]
      for (const row of values.keys()) {
        output.begin()
        const written = outcome(() => {
          write(output, row)
          return output.bytes.toString('utf8', output.at - output.length, output.at)
        })
        expect(written).toBe(outcome(() => cell(row)))
      }
    }),
    { numRuns: 60 },
  )
})

/** The library's builders would make numbers of times and days on the way. */
function dataOf(type: DataType, values: readonly unknown[]): Data {
  const isTime = ArrowType.isTimestamp(type) || ArrowType.isTime(type)
  if (!isTime && !ArrowType.isDate(type)) return vectorFromArray(values, type).data[0]!
  const data = isTime
    ? BigInt64Array.from(values, (value) => (value ?? 0n) as bigint)
    : Int32Array.from(values, (value) => (value ?? 0) as number)
  const nullBitmap = new Uint8Array(2)
  for (const [at, value] of values.entries()) if (value !== null) nullBitmap[at >> 3]! |= 1 << (at & 7)
  const nullCount = values.filter((value) => value === null).length
  return makeData({
    type: type as Timestamp,
    length: values.length,
    nullCount,
    nullBitmap,
    data: data as BigInt64Array,
  })
}

test('a row is given up when it is longer than an event may be', () => {
  const [data] = vectorFromArray([['x'.repeat(60), 'y'.repeat(60), 'z']], KINDS.list![0]).data
  const write = writerOf(data!, { ...PLACE, bytesMax: 100 })
  const output = new JsonOutput(100)
  expect(() => write(output, 0)).toThrow(TooLongError)
})

test('a text that is cut within a character is not one, although the bytes of all texts together are', () => {
  const [data] = vectorFromArray(['aé', 'b'], new Utf8()).data
  data!.valueOffsets[1] = 2
  const write = writerOf(data!, PLACE)
  for (const row of [0, 1]) expect(() => write(new JsonOutput(100), row)).toThrow('not UTF-8')
})
