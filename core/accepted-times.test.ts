/** Which event times are accepted, and that validation at ingest and the engine decide the same, by the arrival in the log. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import { type AcceptDefinition, type ColumnDefinition, count, type DatasetDefinition } from './definition.ts'

const DAY_MS = 86_400_000
const ARRIVAL_MS = Date.UTC(2026, 10, 26, 10)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-accept-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const definitionOf = (time: Partial<ColumnDefinition>, accept?: AcceptDefinition): DatasetDefinition => ({
  name: 'times',
  time: 't',
  key: 'k',
  accept,
  columns: {
    k: { type: 'BIGINT', path: '$.k', required: true },
    t: { type: 'TIMESTAMP', path: '$.t', required: true, ...time } as ColumnDefinition,
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
})

/** Of each event: the reason why it is a dead letter; null if it is a row. Validation at ingest must say the same. */
async function reasons(
  definition: DatasetDefinition,
  times: readonly string[],
  arrivals: readonly number[] = times.map(() => ARRIVAL_MS),
): Promise<(string | null)[]> {
  const dataset = await compileDataset(definition, connection)
  const lines = times.map((time, k) => `{"k":${k},"t":${time}}`)
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const batch = {
    partition: 0,
    start: 0,
    end: lines.length,
    count: lines.length,
    offsets: null,
    lines: Buffer.from(`${lines.join('\n')}\n`),
    arrivals: arrivals.map((atMs) => ({ count: 1, atMs })),
  }
  const { dead } = await decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
  const found = lines.map((_, offset) => dead.find((letter) => letter.offset === offset)?.reason ?? null)
  for (const [index, line] of lines.entries()) {
    const verdict = dataset.check(JSON.parse(line), line, arrivals[index]!)
    expect([line, verdict.ok ? null : verdict.reason]).toEqual([line, found[index]])
    // A missing time with a default is left to the full check.
    const key = dataset.scanKey(Buffer.from(line), 0, line.length, arrivals[index]!)
    const isFast = found[index] === null && definition.columns.t!.default === undefined
    expect([line, isFast ? [`${index}`] : [`${index}`, null]]).toEqual([line, expect.arrayContaining([key])])
    if (!verdict.ok) expect([line, key]).toEqual([line, null])
  }
  return found
}

const accepted = async (...input: Parameters<typeof reasons>): Promise<boolean[]> =>
  (await reasons(...input)).map((reason) => reason === null)
const iso = (ms: number, rest = ''): string => `"${new Date(ms).toISOString().replace('Z', `${rest}Z`)}"`

describe('without accept', () => {
  test('times are accepted from 1970 in every zone to a year after arrival', async () => {
    const from = Date.UTC(1969, 11, 31)
    const until = ARRIVAL_MS + 365 * DAY_MS
    const times = [
      iso(from - 1, '999'),
      iso(from),
      '"1969-12-31T23:59:59.999900Z"',
      iso(until - 1, '999'),
      iso(until),
      '"0001-01-01T00:00:00Z"',
      '"9999-12-31T23:59:59Z"',
    ]
    expect(await accepted(definitionOf({}), times)).toEqual([false, true, true, true, false, false, false])
  })

  test('the reason names the field, the value and the range', async () => {
    expect(await reasons(definitionOf({}), ['"0001-01-01T00:00:00Z"'])).toEqual([
      't ($.t): "0001-01-01T00:00:00Z" is outside the accepted times, 1969-12-31T00:00:00.000Z to 2027-11-26T10:00:00.000Z',
    ])
  })

  test.each([
    ['ms', '1764151200', '1970-01-21T10:02:31.200Z', '; in s it would be 2025-11-26T10:00:00.000Z'],
    ['us', '1764151200000', '1970-01-21T10:02:31.200Z', '; in ms it would be 2025-11-26T10:00:00.000Z'],
  ] as const)('a time in %s that was sent in a coarser unit is noticed', async (unit, value, read, hint) => {
    expect(await reasons(definitionOf({ unit }), [value])).toEqual([
      `t ($.t): ${value}, in ${unit} ${read}, is outside the accepted times, 1969-12-31T00:00:00.000Z to 2027-11-26T10:00:00.000Z without 1970-01-11T22:58:04.800Z to 1970-02-01T00:00:00.000Z, which are more likely another unit${hint}: check the column's unit`,
    ])
  })

  test.each([
    ['s', '1764151200000', 'ms'],
    ['ms', '1764151200000000', 'us'],
    ['iso', '1764151200000', 'ms'],
    ['iso', '1764151200', 's'],
  ] as const)('a time in %s that was sent in another unit is noticed', async (unit, value, other) => {
    const [reason] = await reasons(definitionOf({ unit }), [value])
    expect(reason).toContain(`; in ${other} it would be 2025-11-26T10:00:00.000Z: check the column's unit`)
  })

  test('small numbers are times of 1970', async () => {
    expect(await accepted(definitionOf({ unit: 'ms' }), ['0', '1000', '5000000000'])).toEqual([true, true, true])
    expect(await accepted(definitionOf({ unit: 's' }), ['0', '1764151200'])).toEqual([true, true])
  })
})

