/** Derived columns: what decoding makes of them, that a failed derivation is counted and an absent value is not, and that ingest decides as the engine does. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, type Decoded, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { count, type DatasetDefinition, sum } from './definition.ts'

const ARRIVAL_MS = Date.UTC(2026, 0, 1)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-derived-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const flights = {
  name: 'flights',
  time: 'departs_at',
  key: 'airline',
  columns: {
    year: { type: 'INTEGER', path: '$.YEAR' },
    month: { type: 'INTEGER', path: '$.MONTH' },
    day: { type: 'INTEGER', path: '$.DAY' },
    hhmm: { type: 'VARCHAR', path: '$.SCHEDULED' },
    code: { type: 'VARCHAR', path: '$.AIRLINE' },
    text: { type: 'VARCHAR', path: '$.text' },
    delay: { type: 'DOUBLE', path: '$.delay' },
    // Derived from a column that is derived further down.
    departs_hour: { type: 'INTEGER', as: 'hour(departs_at)' },
    departs_at: {
      type: 'TIMESTAMP',
      as: 'make_timestamp(year, month, day, left(hhmm, 2)::INTEGER, right(hhmm, 2)::INTEGER, 0)',
    },
    airline: { type: 'VARCHAR', as: 'upper(trim(code))' },
    clouds: { type: 'VARCHAR[]', as: "list_sort(list_distinct(regexp_extract_all(lower(text), 'aws|azure|gcp')))" },
    ratio: { type: 'DECIMAL(9,2)', as: 'delay / day', default: -1 },
    number: { type: 'INTEGER', as: "split_part(code, '-', 2)" },
  },
  views: {
    by_cloud: { unnest: { cloud: 'clouds' }, dimensions: { cloud: 'cloud' }, time: ['day'], measures: { n: count() } },
    by_word: {
      unnest: { word: "string_split(lower(text), ' ')" },
      dimensions: { word: 'word' },
      measures: { n: count(), minutes: sum('delay') },
    },
  },
} as const satisfies DatasetDefinition

async function decoded(dataset: CompiledDataset, events: readonly object[]): Promise<Decoded> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const lines = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const [end, arrivals] = [events.length, [{ count: events.length, atMs: ARRIVAL_MS }]]
  const batch = { partition: 0, start: 0, end, count: end, offsets: null, arrivals, lines }
  return decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
}

const flight = {
  YEAR: 2015,
  MONTH: 1,
  DAY: 2,
  SCHEDULED: '0905',
  AIRLINE: ' aa-7 ',
  text: 'AWS and azure, aws',
  delay: 5,
}

describe('decoding', () => {
  test('derives in the order of what reads what, and views use derived columns and expressions', async () => {
    const dataset = await compileDataset(flights, connection)
    expect(await decoded(dataset, [flight])).toEqual({ dead: [], unconverted: {}, returned: [] })
    const [row] = await connection.rows(
      'SELECT departs_at::VARCHAR AS at, _time, departs_hour, airline, clouds::VARCHAR AS clouds, ratio, number FROM rows',
    )
    expect(row).toEqual({
      at: '2015-01-02 09:05:00',
      _time: Date.UTC(2015, 0, 2, 9, 5),
      departs_hour: 9,
      airline: 'AA-7',
      clouds: '[aws, azure]',
      ratio: 2.5,
      number: 7,
    })
    const answer = async (view: string) => {
      const { partialSql, presentSql, recountSql, dimensions } = dataset.views.get(view)!
      const keys = dimensions.map(({ name }) => name)
      const merged = await connection.rows(
        `SELECT * FROM (${presentSql(`(${partialSql('rows')})`, keys)}) ORDER BY ALL`,
      )
      const list = [...keys, ...dataset.views.get(view)!.measures.map(({ name }) => name)].join(', ')
      expect(await connection.rows(`SELECT ${list} FROM (${recountSql('rows')}) ORDER BY ALL`)).toEqual(merged)
      return merged
    }
    expect(await answer('by_cloud')).toEqual([
      { cloud: 'aws', n: 1 },
      { cloud: 'azure', n: 1 },
    ])
    expect(await answer('by_word')).toEqual([
      { word: 'and', n: 1, minutes: 5 },
      { word: 'aws', n: 2, minutes: 10 },
      { word: 'azure,', n: 1, minutes: 5 },
    ])
  })

  test('counts what fails, and not what is absent', async () => {
    const dataset = await compileDataset(flights, connection)
    const { dead, unconverted } = await decoded(dataset, [
      flight,
      { ...flight, AIRLINE: 'aa' },
      { ...flight, AIRLINE: 'aa-x' },
      { ...flight, AIRLINE: null, text: null },
      { ...flight, delay: 1e12 },
      { ...flight, DAY: '2', delay: null },
    ])
    expect(dead).toEqual([])
    // '' and 'x' are no numbers, 10^12 / 2 has too many digits; NULL is derived from NULL.
    expect(unconverted).toEqual({ number: 2, ratio: 1 })
    const rows = await connection.rows('SELECT number, ratio, airline FROM rows ORDER BY _offset')
    expect(rows).toEqual([
      { number: 7, ratio: 2.5, airline: 'AA-7' },
      { number: null, ratio: 2.5, airline: 'AA' },
      { number: null, ratio: 2.5, airline: 'AA-X' },
      { number: null, ratio: 2.5, airline: null },
      { number: 7, ratio: -1, airline: 'AA-7' },
      { number: 7, ratio: -1, airline: 'AA-7' },
    ])
  })

  test('an event without its derived time, or outside the accepted times, is a dead letter that says of what', async () => {
    const dataset = await compileDataset(flights, connection)
    const { dead } = await decoded(dataset, [
      { ...flight, MONTH: 13 },
      { ...flight, SCHEDULED: null },
      { ...flight, YEAR: 1815 },
      { ...flight, YEAR: 'x' },
    ])
    const place = `departs_at (= ${flights.columns.departs_at.as})`
    expect(dead.map(({ reason }) => reason)).toEqual([
      `${place}: gives no value for year 2015, month 13, day 2, hhmm 0905`,
      `${place}: gives no value for year 2015, month 1, day 2, hhmm NULL`,
      `${place}: 1815-01-02 09:05:00 is outside the accepted times`,
      `${place}: gives no value for year NULL, month 1, day 2, hhmm 0905`,
    ])
  })

  test("required and onError 'reject' make dead letters with their reasons", async () => {
    const strict = {
      ...flights,
      columns: {
        ...flights.columns,
        airline: { ...flights.columns.airline, required: true },
        number: { ...flights.columns.number, onError: 'reject' },
      },
    } as const
    const { dead, unconverted } = await decoded(await compileDataset(strict, connection), [
      { ...flight, AIRLINE: null },
      { ...flight, AIRLINE: 'aa-x' },
      flight,
    ])
    expect(dead.map(({ offset, reason }) => [offset, reason])).toEqual([
      [0, 'airline (= upper(trim(code))): gives no value for code NULL'],
      [1, "number (= split_part(code, '-', 2)): gives no value for code aa-x, and the column has onError 'reject'"],
    ])
    expect(unconverted).toEqual({})
  })

  test.each([
    [
      { type: 'TIMESTAMP', as: "text || ' ' || hhmm", format: '%d.%m.%Y %H%M', zone: 'Europe/Berlin' },
      { text: '01.07.2017', SCHEDULED: '0905' },
      '2017-07-01 07:05:00',
    ],
    [{ type: 'TIMESTAMP', as: 'delay * 1000', unit: 'ms' }, { delay: 1_498_899_900 }, '2017-07-01 09:05:00'],
    [{ type: 'TIMESTAMP', as: 'text' }, { text: '2017-07-01T09:05+02' }, '2017-07-01 07:05:00'],
    [{ type: 'TIMESTAMP', as: 'to_timestamp(delay)' }, { delay: 1_498_899_900 }, '2017-07-01 09:05:00'],
    [{ type: 'DATE', as: 'make_date(year, month, day)' }, {}, '2015-01-02'],
    [{ type: 'DATE', as: 'text' }, { text: 'infinity' }, null],
    [{ type: 'DOUBLE', as: 'delay / 0' }, {}, null],
    [{ type: 'BIGINT', as: 'delay * 2' }, { delay: 1.25 }, '2'],
    [{ type: 'BOOLEAN', as: 'delay > 3' }, {}, 'true'],
    [{ type: 'VARCHAR', as: 'delay > 3' }, {}, 'true'],
    [{ type: 'DOUBLE[]', as: '[delay, delay / 0]' }, {}, '[5.0, NULL]'],
  ])('%j of %j is %s', async (column, event, expected) => {
    const definition = {
      ...flights,
      columns: { ...flights.columns, x: column },
      views: {},
    } as unknown as DatasetDefinition
    await decoded(await compileDataset(definition, connection), [{ ...flight, ...event }])
    expect(await connection.rows('SELECT x::VARCHAR AS x FROM rows')).toEqual([{ x: expected }])
  })
})

test.each([
  [{ type: 'INTEGER', as: 'nothing + 1' }, "column 'x', as: 'nothing + 1' refers to unknown column 'nothing'"],
  [{ type: 'INTEGER', as: 'x + 1' }, "column 'x', as: the column is derived from itself (x → x)"],
  [
    { type: 'INTEGER', as: 'random()' },
    "column 'x', as: 'random()' calls random(), which is not one of the allowed scalar functions",
  ],
  [{ type: 'INTEGER' }, "column 'x': a column must have either a path or an expression (as)"],
  [{ type: 'INTEGER', as: 'day', path: '$.x' }, "column 'x': a column must have either a path or an expression (as)"],
  [
    { type: 'TIMESTAMP', as: 'day' },
    "column 'x', as: 'day' has type INTEGER: a TIMESTAMP of numbers needs a unit (s, ms or us)",
  ],
  [
    { type: 'TIMESTAMP', as: 'departs_at', unit: 's' },
    "column 'x', as: 'departs_at' has type TIMESTAMP, so a unit or format has no effect",
  ],
  [{ type: 'VARCHAR[]', as: 'text' }, "column 'x', as: 'text' has type VARCHAR, which does not become VARCHAR[]"],
  [{ type: 'DATE', as: 'day' }, "column 'x', as: 'day' has type INTEGER, which does not become DATE"],
  [{ type: 'JSON', as: 'text' }, "column 'x', as: 'text' cannot be stored as JSON; use VARCHAR"],
  [
    { type: 'VARCHAR', as: 'departs_at - departs_at' },
    "column 'x', as: 'departs_at - departs_at' has type INTERVAL, which cannot be stored",
  ],
])('%j is refused', async (x, problem) => {
  const definition = { ...flights, columns: { ...flights.columns, x } } as unknown as DatasetDefinition
  const error = (await compileDataset(definition, connection).catch((thrown: unknown) => thrown)) as {
    problems: string[]
  }
  expect(error.problems).toHaveLength(1)
  expect(error.problems[0]).toContain(problem)
})

test.each([
  [{ unnest: { one: 'text' } }, "unnest 'one': column 'text' is not a list"],
  [{ unnest: { one: 'clowds' } }, "unnest 'one': unknown column 'clowds' (did you mean 'clouds'?)"],
  [{ unnest: { one: 'lower(text)' } }, "unnest 'one': 'lower(text)' must be a list, but has type VARCHAR"],
])('unnest %j is refused', async (change, problem) => {
  const definition = {
    ...flights,
    views: { v: { dimensions: {}, measures: { n: count() }, ...change } },
  } as DatasetDefinition
  await expect(compileDataset(definition, connection)).rejects.toMatchObject({ problems: [`view 'v', ${problem}`] })
})

test('a changed input changes what a derived column is, and the views that read it; other columns do not', async () => {
  const hashes = async (change: object) => {
    const { columns, views } = await compileDataset(
      { ...flights, columns: { ...flights.columns, ...change } } as DatasetDefinition,
      connection,
    )
    return { hour: columns.find(({ name }) => name === 'departs_hour')!.source, view: views.get('by_cloud')!.hash }
  }
  const before = await hashes({})
  const text = await hashes({ text: { type: 'VARCHAR', path: '$.other' } })
  expect([text.hour === before.hour, text.view === before.view]).toEqual([true, false])
  const year = await hashes({ year: { type: 'INTEGER', path: '$.y' } })
  expect([year.hour === before.hour, year.view === before.view]).toEqual([false, false])
  expect(await hashes({ delay: { type: 'DOUBLE', path: '$.d' } })).toEqual(before)
  const { views } = await compileDataset(flights, connection)
  expect(views.get('by_cloud')!.reads).toEqual(['clouds', 'day', 'departs_at', 'hhmm', 'month', 'text', 'year'])
})
