/** Law: what is written as bytes is what the texts of the same values are, byte by byte. */
import {
  Bool,
  type DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  Struct,
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
  time: [new Timestamp(TimeUnit.MILLISECOND), fc.nat()],
  list: [new List(new Field('item', new Utf8(), true)), fc.array(fc.option(text), { maxLength: 4 })],
  dictionary: [new Dictionary(new Utf8(), new Int32()), text],
  struct: [pair, fc.record({ 'a "b"': fc.option(text), n: fc.option(fc.integer()) })],
}

/** Whole numbers about the powers of ten and the limit of exact doubles, where digits are cut. */
function around(sign: fc.Arbitrary<bigint>): fc.Arbitrary<bigint> {
  const edges = [2n ** 53n, ...Array.from({ length: 17 }, (_, digits) => 10n ** BigInt(digits))]
  return fc
    .tuple(sign, fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 2n }))
    .map(([one, edge, n]) => one * (edge + n - 1n))
    .map((n) => (n === 0n ? 1n : n))
}

test.each(Object.entries(KINDS))('values of type %s', (_, [type, value]) => {
  fc.assert(
    fc.property(fc.array(fc.option(value), { minLength: 1, maxLength: 12 }), (values) => {
      const [data] = vectorFromArray(values, type).data
      const [cell, write, output] = [cellsOf(data!, PLACE), writerOf(data!, PLACE), new JsonOutput(PLACE.bytesMax)]
      for (const row of values.keys()) {
        output.begin()
        write(output, row)
        expect(output.bytes.toString('utf8', 0, output.length)).toBe(cell(row))
      }
    }),
    { numRuns: 60 },
  )
})

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
