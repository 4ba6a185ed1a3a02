/**
 * Views of generated definitions over generated events: every format, as an answer, as an export, and asked by POST, has the same rows.
 * GENERATED_SEED=<seed> repeats a run, FORMAT_VIEWS=20 asks more views.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DataType } from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '#datasets/random.ts'
import { FORMATS } from '#serving/formats/all-formats.ts'
import type { FormatName } from '#serving/formats/answer-format.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { type GeneratedPlatform, openGenerated } from '../generated-definitions/generated-platform.ts'
import {
  askedGrain,
  datasetOf,
  EVERY_MS,
  FACTORS,
  type GeneratedChoice,
} from '../generated-definitions/generated-view.ts'
import { pairwise } from '../generated-definitions/pairwise.ts'
import { type Arrival, BASE_MS, readings } from '../generated-definitions/reading.ts'
import { AnswerReader, type PlainRows } from './read-answers.ts'

const VIEWS = Number(process.env.FORMAT_VIEWS ?? 4)
const seed = Number(process.env.GENERATED_SEED ?? Date.now() % 2 ** 31)
const random = new Random(seed)
const all = pairwise(FACTORS, (limit) => random.below(limit))
const choices = Array.from({ length: VIEWS }, () => all[random.below(all.length)]!)

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
let reader: AnswerReader
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-generated-formats-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  reader = new AnswerReader(connection, folder)
})
afterAll(() => {
  connection.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

const VIEW = '/v1/datasets/generated/views/v'

/** Fills a platform, half of the events before a generation where there is one. @returns the position that counts them all */
async function fill({ intake, publish }: GeneratedPlatform, choice: GeneratedChoice): Promise<string> {
  const [events] = fc.sample(readings(choice.arrival as Arrival), { seed, numRuns: 1 })
  const texts = events!.map(({ text }) => text)
  const ends = new Map<number, number>()
  for (const part of [texts.slice(0, texts.length / 2), texts.slice(texts.length / 2)]) {
    if (part.length === 0) continue
    const { appended } = await intake.offer(part, { acceptUnusable: true })
    for (const { partition, end } of appended) ends.set(partition, end)
    if (ends.size > 0 && choice.publish !== 'never' && part[0] === texts[0]) await publish('full')
  }
  return [...ends].map(([partition, end]) => `${partition}:${end}`).join(',')
}

function questionOf(choice: GeneratedChoice): { readonly grain?: string; readonly at?: string } {
  const grain = askedGrain(choice)
  const at = choice.time === 'window' ? { at: String(BASE_MS + 40 * EVERY_MS) } : {}
  return { ...at, ...(grain === null ? {} : { grain }) }
}

/** The rows of an answer, with the names of its columns. @param types of the columns, which text formats do not have */
async function rowsOf(
  format: FormatName,
  bytes: Buffer,
  { names, types }: { readonly names: readonly string[]; readonly types: readonly DataType[] },
): Promise<PlainRows> {
  if (format === 'json') return reader.json(bytes.toString(), names, types)
  if (format === 'ndjson') return reader.ndjson(bytes.toString(), names, types)
  const read = {
    csv: () => reader.csv(bytes, types),
    parquet: () => reader.parquet(bytes, types),
    xlsx: () => reader.xlsx(bytes, types),
  }
  const { names: own, rows } = format === 'arrow' ? reader.arrow(bytes) : await read[format]()
  return { names: own, rows }
}

describe(`views of seed ${seed}`, () => {
  test.each(choices)(
    '$measure, $time by $grain, $unnest, $dimensions, $rank, $answers: the same in all',
    async (choice) => {
      const segmentRecordsMax = Number(choice.segments)
      const resident = choice.answers === 'resident'
      const platform = await openGenerated({
        folder,
        engine,
        definition: datasetOf(choice),
        segmentRecordsMax,
        resident,
      })
      try {
        const atLeast = await fill(platform, choice)
        const asked = new URLSearchParams({ ...questionOf(choice), limit: '10000', atLeast })
        const first = await platform.app.inject(`${VIEW}.arrow?${asked}`)
        expect(first.statusCode, first.body).toBe(200)
        const { names, types, rows } = reader.arrow(first.rawPayload)
        for (const { name, contentType } of FORMATS) {
          for (const limit of ['10000', 'all']) {
            asked.set('limit', limit)
            const got = await platform.app.inject(`${VIEW}.${name}?${asked}`)
            expect(got.statusCode, got.body).toBe(200)
            expect(await rowsOf(name, got.rawPayload, { names, types }), `${name}, limit=${limit}`).toEqual({
              names,
              rows,
            })
          }
          const { grain, at } = questionOf(choice)
          const payload = {
            view: 'v',
            limit: 'all',
            time: { ...(at ? { at: Number(at) } : {}), ...(grain ? { grain } : {}) },
          }
          const headers = { accept: contentType.split(';')[0]!, 'content-type': 'application/json' }
          const posted = await platform.app.inject({
            method: 'POST',
            url: '/v1/datasets/generated/query',
            headers,
            payload,
          })
          expect(posted.statusCode, posted.body).toBe(200)
          expect(await rowsOf(name, posted.rawPayload, { names, types }), `${name}, by POST`).toEqual({ names, rows })
        }
      } finally {
        await platform.close()
      }
    },
  )
})
