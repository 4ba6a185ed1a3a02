import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeBinary,
  Float64,
  Int32,
  Int64,
  LargeUtf8,
  List,
  makeData,
  Null,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Table,
  TimeMicrosecond,
  Timestamp,
  TimeUnit,
  tableFromArrays,
  tableToIPC,
  Uint8,
  Uint64,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { parquetLines } from '../formats/parquet-lines.ts'
import { textsOf } from '../ingest-fixture.ts'
import { OfferTooLargeError } from '../ingest-limits.ts'
import { rowsOfBody } from '../parse-body.ts'
import { BodyError } from './body-error.ts'

const bytesOf = (table: Table): Buffer => Buffer.from(tableToIPC(table, 'stream'))
const rows = (body: Buffer, limits = {}) => rowsOfBody(body, 'arrow', limits)
const columns = (types: Record<string, readonly [DataType, readonly unknown[]]>): Table =>
  new Table(
    Object.fromEntries(Object.entries(types).map(([name, [type, values]]) => [name, vectorFromArray(values, type)])),
  )

/** Columns of each type beside the same values in SQL: what a Parquet file of them becomes is what they become. */
const SAME = {
  small: [new Int32(), [1, -5, null], '1, -5, NULL', 'INTEGER'],
  large: [new Int64(), [9007199254740993n, -1n, null], '9007199254740993, -1, NULL', 'BIGINT'],
  unsigned: [new Uint64(), [18446744073709551615n, 0n, null], '18446744073709551615, 0, NULL', 'UBIGINT'],
  tiny: [new Uint8(), [255, 0, null], '255, 0, NULL', 'UTINYINT'],
  double: [new Float64(), [0.1, 1e300, null], '0.1, 1e300, NULL', 'DOUBLE'],
  odd: [
    new Float64(),
    [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    "'NaN', '-Infinity', 'Infinity'",
    'DOUBLE',
  ],
  yes: [new Bool(), [true, false, null], 'true, false, NULL', 'BOOLEAN'],
  text: [new Utf8(), ['a "é"\n𝕏', '', null], "'a \"é\"' || chr(10) || '𝕏', '', NULL", 'VARCHAR'],
  long: [new LargeUtf8(), ['x', 'y', null], "'x', 'y', NULL", 'VARCHAR'],
  day: [
    new DateDay(),
    [new Date('2026-01-31'), new Date('1969-12-31'), null],
    "'2026-01-31', '1969-12-31', NULL",
    'DATE',
  ],
  bytes: [
    new Binary(),
    [Buffer.from([0xaa, 0, 0x61, 0x22, 0x5c]), Buffer.from(''), null],
    "'\\xAA\\x00a\\x22\\x5C', '', NULL",
    'BLOB',
  ],
} as const

test('a value of each type becomes the JSON that a Parquet file of it becomes', async () => {
  const table = columns(
    Object.fromEntries(Object.entries(SAME).map(([name, [type, values]]) => [name, [type, values] as const])),
  )
  const folder = mkdtempSync(join(tmpdir(), 'watershed-arrow-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const connection = await engine.connect()
  const file = join(folder, 'same.parquet')
  const lists = Object.entries(SAME).map(([name, [, , sql, type]]) => `unnest([${sql}]::${type}[]) AS ${name}`)
  await connection.run(`COPY (SELECT ${lists.join(', ')}) TO ${quoteText(file)} (FORMAT parquet)`)
  const lines = String(Buffer.concat(await parquetLines(file).toArray()))
    .trim()
    .split('\n')
  connection.close()
  engine.close()
  rmSync(folder, { recursive: true })
  const found = textsOf(await rows(bytesOf(table)))
  expect(found).toHaveLength(3)
  expect(found.map(withoutExponent)).toEqual(lines.map(withoutExponent))
})

/** The two write large doubles differently, and parse them alike. */
const withoutExponent = (line: string): string => line.replace(/1e\+?300/, '1e300')

test('times, decimals and nested values', async () => {
  const table = columns({
    at: [new Timestamp(TimeUnit.MICROSECOND), [null]],
    zoned: [new Timestamp(TimeUnit.MILLISECOND, 'Europe/Berlin'), [1_500]],
    clock: [new TimeMicrosecond(), [3_600_000_001n]],
    price: [new Decimal(2, 10, 128), [null]],
    tags: [new List(new Field('item', new Utf8(), true)), [['a', null, 'b']]],
    place: [
      new Struct([new Field('city', new Utf8(), true), new Field('n', new Int32(), true)]),
      [{ city: 'Oslo', n: null }],
    ],
    kind: [new Dictionary(new Utf8(), new Int32()), ['warm']],
    code: [new FixedSizeBinary(2), [Buffer.from('ab')]],
  })
  expect(textsOf(await rows(bytesOf(table)))).toEqual([
    '{"at":null,"zoned":"1970-01-01 00:00:01.5+00","clock":"01:00:00.000001","price":null,"tags":["a",null,"b"],"place":{"city":"Oslo","n":null},"kind":"warm","code":"ab"}',
  ])
})

test('a decimal and a time keep all of their digits', async () => {
  const price = makeData({
    type: new Decimal(2, 38, 128),
    length: 2,
    data: new Uint32Array([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 150, 0, 0, 1]),
  })
  const at = makeData({
    type: new Timestamp(TimeUnit.NANOSECOND),
    length: 2,
    data: new BigInt64Array([1_769_860_800_123_456_789n, -1n]),
  })
  const schema = new Schema([new Field('price', price.type, true), new Field('at', at.type, true)])
  const batch = new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: 2, children: [price, at] }))
  expect(textsOf(await rows(bytesOf(new Table([batch]))))).toEqual([
    '{"price":-0.01,"at":"2026-01-31 12:00:00.123456789"}',
    '{"price":"792281625142643375935439504.86","at":"1969-12-31 23:59:59.999999999"}',
  ])
})

