/** Failed conversions: what validation at ingest reports is exactly what decoding counts, for every column type, and nothing else. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, type Decoded, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { KINDS_OF_COLUMNS, titleOf } from './columns-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { type ColumnDefinition, count, type DatasetDefinition } from './definition.ts'
import { valueText } from './event-texts-fixture.ts'
import { formattedTimeMs } from './formatted-time.ts'
import { whyUnreadable } from './json-text.ts'

const ARRIVAL_MS = Date.UTC(2026, 0, 1)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-failures-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const definitionOf = (columns: Readonly<Record<string, ColumnDefinition>>): DatasetDefinition => ({
  name: 'values',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'VARCHAR', path: '$.id' },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    ...columns,
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
})
const compiled = (columns: Readonly<Record<string, ColumnDefinition>>) =>
  compileDataset(definitionOf(columns), connection)

const batchOf = (lines: readonly string[]): RecordBatch => ({
  partition: 0,
  start: 0,
  end: lines.length,
  count: lines.length,
  offsets: null,
  arrivals: [{ count: lines.length, atMs: ARRIVAL_MS }],
  lines: Buffer.from(`${lines.join('\n')}\n`),
})

async function decoded(dataset: CompiledDataset, lines: readonly string[]): Promise<Decoded> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  return decodeBatch(connection, dataset, batchOf(lines), { table: 'rows', scratchFolder: folder })
}

/** Columns with failed conversions at ingest, and whether the fast path leaves the event to the full check. */
function reported(dataset: CompiledDataset, line: string): readonly { column: string; value: string }[] {
  const verdict = dataset.check(JSON.parse(line), line, ARRIVAL_MS)
  if (!verdict.ok) throw new Error(`${line}: ${verdict.reason}`)
  if (verdict.failures.length > 0)
    expect(dataset.scanKey(Buffer.from(line), 0, Buffer.byteLength(line), ARRIVAL_MS)).toBe(null)
  return verdict.failures
}

/** What the engine reads beyond what is predicted: the list in docs/reference/definitions.md. */
const ODD = /^[\s+-]*[\d.]*(_|[eE][+-]?\d)|^\s*[+-]{2}|[T ]24:00|^9999-12-31|[+-]1[6-9]$/
function isOdd(value: unknown, { type }: ColumnDefinition): boolean {
  if (type === 'TIMESTAMP' && isBeforeYearOne(Number(value))) return true
  if (typeof value === 'string')
    return ODD.test(value) && !(/^(DOUBLE|DECIMAL)/.test(type) && Number.isFinite(Number(value)))
  if (typeof value === 'number') return type === 'TIMESTAMP' && Math.abs(value) >= 253_402_300_799
  return (
    value !== null &&
    typeof value === 'object' &&
    Object.values(value).some((inner) => isOdd(inner, { type } as ColumnDefinition))
  )
}

/** By a part of its unit, so that it rounds to the year 1. */
function isBeforeYearOne(value: number): boolean {
  return [1, 1e3, 1e6].some((perSecond) => Math.ceil(value) === -62_135_596_800 * perSecond)
}

/** A time of 2020 in the last format of a column. */
function formattedDefault({ format }: ColumnDefinition): string | undefined {
  const last = typeof format === 'string' ? format : format?.at(-1)
  return last === undefined ? last : DEFAULTS.find((text) => formattedTimeMs(text, { format: last }) !== null)
}
const DEFAULTS = ['01.01.2020', '2020.0101', '1 jan 2020 1:00:00.5 AM +00']

const COLUMNS: ColumnDefinition[] = [...KINDS_OF_COLUMNS, { type: 'VARCHAR', path: '$.v.x' }]
const RUNS = { numRuns: Number(process.env.AGREEMENT_RUNS ?? 3), endOnFailure: true }

describe.each(COLUMNS.map((column) => [titleOf(column), column] as const))('%s', (_, v) => {
  test.each([false, true])('ingest reports what decoding counts; with a default: %s', async (withDefault) => {
    const texts: Record<string, string> = { DATE: '2020-01-01', TIMESTAMP: formattedDefault(v) ?? '2020-01-01' }
    const value = texts[v.type] ?? 0
    const fallback = v.type === 'TIMESTAMP' && v.unit !== undefined ? 0 : value
    const column = withDefault ? { ...v, default: v.type.endsWith('[]') ? [] : fallback } : v
    const dataset = await compiled({ v: column as ColumnDefinition })
    // One batch of events for each: a batch tells how many failed, not which.
    await fc.assert(
      fc.asyncProperty(fc.array(valueText, { minLength: 40, maxLength: 40 }), async (texts) => {
        const lines = texts
          .filter((text) => !isOdd(JSON.parse(text), v))
          .map((text) => `{"at":0,"v":${text}}`)
          .filter((line) => whyUnreadable(line, JSON.parse(line)) === null)
        const failed = lines.filter((line) => reported(dataset, line).length > 0)
        const { unconverted } = await decoded(dataset, lines)
        if ((unconverted.v ?? 0) === failed.length) return
        const wrong: string[] = []
        for (const line of lines) {
          const { unconverted: alone } = await decoded(dataset, [line])
          if ((alone.v ?? 0) !== Number(failed.includes(line)))
            wrong.push(`${line}: ${failed.includes(line) ? 'only ingest' : 'only decoding'}`)
        }
        expect(wrong).toEqual([])
      }),
      RUNS,
    )
  })
})

