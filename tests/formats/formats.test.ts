/** The same questions in every format, over a dataset with every type, read by Arrow JS and the engine. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
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

/** Of all layers: a segment may close between two questions. */
function inAll(rows: unknown): number {
  const { batch, closed, open } = rows as { batch: number; closed: number; open: number }
  return batch + closed + open
}

const QUESTIONS = [
  'dimensions=n,text,flag',
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
    const xlsx = reader.xlsx((await ask('xlsx', question)).bytes, types)
    expect({ names: xlsx.names, rows: xlsx.rows }).toEqual({ names, rows })
    const { position, rows: counted } = (JSON.parse(json) as { meta: Record<string, unknown> }).meta
    for (const meta of [arrow.meta, parquet.meta]) {
      expect(meta).toMatchObject({ position })
      expect(inAll((meta as Record<string, unknown>).rows)).toBe(inAll(counted))
    }
    expect(xlsx.meta).toMatchObject({ position: JSON.stringify(position), view: 'by_kind' })
    expect(inAll(JSON.parse(String(xlsx.meta.rows)))).toBe(inAll(counted))
  })

  test('has the same rows as an export in every format, with the provenance in headers', async () => {
    const whole = question.includes('limit') ? question.replace('limit=3', 'limit=all') : `${question}&limit=all`
    const limited = await ask(
      'arrow',
      question.includes('limit') ? `${question.replace('limit=3', 'limit=10000')}` : question,
    )
    const { names, types, rows } = reader.arrow(limited.bytes)
    const exported = await ask('arrow', whole)
    const arrow = reader.arrow(exported.bytes)
    expect({ names: arrow.names, rows: arrow.rows, types: arrow.types.map(String) }).toEqual({
      ...{ names, rows },
      types: types.map(String),
    })
    const { bytes, headers } = await ask('json', whole)
    expect(reader.json(bytes.toString(), names, types)).toEqual({ names, rows })
    const { meta } = JSON.parse(bytes.toString()) as { meta: { position: number[]; truncated: boolean } }
    expect(meta).toMatchObject({ truncated: false, position: (arrow.meta as typeof meta).position })
    const positions = meta.position.map((offset, partition) => `${partition}:${offset}`).join(',')
    expect(headers).toMatchObject({ 'watershed-position': positions, 'watershed-truncated': 'false', vary: 'Accept' })
    expect(headers['content-length']).toBe(String(bytes.length))
    expect(reader.ndjson((await ask('ndjson', whole)).bytes.toString(), names, types)).toEqual({ names, rows })
    expect(await reader.csv((await ask('csv', whole)).bytes, types)).toEqual({ names, rows })
    const parquet = await reader.parquet((await ask('parquet', whole)).bytes, types)
    expect({ names: parquet.names, rows: parquet.rows }).toEqual({ names, rows })
    expect(parquet.meta).toMatchObject({ position: meta.position })
    const xlsx = reader.xlsx((await ask('xlsx', whole)).bytes, types)
    expect({ names: xlsx.names, rows: xlsx.rows }).toEqual({ names, rows })
    expect(xlsx.meta).toMatchObject({ position: JSON.stringify(meta.position), truncated: '0' })
  })
})

test('a text that is too long for a sheet is refused with the name of its column, and is in the other formats', async () => {
  const long = 'x'.repeat(32_768)
  const event = `{"id":1,"at":1489917600000000,"note":"${long}"}`
  const { appended } = await platform.intake.offer([event], {})
  const position = appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
  for (const limit of ['10000', 'all']) {
    const question = `filter=n:eq:1&dimensions=n&measures=note&limit=${limit}&atLeast=${position}`
    expect((await ask('csv', question)).bytes.toString()).toContain(long)
    const refused = await platform.app.inject(`${VIEW}.xlsx?${question}`)
    expect(refused.json()).toMatchObject({
      ...{ status: 413, type: 'urn:watershed:problem:answer-too-large', field: 'note' },
      detail: expect.stringContaining('xlsxTextMax = 32767'),
    })
  }
})

test('leaves no temporary file behind', () => {
  expect(readdirSync(platform.folder).filter((name) => /^(answer|export)-/.test(name))).toEqual([])
})
