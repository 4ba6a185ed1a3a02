/**
 * The check at the door (plain JavaScript) against the engine's decode, on generated events: what the door accepts the
 * engine uses, with the value that the text says and one key text per key; what only the engine reads is a short list.
 * A failure prints its seed and path, to be given to fc.assert.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { KINDS_OF_COLUMNS, titleOf } from './columns-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { type ColumnDefinition, count, type DatasetDefinition } from './definition.ts'
import { eventText, valueText } from './event-texts-fixture.ts'
import { expectedText } from './expected-value-fixture.ts'
import { whyUnreadable } from './json-text.ts'

const ARRIVAL_MS = Date.UTC(2026, 10, 26)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-agree-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const definitionOf = (v: ColumnDefinition, key: 'id' | 'v' = 'id'): DatasetDefinition => ({
  name: 'values',
  time: 'at',
  key,
  columns: { id: { type: 'BIGINT', path: '$.id' }, at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', default: 0 }, v },
  views: { all: { dimensions: {}, measures: { n: count() } } },
})

/** The door, as ingest checks a row: UTF-8 text, JSON, readable, an event of the dataset. Its fast path never disagrees. */
function door(dataset: CompiledDataset, line: string): { ok: true; key: string } | { ok: false; reason: string } {
  const verdict = checkOf(dataset, line)
  const bytes = Buffer.from(line)
  const key = dataset.scanKey(bytes, 0, bytes.length, ARRIVAL_MS)
  if (key !== null) expect([line, verdict]).toEqual([line, { ok: true, key, failures: [] }])
  return verdict
}

function checkOf(dataset: CompiledDataset, line: string): ReturnType<CompiledDataset['check']> {
  try {
    const value: unknown = JSON.parse(line)
    const reason = whyUnreadable(line, value)
    return reason === null ? dataset.check(value, line, ARRIVAL_MS) : { ok: false, reason }
  } catch (error) {
    return { ok: false, reason: (error as Error).message }
  }
}

/** Text of `v` per line that the engine uses, NULL as null; undefined for a dead letter. */
async function engineValues(
  dataset: CompiledDataset,
  lines: readonly string[],
): Promise<(string | null | undefined)[]> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const end = lines.length
  const batch = { partition: 0, start: 0, end, count: end, offsets: null, arrivals: [{ count: end, atMs: ARRIVAL_MS }] }
  await decodeBatch(
    connection,
    dataset,
    { ...batch, lines: Buffer.from(`${lines.join('\n')}\n`) },
    {
      table: 'rows',
      scratchFolder: folder,
    },
  )
  const type = dataset.columns.find(({ name }) => name === 'v')!.type
  const text = type.endsWith('[]') ? 'to_json(list_transform(v, lambda x: x::VARCHAR))::VARCHAR' : 'v::VARCHAR'
  const rows = await connection.rows<{ o: number; v: string | null }>(`SELECT _offset AS o, ${text} AS v FROM rows`)
  const found = new Map(rows.map(({ o, v }) => [o, v]))
  return lines.map((_, offset) => found.get(offset))
}

/** No shrinking: each wrong line speaks for itself. */
const RUNS = { numRuns: Number(process.env.AGREEMENT_RUNS ?? 3), endOnFailure: true }
const VALUES = { minLength: 150, maxLength: 150 }

describe.each(KINDS_OF_COLUMNS.map((column) => [titleOf(column), column] as const))('%s', (_, column) => {
  test('an event accepted at ingest keeps the exact value of its text; a dead letter has a reason', async () => {
    const dataset = await compileDataset(definitionOf({ ...column, required: true }), connection)
    await fc.assert(
      fc.asyncProperty(fc.array(valueText, VALUES), async (texts) => {
        const lines = texts.map((text) => `{"v":${text}}`)
        const values = await engineValues(dataset, lines)
        const wrong = lines.flatMap((line, index): object[] => {
          const [verdict, value] = [door(dataset, line), values[index]]
          if (verdict.ok) {
            const expected = expectedText(texts[index]!, column)
            const right = expected === undefined ? isSome(value, texts[index]!, column) : value === expected
            return right ? [] : [{ line, value, expected }]
          }
          const reason = value === undefined ? dataset.explain(line, ARRIVAL_MS) : verdict.reason
          const right = value === undefined ? reason !== null : isLenient(texts[index]!, column)
          return right ? [] : [{ line, value, reason }]
        })
        expect(wrong).toEqual([])
      }),
      RUNS,
    )
  })
})