test('where a value is, and what it is, decides; absent, null and empty values never fail', async () => {
  const dataset = await compiled({
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
    guests: { type: 'INTEGER', path: '$.guests', default: 0 },
    course: { type: 'VARCHAR', path: '$.course.slug' },
    deep: { type: 'BIGINT', path: '$.course.more.n' },
    odd: { type: 'DATE', path: '$."odd name"' },
    tags: { type: 'VARCHAR[]', path: '$.topics[*].tag', default: [] },
    sizes: { type: 'DOUBLE[]', path: '$.sizes' },
  })
  const cases: [event: object, failed: Record<string, string>][] = [
    [{ price: '1,234.50' }, { price: '"1,234.50"' }],
    [{ price: '19.99', guests: '2', course: { slug: 'a', more: { n: 5 } }, topics: [{ tag: 'x' }, {}, null] }, {}],
    [{}, {}],
    [{ price: null, guests: null, course: null, 'odd name': null, topics: null, sizes: null }, {}],
    [{ course: {}, topics: [], sizes: [null, 1] }, {}],
    [
      { guests: 'many', 'odd name': 'soon' },
      { guests: '"many"', odd: '"soon"' },
    ],
    [{ course: 'sql' }, { course: '"sql"', deep: '"sql"' }],
    [{ course: ['sql'] }, { course: '["sql"]', deep: '["sql"]' }],
    [{ course: { slug: 'a', more: 7 } }, { deep: '7' }],
    [{ course: { slug: 5, more: { n: {} } } }, { deep: '{}' }],
    [
      { topics: 'none', sizes: { a: 1 } },
      { tags: '"none"', sizes: '{"a":1}' },
    ],
    [
      { topics: [{ tag: 'x' }, 'y'], sizes: [1, '2.5', 'XL'] },
      { tags: '"y"', sizes: '"XL"' },
    ],
  ]
  const lines = cases.map(([event]) => JSON.stringify({ at: 0, ...event }))
  for (const [index, [, failed]] of cases.entries()) {
    const told = reported(dataset, lines[index]!)
    expect([lines[index], Object.fromEntries(told.map(({ column, value }) => [column, value]))]).toEqual([
      lines[index],
      failed,
    ])
    const { unconverted } = await decoded(dataset, [lines[index]!])
    const counted = Object.fromEntries(Object.keys(failed).map((column) => [column, 1]))
    expect([lines[index], unconverted]).toEqual([lines[index], counted])
  }
  const total: Record<string, number> = {}
  for (const [, failed] of cases) for (const column of Object.keys(failed)) total[column] = (total[column] ?? 0) + 1
  expect((await decoded(dataset, lines)).unconverted).toEqual(total)
})

test("onError 'reject' makes the event a dead letter with its bytes, and the reason names column and value", async () => {
  const dataset = await compiled({
    price: { type: 'DECIMAL(9,2)', path: '$.price', onError: 'reject' },
    guests: { type: 'INTEGER', path: '$.guests' },
  })
  const lines = [
    '{"at":0,"price":"1,2","guests":"x"}',
    '{"at":0,"price":"1.2","guests":"x"}',
    '{"at":0}',
    '{"price":"z"}',
  ]
  const { dead, unconverted } = await decoded(dataset, lines)
  expect(dead.map(({ offset, bytes, reason }) => [offset, bytes.toString(), reason])).toEqual([
    [0, lines[0], `price ($.price): "1,2" cannot be converted to DECIMAL(9,2), and the column has onError 'reject'`],
    [3, lines[3], 'at ($.at): is required but missing'],
  ])
  expect(unconverted).toEqual({ guests: 1 })
  expect(dataset.check(JSON.parse(lines[0]!), lines[0]!, ARRIVAL_MS)).toEqual({ ok: false, reason: dead[0]!.reason })
  const { schemaHash } = await compiled({
    price: { type: 'DECIMAL(9,2)', path: '$.price', onError: 'null' },
    guests: { type: 'INTEGER', path: '$.guests' },
  })
  expect(schemaHash).not.toBe(dataset.schemaHash)
})
