/** Answers as PyArrow, pandas, openpyxl, Polars and DuckDB read them, in one process. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DataType } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unguarded } from '#serving/formats/csv-format.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { type GeneratedPlatform, openGenerated } from '../generated-definitions/generated-platform.ts'
import { mustRun } from '../servers/must-run.ts'
import { provisionPython, pythonReaders } from '../servers/python-readers.ts'
import { KINDS, kindEvents } from './kinds-dataset.ts'
import { AnswerReader, normalRows, type PlainRows } from './read-answers.ts'

const run = promisify(execFile)
const READ_MS_MAX = 240_000
const VIEW = '/v1/datasets/kinds/views/by_kind'
const CASES = { all: 'grain=hour', none: 'filter=n:eq:no-such', total: 'dimensions=' } as const
const WAYS = [
  ...['pyarrow, arrow', 'pyarrow, parquet', 'pandas, parquet', 'polars, arrow', 'polars, parquet'],
  ...['duckdb, arrow', 'duckdb, parquet', 'pandas, csv', 'polars, csv', 'duckdb, csv', 'duckdb, ndjson'],
  ...['pandas, xlsx', 'openpyxl, xlsx'],
] as const

/** What is peculiar to a way of reading: formulas of a CSV, dates that Python has as moments. */
function ownText(way: string, value: string | null, type: DataType): string | null {
  if (way.endsWith('csv')) return unguarded(value!)
  return way.endsWith('xlsx') && DataType.isDate(type) ? value!.replace('T00:00:00.000000Z', '') : value
}

type Read = Readonly<
  Record<
    string,
    Readonly<Record<(typeof WAYS)[number], PlainRows & { readonly meta?: object; readonly kinds?: object }>>
  >
>

describe.skipIf(pythonReaders() === null && !mustRun())('what Python reads', () => {
  let folder: string
  let engine: DuckDbEngine
  let connection: EngineConnection
  let platform: GeneratedPlatform
  let read: Read
  const wanted = new Map<string, ReturnType<AnswerReader['arrow']>>()

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-python-'))
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    connection = await engine.connect()
    platform = await openGenerated({ folder, engine, definition: KINDS, segmentRecordsMax: 7, resident: true })
    const { appended } = await platform.intake.offer(kindEvents(), {})
    const position = appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
    const answers = join(folder, 'answers')
    mkdirSync(answers)
    for (const [name, question] of Object.entries(CASES))
      for (const format of ['arrow', 'parquet', 'csv', 'ndjson', 'xlsx']) {
        const reply = await platform.app.inject(`${VIEW}.${format}?${question}&atLeast=${position}`)
        expect(reply.statusCode, reply.body).toBe(200)
        writeFileSync(join(answers, `${name}.${format}`), reply.rawPayload)
        if (format === 'arrow') wanted.set(name, new AnswerReader(connection, folder).arrow(reply.rawPayload))
      }
    const python = await provisionPython()
    const { stdout } = await run(python, [join(import.meta.dirname, 'read_answers.py'), answers], {
      maxBuffer: 64 * 1024 * 1024,
      timeout: READ_MS_MAX,
    })
    read = JSON.parse(stdout) as Read
  }, READ_MS_MAX)
  afterAll(async () => {
    await platform?.close()
    connection?.close()
    engine?.close()
    rmSync(folder, { recursive: true })
  })

  test.each(Object.keys(CASES).flatMap((name) => WAYS.map((way) => ({ name, way }))))(
    '$name: $way',
    ({ name, way }) => {
      const { names, types, rows } = wanted.get(name)!
      const found = read[name]![way]
      expect(found.names).toEqual(names)
      const isText = / (csv|ndjson|xlsx)$/.test(way)
      const plain = found.rows.map((row) => row.map((value, at) => ownText(way, value, types[at]!)))
      expect(normalRows(plain, types)).toEqual(isText ? rows.map((row) => row.map((value) => value ?? '')) : rows)
    },
  )

  test('what a spreadsheet keeps is a number, a moment or a boolean there, and a text otherwise', () => {
    expect(read.all!['openpyxl, xlsx'].kinds).toMatchObject({
      ...{ time: ['datetime'], n: ['str'], text: ['str'], small: ['int'], flag: ['bool'], day: ['datetime'] },
      ...{
        rows: ['int'],
        ids: ['int', 'str'],
        turnover: ['float', 'int'],
        last: ['str'],
        tags: ['str'],
        note: ['str'],
      },
    })
  })

  test('the provenance is in the metadata of Arrow and Parquet, and in a sheet', () => {
    for (const way of ['pyarrow, arrow', 'pyarrow, parquet'] as const)
      expect(read.all![way].meta).toMatchObject({ dataset: 'kinds', view: 'by_kind', exact: false, gapFree: true })
    expect(read.all!['openpyxl, xlsx'].meta).toMatchObject({
      dataset: 'kinds',
      view: 'by_kind',
      exact: false,
      gapFree: true,
    })
  })
})