test('the arrival in the log decides, not the clock of the reader', async () => {
  const until = ARRIVAL_MS + 365 * DAY_MS
  const arrivals = [ARRIVAL_MS, ARRIVAL_MS + 1]
  expect(await accepted(definitionOf({}), [iso(until), iso(until)], arrivals)).toEqual([false, true])
})

test('an arrival before 2026 is the clock of a machine that was never set', async () => {
  expect(await accepted(definitionOf({}), [iso(ARRIVAL_MS), iso(ARRIVAL_MS)], [0, Date.UTC(2001, 0)])).toEqual([
    true,
    true,
  ])
})

test.each([
  [{ from: '2015-01-01' }, [false, true, true, false]],
  [{ until: '1h' }, [true, true, false, false]],
  [{ from: '2015-01-01', until: '2026-11-26T10:00:00Z' }, [false, true, false, false]],
  [{ from: '0001-01-01', until: '9999-12-31T23:59:59.999Z' }, [true, true, true, true]],
] as const)('with accept %j', async (accept, expected) => {
  const times = [iso(Date.UTC(2014, 11, 31)), iso(ARRIVAL_MS - 1), iso(ARRIVAL_MS + DAY_MS), iso(Date.UTC(2100, 0))]
  expect(await accepted(definitionOf({}, accept), times)).toEqual(expected)
})

test('with from, every number from there on is a time', async () => {
  const definition = definitionOf({ unit: 'ms' }, { from: '1970-01-01' })
  expect(await accepted(definition, ['-1', '0', '1764151200'])).toEqual([false, true, true])
})

test('bounds and other units agree with the engine to the microsecond', async () => {
  const accept = { from: '1969-12-31T23:59:59.999Z', until: '2026-01-01' }
  const micros = ['-1001', '-1000', '-999', '-1', '0', '1767225599999999', '1767225600000000', '1767225600000001']
  expect(await accepted(definitionOf({ unit: 'us' }, accept), micros)).toEqual([
    ...[false, true, true, true, true],
    ...[true, false, false],
  ])
  const millis = ['-2', '-1.4', '-0.6', '0.5', '1767225599999.4', '1767225599999.6', '"1767225600000"']
  expect(await accepted(definitionOf({ unit: 'ms' }, accept), millis)).toEqual([
    ...[false, true, true, true],
    ...[true, false, false],
  ])
  const texts = ['"1969-12-31T23:59:59.9989999Z"', '"1970-01-01T00:59:59.999+01"', '"2025-12-31 23:59:59.999999999"']
  expect(await accepted(definitionOf({}, accept), texts)).toEqual([false, true, true])
})

test('a default is used where the time is missing or no time, and never hides one that is not accepted', async () => {
  const definition = definitionOf({ default: '2026-01-01', required: false })
  expect(await accepted(definition, ['null', '"soon"', '"2026-02-01"', '"1815-12-10"'])).toEqual([
    true,
    true,
    true,
    false,
  ])
})

test('a value is shown as it was sent', async () => {
  const times = ['99999999999999999999', '1e400', '-0.10', '{"at":99999999999999999999}']
  expect(await reasons(definitionOf({}), times)).toEqual(
    times.map((sent) => `t ($.t): ${sent} is not a valid time (iso, years 1 to 9999)`),
  )
})

test.each([
  [{ from: 'soon' }, {}, "accept, from: 'soon' is not a time (example: 2015-01-01)"],
  [{ until: 'later' }, {}, "accept, until: 'later' is not a duration (examples: 10s, 5m, 1h, 1d)"],
  [{ from: '2026-01-01', until: '2026-01-01' }, {}, "accept: until '2026-01-01' is not after from '2026-01-01'"],
  [undefined, { default: '1815-12-10' }, `column 't': its default "1815-12-10" is outside the accepted times`],
  [{ form: '2015-01-01' }, {}, "accept: unknown member 'form' (did you mean 'from'?); known members: from, until"],
] as const)('accept %j, column %j is refused', async (accept, column, problem) => {
  const definition = definitionOf(column as Partial<ColumnDefinition>, accept as AcceptDefinition)
  await expect(compileDataset(definition, connection)).rejects.toMatchObject({ problems: [problem] })
})

test('accept is part of what is stored; without it the hashes are those of before', async () => {
  const hashes = async (accept?: AcceptDefinition) => {
    const { schemaHash, views } = await compileDataset(definitionOf({}, accept), connection)
    return [schemaHash, views.get('all')!.hash]
  }
  const [plain, stated] = [await hashes(), await hashes({ from: '2015-01-01' })]
  expect(plain[0]).not.toBe(stated[0])
  expect(plain[1]).not.toBe(stated[1])
  expect(await hashes({ until: undefined, from: '2015-01-01' })).toEqual(stated)
})