/** A value of which the reference only says that there is one; or the double that JavaScript reads. */
function isSome(value: string | null | undefined, text: string, { type }: ColumnDefinition): boolean {
  return typeof value === 'string' && (type !== 'DOUBLE' || Number(value) === Number(JSON.parse(text)))
}

/** What only the engine reads: the list in docs/reference/definitions.md. */
function isLenient(text: string, { type, unit }: ColumnDefinition): boolean {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'number') {
    if (/BIGINT|TIMESTAMP/.test(type)) return Math.abs(value) >= 2 ** 63 || (unit ?? 'iso') !== 'iso'
    if (type === 'BOOLEAN') return Math.abs(value) >= 2 ** 63
    if (type === 'INTEGER') return value < -(2 ** 31) && value >= -(2 ** 31) - 0.5
    return type.startsWith('DECIMAL')
  }
  return typeof value === 'string' && /INTEGER|BIGINT|DOUBLE|DECIMAL|TIMESTAMP|DATE/.test(type)
}

describe.each(['INTEGER', 'BIGINT', 'BOOLEAN', 'DATE', 'VARCHAR'] as const)('a key of type %s', (type) => {
  test.each([undefined, { BOOLEAN: true, DATE: '2024-02-29' }[type as string] ?? 7])(
    'with default %s: events with equal keys go to one partition',
    async (absent) => {
      const column = { type, path: '$.v', ...(absent !== undefined && { default: String(absent) }) } as ColumnDefinition
      const dataset = await compileDataset(definitionOf(column, 'v'), connection)
      await fc.assert(
        fc.asyncProperty(fc.array(valueText, VALUES), async (texts) => {
          const lines = [...texts.map((text) => `{"v":${text}}`), '{}']
          const values = await engineValues(dataset, lines)
          const seen = new Map<string, string>()
          for (const [index, line] of lines.entries()) {
            const [verdict, value] = [door(dataset, line), values[index]]
            if (!verdict.ok || value === null || value === undefined) continue
            expect([line, value, seen.get(value) ?? verdict.key]).toEqual([line, value, verdict.key])
            seen.set(value, verdict.key)
          }
        }),
        RUNS,
      )
    },
  )
})

test('a DECIMAL has every digit of a JSON number with up to 15 of them, however large it is', async () => {
  const column: ColumnDefinition = { type: 'DECIMAL(24,6)', path: '$.v', required: true }
  const dataset = await compileDataset(definitionOf(column), connection)
  const texts = ['999999999.5', '1000000000.5', '-1234567890.12345', '12345678901234.5']
  const lines = texts.map((text) => `{"v":${text}}`)
  expect(lines.map((line) => door(dataset, line).ok)).toEqual(texts.map(() => true))
  expect((await engineValues(dataset, lines)).map(Number)).toEqual(texts.map(Number))
  const tooLong = '{"v":123456789012345.67}'
  expect(door(dataset, tooLong).ok).toBe(false)
  expect(await engineValues(dataset, [tooLong])).toEqual([undefined])
})

test('whole events: cut, spaced, repeated, escaped and foreign texts are used by both or by neither', async () => {
  const column: ColumnDefinition = { type: 'BIGINT', path: '$.m.v', required: true }
  const dataset = await compileDataset(definitionOf(column), connection)
  await fc.assert(
    fc.asyncProperty(fc.array(eventText, { minLength: 1, maxLength: 60 }), async (lines) => {
      const values = await engineValues(dataset, lines)
      for (const [index, line] of lines.entries()) {
        const [verdict, value] = [door(dataset, line), values[index]]
        if (verdict.ok) expect([line, value]).toEqual([line, expect.any(String)])
        else if (value !== undefined)
          expect([line, verdict.reason]).toEqual([
            line,
            expect.stringMatching(/twice in one object|half of a surrogate|determines the partition|JSON|token/),
          ])
      }
    }),
    { numRuns: 20 },
  )
})
