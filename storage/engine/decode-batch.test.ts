import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, defineDataset } from '#core/definition.ts'
import { framed } from '#core/framed-record.ts'
import type { ArrivalRun, RecordBatch } from '#storage/log/event-log.ts'
import { createRowsTable, decodeBatch, decodeBatches } from './decode-batch.ts'
import { DuckDbEngine } from './duckdb-engine.ts'
import type { EngineConnection } from './engine-connection.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-decode-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(
    defineDataset({
      name: 'notes',
      time: 'said_at',
      key: 'id',
      columns: {
        id: { type: 'BIGINT', path: '$.id', required: true },
        said_at: { type: 'TIMESTAMP', path: '$.t', unit: 'ms', required: true },
        text: { type: 'VARCHAR', path: '$.who.text' },
      },
      views: { all: { dimensions: {}, measures: { n: count() } } },
    }),
    connection,
  )
  await createRowsTable(connection, dataset, 'rows')
})
afterEach(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

async function decode(lines: readonly string[], start = 0, offsets: Float64Array | null = null) {
  const buffer = Buffer.from(`${lines.join('\n')}\n`)
  const end = offsets ? offsets.at(-1)! + 1 : start + lines.length
  const arrivals = [{ count: 1, atMs: 5 }, ...(lines.length > 1 ? [{ count: lines.length - 1, atMs: 6 }] : [])]
  const batch = { partition: 0, start, end, lines: buffer, count: lines.length, offsets, arrivals }
  const { dead } = await decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
  const kept = await connection.rows<{ o: number; a: number }>(
    'SELECT _offset AS o, _arrival AS a FROM rows ORDER BY 1',
  )
  return { dead: dead.map(({ offset, bytes }) => [offset, bytes.toString()]), kept: kept.map(({ o, a }) => [o, a]) }
}

const good = (id: number) => `{"id":${id},"who":{"text":"é😀"},"t":1700000000000}`

test('a record that was not kept whole is a dead letter with its beginning and the reason it was framed with', async () => {
  const line = framed({ reason: 'the record has 9 bytes or more', bytes: Buffer.from('{"id":1,') })
  const lines = Buffer.concat([Buffer.from(`${good(1)}\n`), line, Buffer.from(`\n${good(2)}\n`)])
  const batch = { partition: 0, start: 0, end: 3, lines, count: 3, offsets: null, arrivals: [{ count: 3, atMs: 5 }] }
  const { dead } = await decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
  expect(dead).toEqual([
    { partition: 0, offset: 1, arrivalMs: 5, reason: 'the record has 9 bytes or more', bytes: Buffer.from('{"id":1,') },
  ])
  expect(await connection.rows('SELECT id FROM rows ORDER BY 1')).toHaveLength(2)
})

test('a line that is cut anywhere is the only dead letter, and the records beside it are kept', async () => {
  const whole = good(1)
  let start = 0
  for (let at = 1; at < whole.length; at++) {
    const cut = whole.slice(0, at).toWellFormed()
    await connection.run('DELETE FROM rows')
    const { dead, kept } = await decode([good(1), cut, good(2)], start)
    expect(dead).toEqual([[start + 1, cut]])
    expect(kept.map(([offset]) => offset)).toEqual([start, start + 2])
    start += 3
  }
})

test.each([
  ['one after the other, arrived in a few runs', 3_000, () => 1],
  ['with a hole here and there', 1_000, (index: number) => (index % 700 === 0 ? 5 : 1)],
  ['each behind a hole, each at its own time', 1, () => 2],
])('many records keep their offsets and arrivals: %s', async (_, perRun, step) => {
  const count = 20_000
  const offsets = new Float64Array(count)
  for (let index = 0, at = 7; index < count; at += step(++index)) offsets[index] = at
  const arrivals: ArrivalRun[] = []
  for (let at = 0; at < count; at += perRun) arrivals.push({ count: Math.min(perRun, count - at), atMs: 10_000 + at })
  const lines = Buffer.from(Array.from({ length: count }, (_, index) => `${good(index)}\n`).join(''))
  const [start, end] = [offsets[0]!, offsets.at(-1)! + 1]
  const holes = end - start > count
  const batch = { partition: 0, start, end, lines, count, offsets: holes ? offsets : null, arrivals }
  const target = { table: 'rows', scratchFolder: folder }
  expect((await decodeBatch(connection, dataset, batch, target)).dead).toEqual([])
  const [ids, found, times] = await connection.columns('SELECT id, _offset, _arrival FROM rows ORDER BY rowid')
  expect(ids!.map(Number)).toEqual(Array.from({ length: count }, (_, index) => index))
  expect(found!.map(Number)).toEqual([...offsets])
  expect(times!.map(Number)).toEqual(arrivals.flatMap((run) => Array.from({ length: run.count }, () => run.atMs)))
})

/** Lines that one of engine and intake takes, both take, or neither; in latin1. */
const LINES = [
  '{"id":1,"who":{"text":"a"},"t":1700000000000}',
  '{"id":2,"t":1700000000000,"who":{"text":"a"}}',
  '{"id":3,"t":1700000000000}',
  '{"id":4,"t":',
  '{"id":5,',
  '{"id":6',
  '{"id":7,"t":1700000000000,"who":{"text":"x',
  '{"id":8,"t":1700000000000,"who":',
  '{"id":9,"id":10,"t":1700000000000}',
  '{"id":11,"t":1700000000000,"who":{"text":"p"},"who":{"text":"q"}}',
  '{"id":"12.0","t":1700000000000}',
  '{"id":"13","t":"1700000000000"}',
  '{"id":14.0,"t":1700000000000}',
  '{"id":1e1,"t":1700000000000}',
  '{"id":NaN,"t":1700000000000}',
  '{"id":15,"t":Infinity}',
  '{"id":16,"t":1700000000000,}',
  "{'id':17,'t':1700000000000}",
  '{"id":18,"t":1700000000000} x',
  '{"id":19,"t":1700000000000}{"id":20,"t":1700000000000}',
  '\xef\xbb\xbf{"id":21,"t":1700000000000}',
  '{"id":22,"t":1700000000000,"who":{"text":"\\ud800"}}',
  '{"id":23,"t":1700000000000,"who":{"text":"\\u0000"}}',
  '{"id":24,"t":1700000000000,"who":7}',
  '{"id":25,"t":"soon"}',
  '{"id":{"a":26},"t":1700000000000}',
  '{"id":99999999999999999999,"t":1700000000000}',
  '{"other":1}',
  '{}',
  'null',
  'true',
  '7',
  '"text"',
  '[]',
  '[{"id":27,"t":1700000000000}]',
  '// comment',
  ' {"id":28,"t":1700000000000} ',
  '{"id":29,"t":1700000000000/* c */}',
  ':',
  '}',
  '{"id":30,"t": ',
  ',',
  ' ]',
  '"who":{"text":"b"}}',
  '{"id":40,"t":1700000000000 /* ',
  '*/}',
  '{"id":41,"t":1',
  '{"id":42,"t":tr',
  '{"id":43,"t":-',
  '{"id":44,"t":1700000000000,"a":[1',
  '{"id":31,"t":1700000000000,"who":\t\r',
  '{"id":32,"t":1700000000000}\r',
  '{"id":33,"t":1700000000000,"who":{"text":"\xff"}}',
  '{"id":34,"t":1700000000000,"who":{"text":"\xc3"}}',
  '{"id":35,"t":1700000000000,"who":{"text":"',
  '{"id":36,"t":1700000000000,"who":{"text":"\x01"}}',
  '{"id":37,"t":1700000000000,"who":{"text":"a\\',
  '{"id":38,"t":1700000000000,"who":{"text":"a"}',
  '{"id":39,"t":1700000000000,"who":[1,',
  '\xff\xfe{\x00',
  '\x00',
]

test('what becomes of a record does not depend on those beside it', async () => {
  const target = { table: 'rows', scratchFolder: folder }
  const batchOf = (partition: number, lines: readonly string[]): RecordBatch => ({
    ...{ partition, start: 0, end: lines.length, offsets: null, count: lines.length },
    ...{ lines: Buffer.from(`${lines.join('\n')}\n`, 'latin1'), arrivals: [{ count: lines.length, atMs: 5 }] },
  })
  /** By line: its row or its reason. */
  const verdicts = async (parts: readonly (readonly string[])[]): Promise<string[]> => {
    await connection.run('DELETE FROM rows')
    const batches = parts.map((lines, partition) => batchOf(partition, lines))
    const { dead } = await decodeBatches(connection, dataset, batches, target)
    const rows = await connection.rows<{ p: number; o: number; row: string }>(
      'SELECT _partition AS p, _offset::INTEGER AS o, to_json([id::VARCHAR, said_at::VARCHAR, text])::VARCHAR AS row FROM rows',
    )
    return parts.flatMap((lines, partition) =>
      lines.map((line, offset) => {
        const row = rows.find(({ p, o }) => p === partition && o === offset)?.row
        const letter = dead.find((each) => each.partition === partition && each.offset === offset)
        expect([row === undefined, letter === undefined], line).toContain(false)
        expect([row === undefined, letter === undefined], line).toContain(true)
        return `${line}: ${row ?? letter!.reason}`
      }),
    )
  }
  const alone = new Map<string, string>()
  for (const line of LINES) alone.set(line, (await verdicts([[line]]))[0]!)
  const long = '{"a":[1,{"b":[null,-2.5e1,[]]},true,"x\\"\\u00e9"],"c":{} ,"d":[ 1 , [ 2 ] ],"id":50,"t":1700000000000}'
  for (let at = 1; at < long.length; at++) {
    const victims = LINES.filter((line) => /"id":(9|"12.0"|16),/.test(line)).flatMap((line) => [
      long.slice(0, at),
      line,
    ])
    const found = (await verdicts([victims])).filter((_, place) => place % 2 === 1)
    expect(found, long.slice(0, at)).toEqual(
      victims.filter((_, place) => place % 2 === 1).map((line) => alone.get(line)),
    )
  }
  const parts = fc.array(fc.array(fc.constantFrom(...LINES), { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 3,
  })
  await fc.assert(
    fc.asyncProperty(parts, async (all) => {
      expect(await verdicts(all)).toEqual(all.flat().map((line) => alone.get(line)))
    }),
    { numRuns: Number(process.env.DECODE_RUNS ?? 40) },
  )
  const edit = fc.record({
    at: fc.nat(60),
    cut: fc.nat(2),
    put: fc.constantFrom('', ...'{}[],:"\\ \t\r1tn-.e/*\x00\xc3'),
  })
  const edited = fc
    .tuple(fc.constantFrom(...LINES), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(
      ([line, edits]) =>
        edits.reduce((text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut), line) || '0',
    )
  await fc.assert(
    fc.asyncProperty(fc.array(edited, { minLength: 2, maxLength: 10 }), async (lines) => {
      const each: string[] = []
      for (const line of lines) each.push((await verdicts([[line]]))[0]!)
      expect(await verdicts([lines])).toEqual(each)
    }),
    { numRuns: Number(process.env.DECODE_RUNS ?? 15) },
  )
}, 120_000)

test('a line that is cut takes no rows of another partition in the same table along', async () => {
  const batchOf = (partition: number, start: number, rows: readonly string[]): RecordBatch => ({
    partition,
    start,
    end: start + rows.length,
    lines: Buffer.from(`${rows.join('\n')}\n`),
    count: rows.length,
    offsets: null,
    arrivals: [{ count: rows.length, atMs: 5 }],
  })
  const target = { table: 'rows', scratchFolder: folder }
  await decodeBatch(connection, dataset, batchOf(0, 10, [good(1), good(2)]), target)
  const { dead } = await decodeBatch(connection, dataset, batchOf(1, 3, [good(3), '{"id":', good(4)]), target)
  expect(dead.map(({ partition, offset }) => [partition, offset])).toEqual([[1, 4]])
  const [ids] = await connection.columns('SELECT id FROM rows ORDER BY id')
  expect(ids!.map(Number)).toEqual([1, 2, 3, 4])
})

test('offsets with holes and arrivals stay with their records', async () => {
  const { dead, kept } = await decode([good(1), 'broken', good(3)], 10, Float64Array.from([10, 14, 20]))
  expect(dead).toEqual([[14, 'broken']])
  expect(kept).toEqual([
    [10, 5],
    [20, 6],
  ])
})

test('an event nested so deep that the engine would end the process is a dead letter, and its neighbours are kept', async () => {
  const nested = (open: string, close: string, levels: number) =>
    `{"id":2,"t":1700000000000,"x":${open.repeat(levels)}1${close.repeat(levels)}}`
  const deep = [nested('[', ']', 200_000), nested('{"a":', '}', 200_000), nested('[{"a":', '}]', 501)]
  const broken = '[{"a":'.repeat(100_000)
  const bearable = [nested('[', ']', 999), `{"id":3,"t":1700000000000,"x":[${'[1],'.repeat(5_000)}[1]]}`]
  const text = `{"id":4,"t":1700000000000,"who":{"text":"${'[{'.repeat(5_000)}\\\\"}}`
  const { dead, kept } = await decode([good(1), ...deep, broken, ...bearable, text])
  expect(dead.map(([offset]) => offset)).toEqual([1, 2, 3, 4])
  // Not toEqual: a difference would print megabytes.
  expect(dead.every(([, bytes], index) => bytes === [...deep, broken][index])).toBe(true)
  expect(kept.map(([offset]) => offset)).toEqual([0, 5, 6, 7])
  expect(dataset.explain(deep[0]!, 5)).toBe('the event is nested deeper than 1000 levels')
})

test('events that are larger than what the engine reads by itself are kept, and so are their neighbours', async () => {
  const large = (id: number, mebibytes: number) =>
    `{"id":${id},"t":1700000000000,"who":{"text":"${'x'.repeat(mebibytes * 1024 * 1024)}"}}`
  const { dead, kept } = await decode([good(1), large(2, 17), large(3, 33), '{"broken', large(4, 31), good(5)])
  expect(dead).toEqual([[3, '{"broken']])
  expect(kept.map(([offset]) => offset)).toEqual([0, 1, 2, 4, 5])
})

test.each([
  { what: 'in few runs', offsetsOf: [3, 4, 5, 6, 10, 11, 12, 13] },
  { what: 'in many runs', offsetsOf: [3, 5, 7, 9, 11, 13, 15, 17] },
])(
  'batches of several partitions that are decoded together keep their places: offsets $what',
  async ({ offsetsOf }) => {
    const batch = (partition: number, offsets: number[], isWhole: boolean, atMs: number): RecordBatch => ({
      ...{ partition, start: offsets[0]!, end: offsets.at(-1)! + 1, count: offsets.length },
      offsets: isWhole ? null : Float64Array.from(offsets),
      lines: Buffer.from(offsets.map((offset) => `${good(partition * 1_000 + offset)}\n`).join('')),
      arrivals: [
        { count: 5, atMs },
        { count: offsets.length - 5, atMs: atMs + 1 },
      ],
    })
    const batches = [
      batch(9, offsetsOf, false, 70),
      batch(
        2,
        Array.from({ length: 20 }, (_, at) => 100 + at),
        true,
        50,
      ),
      batch(4, offsetsOf, false, 60),
    ]
    const { dead } = await decodeBatches(connection, dataset, batches, { table: 'rows', scratchFolder: folder })
    expect(dead).toEqual([])
    const kept = await connection.rows(
      'SELECT id, _partition AS p, _offset AS o, _arrival AS a FROM rows ORDER BY rowid',
    )
    expect(kept).toEqual(
      [
        [9, offsetsOf, 70] as const,
        [2, Array.from({ length: 20 }, (_, at) => 100 + at), 50] as const,
        [4, offsetsOf, 60] as const,
      ].flatMap(([p, offsets, atMs]) =>
        offsets.map((o, at) => ({ id: p * 1_000 + o, p, o, a: at < 5 ? atMs : atMs + 1 })),
      ),
    )
  },
)