test('any texts and numbers arrive as they were, over several batches', async () => {
  const cell = fc.tuple(fc.string({ unit: 'grapheme' }), fc.double({ noNaN: true, noDefaultInfinity: true }))
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 20 }), async (cells) => {
      const part = tableFromArrays({ text: cells.map(([text]) => text), n: Float64Array.from(cells, ([, n]) => n) })
      const found = textsOf(await rows(bytesOf(part.concat(part)))).map((row) => JSON.parse(row))
      const sent = cells.map(([text, n]) => ({ text, n: n + 0 }))
      expect(found).toEqual([...sent, ...sent])
    }),
    { numRuns: 50 },
  )
})

const small = bytesOf(tableFromArrays({ a: Int32Array.from([1, 2, 3]), b: ['x', 'y', 'z'] }))
const nested = bytesOf(
  columns({
    kinds: [new Dictionary(new Utf8(), new Int32()), ['warm', 'cold']],
    lists: [new List(new Field('item', new Struct([new Field('n', new Int32(), true)]), true)), [[{ n: 1 }], null]],
    zoned: [new Timestamp(TimeUnit.MILLISECOND, 'UTC'), [1, 2]],
  }),
)

test.each<[string, Buffer, RegExp]>([
  ['nothing', Buffer.from('nonsense'), /not a valid Arrow IPC stream: a message is not complete/],
  [
    'a file',
    Buffer.from(RecordBatchFileWriter.writeAll(tableFromArrays({ a: [1] })).toUint8Array(true)),
    /Arrow file; send the IPC stream/,
  ],
  ['half a stream', small.subarray(0, small.length - 40), /complete/],
])('%s is refused as a whole', async (_what, body, why) => {
  await expect(rows(body)).rejects.toThrow(BodyError)
  await expect(rows(body)).rejects.toThrow(why)
})

test.each([
  ['columns', small],
  ['nested values', nested],
])('a stream of %s with any bytes changed gives rows or a refusal, after bounded work', async (_what, sent) => {
  const change = fc.tuple(fc.nat(sent.length - 1), fc.oneof(fc.constantFrom(0, 1, 4, 16, 64, 255), fc.nat(255)))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const body = Buffer.from(sent)
      for (const [at, byte] of changes) body[at] = byte
      const outcome = await rows(body).then(
        (found) => found.starts.length <= 50_000,
        (error) => error instanceof BodyError || error instanceof OfferTooLargeError,
      )
      expect(outcome).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('rows that take no bytes are bounded, and so is their JSON', async () => {
  const nulls = (length: number): Buffer => {
    const schema = new Schema([new Field('n'.repeat(1_000), new Null(), true)])
    const child = makeData({ type: new Null(), length })
    return bytesOf(
      new Table([new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, children: [child] }))]),
    )
  }
  await expect(rows(nulls(2 ** 31 - 1))).rejects.toThrow(/2147483647 events.*requestRowsMax/)
  await expect(rows(nulls(50_000), { bodyBytesMax: 1_000_000 })).rejects.toThrow(/as JSON.*requestBytesMax/)
  const long = await rows(nulls(2), { recordBytesMax: 100 })
  expect([...long.faults!.values()]).toEqual(Array(2).fill('the row is longer than recordBytesMax = 100 bytes'))
})
