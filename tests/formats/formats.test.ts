/** The same questions in every format, over a dataset with every type, read by Arrow JS and the engine. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { type GeneratedPlatform, openGenerated } from '../generated-definitions/generated-platform.ts'
import { KINDS, kindEvents } from './kinds-dataset.ts'
import { AnswerReader } from './read-answers.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let platform: GeneratedPlatform
let reader: AnswerReader
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-formats-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  reader = new AnswerReader(connection, folder)
  platform = await openGenerated({ folder, engine, definition: KINDS, segmentRecordsMax: 7, resident: true })
  const { appended } = await platform.intake.offer(kindEvents(), {})
  const position = appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
  const { statusCode, body } = await platform.app.inject(`${VIEW}?atLeast=${position}`)
  expect(statusCode, body).toBe(200)
})
afterAll(async () => {
  await platform.close()
  connection.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

const VIEW = '/v1/datasets/kinds/views/by_kind'

async function ask(format: string, question: string): Promise<{ bytes: Buffer; headers: Record<string, unknown> }> {
  const reply = await platform.app.inject(`${VIEW}.${format}?${question}`)
  expect(reply.statusCode, reply.body).toBe(200)
  return { bytes: reply.rawPayload, headers: reply.headers }
}

const QUESTIONS = [
  '',
  'grain=hour',
  'grain=day&timezone=Asia%2FKathmandu',
  'dimensions=',
  'filter=n:eq:no-such',
  'dimensions=text,day&order=-text&limit=3',
]

describe.each(QUESTIONS)('?%s', (question) => {
  test('has the same rows in every format', async () => {
    const arrow = reader.arrow((await ask('arrow', question)).bytes)
    const { names, types, rows } = arrow
    if (!question.includes('no-such')) expect(rows.length).toBeGreaterThan(0)
    const json = (await ask('json', question)).bytes.toString()
    expect(reader.json(json, names, types)).toEqual({ names, rows })
    expect(reader.ndjson((await ask('ndjson', question)).bytes.toString(), names, types)).toEqual({ names, rows })
    expect(await reader.csv((await ask('csv', question)).bytes, types)).toEqual({ names, rows })
    const parquet = await reader.parquet((await ask('parquet', question)).bytes, types)
    expect({ names: parquet.names, rows: parquet.rows }).toEqual({ names, rows })
    const { position, rows: counted } = (JSON.parse(json) as { meta: Record<string, unknown> }).meta
    expect(arrow.meta).toMatchObject({ position, rows: counted })
    expect(parquet.meta).toMatchObject({ position, rows: counted })
  })
})
