/**
 * DECIMALs at the limits of their range, and texts with an exponent: what ingest takes the engine stores, what ingest reports as failed the
 * engine has no value for, and the value is that of the text.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { type ColumnDefinition, count } from './definition.ts'

const ARRIVAL_MS = Date.UTC(2026, 10, 29)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-decimals-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const compiled = (v: ColumnDefinition): Promise<CompiledDataset> =>
  compileDataset(
    {
      ...{ name: 'values', time: 'at', key: 'id' },
      columns: {
        id: { type: 'BIGINT', path: '$.id' },
        at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
        v,
      },
      views: { all: { dimensions: {}, measures: { n: count() } } },
    },
    connection,
  )

/** By number of the line, what the engine stores; null: NULL; a dead letter is absent. */
async function stored(dataset: CompiledDataset, lines: readonly string[]): Promise<Map<number, string | null>> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const end = lines.length
  const arrivals = [{ count: end, atMs: ARRIVAL_MS }]
  const bytes = Buffer.from(`${lines.join('\n')}\n`)
  const batch = { partition: 0, start: 0, end, count: end, offsets: null, arrivals, lines: bytes }
  await decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
  const rows = await connection.rows<{ at: number; v: string | null }>(
    'SELECT _offset::INTEGER AS at, v::VARCHAR AS v FROM rows',
  )
  return new Map(rows.map(({ at, v }) => [at, v]))
}

/** 10^-scale as many times as said. */
function plain(units: bigint, scale: number): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return units < 0n ? `-${text}` : text
}

/** Numbers around the ends of the type's range, to a tenth of its last digit. */
function around(digits: number, scale: number): string[] {
  const end = 10n ** BigInt(digits + 1)
  const beside = [-20n, -16n, -15n, -14n, -10n, -6n, -5n, -4n, -1n, 0n, 1n, 5n, 10n]
  const texts = beside.flatMap((off) => [plain(end + off, scale + 1), plain(-end - off, scale + 1)])
  return [...texts, ...texts.filter((text) => text.endsWith('.0')).map((text) => text.slice(0, -2))]
}

const TYPES = [
  ...[
    [1, 0],
    [2, 2],
    [4, 4],
    [6, 2],
    [9, 2],
    [10, 2],
    [12, 4],
    [15, 0],
    [15, 2],
    [15, 3],
    [16, 1],
    [17, 2],
  ],
  ...[
    [18, 2],
    [18, 3],
    [18, 4],
    [20, 4],
    [24, 6],
    [38, 0],
    [38, 10],
    [38, 20],
    [38, 38],
  ],
] as const

describe.each(TYPES.map(([digits, scale]) => [`DECIMAL(${digits},${scale})`, digits, scale] as const))(
  '%s',
  (type, digits, scale) => {
    test('ingest knows which values the engine stores', async () => {
      const texts = around(digits!, scale!)
      const odd = [
        '5.551115123125783e-17',
        '-6e-8',
        '9.9e-5',
        '4e-5',
        '1e-1',
        '12.5e-1',
        '1e0',
        '2.5E+1',
        '1e15',
        '1e400',
      ]
      const powers = [`1e${digits! - scale!}`, `9.99e${digits! - scale! - 1}`, `1e-${scale!}`, `5e-${scale! + 1}`]
      const values = [...texts, ...odd, ...powers].flatMap((text) => [text, JSON.stringify(text)])
      const lines = values.map((value) => `{"at":0,"v":${value}}`)
      const column = { type, path: '$.v' } as ColumnDefinition
      const [free, needed, refusing] = [
        await compiled(column),
        await compiled({ ...column, required: true }),
        await compiled({ ...column, onError: 'reject' }),
      ]
      const has = await stored(free, lines)
      const check = (dataset: CompiledDataset, line: string) => dataset.check(JSON.parse(line), line, ARRIVAL_MS)
      const wrong: string[] = []
      for (const [at, line] of lines.entries()) {
        const isStored = has.get(at) != null
        const [asFree, asNeeded, asRefusing] = [check(free, line), check(needed, line), check(refusing, line)]
        if (!asFree.ok || asFree.failures.length > 0 === isStored) wrong.push(`${values[at]}: stored ${has.get(at)}`)
        if (asRefusing.ok !== isStored) wrong.push(`${values[at]}: onError 'reject', stored ${has.get(at)}`)
        // Stricter, but never the other way round.
        if (asNeeded.ok && !isStored) wrong.push(`${values[at]}: required, stored ${has.get(at)}`)
        const bytes = Buffer.from(line)
        if (needed.scanKey(bytes, 0, bytes.length, ARRIVAL_MS) !== null && !isStored)
          wrong.push(`${values[at]}: scanned`)
      }
      expect(wrong).toEqual([])
    })
  },
)

test.each([
  [
    'DECIMAL(18,3)',
    ['"5.551115123125783e-17"', '5.551115123125783e-17', '"9.9e-5"', '"-6.479003582862718e-08"', '"1.25e1"'],
    ['0.000', '0.000', '0.000', '0.000', '12.500'],
  ],
  ['DECIMAL(9,2)', ['"6e-8"', '6e-8', '"1.005e0"', '"9.9e3"'], ['0.00', '0.00', undefined, '9900.00']],
  [
    'DECIMAL(38,10)',
    ['"6.0e-20"', '6.0e-20', '"6e-10"', '"6e-11"', '"4e-11"'],
    ['0.0000000000', '0.0000000000', '0.0000000006', '0.0000000001', '0.0000000000'],
  ],
])('%s of texts with an exponent', async (type, values, wanted) => {
  const dataset = await compiled({ type, path: '$.v' } as ColumnDefinition)
  const has = await stored(
    dataset,
    values.map((value) => `{"at":0,"v":${value}}`),
  )
  expect(
    values.map((value, at) => [value, wanted[at] === undefined ? undefined : has.get(at)?.replace(/^-(?=0\.0*$)/, '')]),
  ).toEqual(values.map((value, at) => [value, wanted[at]]))
})
