/** The talks: events that tests cut anywhere between generation, closed segments and open ones; parts and folder are new for each test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, countDistinct, defineDataset, latest, sliding, sum } from '#core/definition.ts'
import { quoteText } from '#core/sql-names.ts'
import { keyJsonSql, stateJsonSql } from '#core/state-json.ts'
import { parseQuery, type QueryTexts } from '#serving/http/queries/parse-query.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { ViewStates } from '#storage/lake/generation-manifest.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { answerQuery } from './merged-view.ts'
import type { ServedDataset } from './snapshot.ts'

export const definition = defineDataset({
  name: 'talks',
  time: 'said_at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    said_at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    topic: { type: 'VARCHAR', path: '$.topic' },
    big: { type: 'BIGINT', path: '$.big' },
    price: { type: 'DECIMAL(18,2)', path: '$.price' },
  },
  views: {
    by_topic: {
      dimensions: { topic: 'topic' },
      time: ['minute', 'hour', 'day'],
      measures: {
        n: count(),
        ids: countDistinct('id'),
        total: sum('big'),
        last: latest('said_at'),
        price: latest('price'),
      },
    },
    trending: {
      dimensions: { topic: 'topic' },
      window: sliding({ size: '5m', every: '10s' }),
      measures: { n: count() },
      rank: { by: 'n', limit: 2, having: 'n > 1' },
    },
  },
})

export interface Event {
  readonly id: number
  readonly at: number
  readonly topic: string | null
  readonly big: bigint
  /** the text of a DECIMAL(18,2) */
  readonly price: string
}

export const START = Date.UTC(2026, 0, 31, 22, 58)
export const EVENTS: Event[] = Array.from({ length: 120 }, (_, i) => ({
  id: i % 37,
  at: START + ((i * 7_919) % 900_000),
  topic: i % 11 === 0 ? null : ['a', 'b', "c'; DROP TABLE x", 'é😀'][i % 4]!,
  big: 2n ** 61n + BigInt(i),
  price: `9999999999999${i + 100}.99`,
}))

let folder: string
let engine: DuckDbEngine
export let connection: EngineConnection
let dataset: CompiledDataset
export let lake: LocalLake
export let store: SqliteSpeedStore
export let served: ServedDataset

/** Makes the parts before each test of the file that calls it, and ends them afterwards. */
export function useTalks(): void {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-serve-'))
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    connection = await engine.connect()
    dataset = await compileDataset(definition, connection)
    lake = await LocalLake.open({ folder, dataset: 'talks' })
    store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'talks' })
    served = { dataset, lake, store, engine, partitions: 1 }
  })
  afterEach(async () => {
    await store.close()
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  })
}

function rowsSql(events: readonly Event[], from: number): string {
  const rows = events.map(
    (e, i) =>
      `(0, ${from + i}, ${e.at}, ${e.at}, ${e.id}, epoch_ms(${e.at}), ${e.topic === null ? 'NULL' : quoteText(e.topic)}, ${e.big}, ${e.price})`,
  )
  const names = dataset.rowColumns.map(({ name }) => `"${name}"`).join(', ')
  const types = dataset.rowColumns.map(({ name, type }) => `"${name}"::${type} AS "${name}"`).join(', ')
  return `(SELECT ${types} FROM (VALUES ${rows.join(', ')}) AS t(${names}))`
}

const totals = (events: readonly Event[]) => ({ rows: events.length, deadLetters: 0, late: { rows: 0, maxMs: 0 } })

export async function close(events: readonly Event[], start: number): Promise<void> {
  if (events.length === 0) return
  const partials: Record<
    string,
    { hash: string; file: Awaited<ReturnType<Awaited<ReturnType<LocalLake['stageSegmentFile']>>['finish']>> }
  > = {}
  for (const view of dataset.views.values()) {
    const staged = await lake.stageSegmentFile(0, start, view.name)
    const rows = await connection.run(
      `COPY (${view.partialSql(rowsSql(events, start))}) TO ${quoteText(staged.writePath)} (FORMAT parquet)`,
    )
    partials[view.name] = { hash: view.hash, file: await staged.finish(rows) }
  }
  const raw = await lake.stageSegmentFile(0, start, 'events')
  await connection.run(`COPY (SELECT * FROM ${rowsSql(events, start)}) TO ${quoteText(raw.writePath)} (FORMAT parquet)`)
  await lake.commitSegment({
    format: 1,
    dataset: 'talks',
    log: 'l',
    kind: 'events',
    partition: 0,
    start,
    end: start + events.length,
    events: await raw.finish(events.length),
    deadLetterFile: null,
    partials,
    ...totals(events),
    timeRange: { minMs: 0, maxMs: 1 },
    schemaHash: dataset.schemaHash,
    columns: dataset.rowColumns,
    createdAtMs: 1,
  })
}

export async function publish(events: readonly Event[]): Promise<void> {
  const staged = await lake.beginGeneration()
  const views: Record<string, ViewStates> = {}
  for (const view of dataset.views.values()) {
    const file = await staged.stageFile('states', view.name)
    const rows = await connection.run(
      `COPY (${view.partialSql(rowsSql(events, 0))}) TO ${quoteText(file.writePath)} (FORMAT parquet)`,
    )
    views[view.name] = { hash: view.hash, files: [await file.finish(rows)] }
  }
  await staged.commit({
    format: 4,
    dataset: 'talks',
    id: staged.id,
    log: 'l',
    mode: 'full',
    boundary: [events.length],
    segments: [],
    base: null,
    views,
    dictionaries: {},
    rows: events.length,
    deadLetters: 0,
    lateRows: 0,
    gaps: [],
    startedAtMs: 1,
    finishedAtMs: 2,
  })
  await lake.setCurrent(staged.id)
}

export async function open(events: readonly Event[], start: number): Promise<void> {
  const partials = []
  for (const view of dataset.views.values()) {
    const pane = view.time.kind === 'panes' ? 'pane' : 'NULL::BIGINT'
    const [keys, texts, panes] = await connection.columns(
      `SELECT ${keyJsonSql(view)}::VARCHAR, ${stateJsonSql(view)}::VARCHAR, ${pane} FROM (${view.partialSql(rowsSql(events, start))})`,
    )
    partials.push(
      ...(keys as string[]).map((key, i) => ({
        view: view.hash,
        partition: 0,
        segmentStart: start,
        key,
        pane: panes![i] === null ? null : Number(panes![i]),
        version: start + events.length,
        row: texts![i] as string,
      })),
    )
  }
  await store.flush(partials, {
    partition: 0,
    segmentStart: start,
    through: start + events.length,
    atMs: 1,
    rows: events.length,
    deadLetters: 0,
    lateRows: 0,
    timeMaxMs: null,
    views: [...dataset.views.values()].map((view) => view.hash),
  })
}

export const ask = async (view: string, texts: QueryTexts, nowMs = START + 600_000) => {
  const answer = await answerQuery(served, parseQuery('talks', view, texts), { nowMs })
  return { rows: JSON.parse(answer.rowsJson), json: answer.rowsJson, meta: answer.meta }
}

/** Questions are asked of these parts from now on, until the test ends. */
export function serve(parts: Partial<ServedDataset>): void {
  served = { ...served, ...parts }
}
