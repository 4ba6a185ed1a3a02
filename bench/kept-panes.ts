/**
 * A year of minute panes whose old ones are merged (`keep.panes`: minutes for a week, hours for 90 days, then days) beside the same year with
 * all of them: bytes of the states, an incremental run with the next day, and answers over the year and over the last week. The same files of
 * segments, both in turns; medians.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BatchMode } from '#batch-layer/plan-run.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import { writeParquet } from '#batch-layer/write-parquet.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, type DatasetDefinition, defineDataset, sum } from '#core/definition.ts'
import { quoteName } from '#core/sql-names.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'
import { median } from './rsvp-platform.ts'

const DAY_MS = 86_400_000
const BEGAN_MS = Date.UTC(2025, 0, 1)
const DAYS = Number(process.env.KEPT_PANES_DAYS ?? 365)
const EVENTS_PER_MINUTE = 10
/** of which few are frequent */
const KEYS = 50
const RUNS = 7
const ASKED = 9
const LOG = 'kept-panes-log'

const definition = (keep: DatasetDefinition['keep']): DatasetDefinition =>
  defineDataset({
    name: 'panes',
    time: 'at',
    key: 'id',
    keep,
    columns: {
      id: { type: 'BIGINT', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      country: { type: 'VARCHAR', path: '$.country' },
      amount: { type: 'INTEGER', path: '$.amount' },
    },
    views: {
      by_minute: {
        dimensions: { country: 'country' },
        time: ['minute', 'hour', 'day', 'month'],
        measures: { events: count(), amount: sum('amount') },
      },
    },
  })

/** One of both lakes. */
interface Side {
  readonly dataset: CompiledDataset
  readonly lake: LocalLake
}

/** @returns bytes, ms, and what is merged against what is kept whole */
export async function keptPanes(): Promise<Record<string, number>> {
  const ground = mkdtempSync(join(tmpdir(), 'watershed-kept-panes-'))
  const engine = await DuckDbEngine.open({
    folders: [ground],
    threads: 2,
    memoryLimit: '3GB',
    spillFolder: join(ground, 'spill'),
  })
  const connection = await engine.connect()
  try {
    const side = async (folder: string, keep: DatasetDefinition['keep']): Promise<Side> => {
      const dataset = await compileDataset(definition(keep), connection)
      return { dataset, lake: await LocalLake.open({ folder: join(ground, folder), dataset: 'panes' }) }
    }
    const whole = await side('whole', undefined)
    for (let day = 0; day < DAYS; day++) await landDay(connection, whole, day)
    cpSync(join(ground, 'whole'), join(ground, 'merged'), { recursive: true })
    const merged = await side('merged', { panes: { minute: '7d', hour: '90d' } })
    return await measured(engine, connection, { whole, merged })
  } finally {
    connection.close()
    engine.close()
    rmSync(ground, { recursive: true })
  }
}

async function measured(
  engine: DuckDbEngine,
  connection: EngineConnection,
  sides: Readonly<Record<'whole' | 'merged', Side>>,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = { days: DAYS, events: DAYS * 1_440 * EVENTS_PER_MINUTE }
  const both = async (
    name: string,
    times: number,
    work: (side: Side, time: number) => Promise<unknown>,
  ): Promise<void> => {
    const taken: Record<string, number[]> = { whole: [], merged: [] }
    for (let time = 0; time < times; time++)
      for (const [kind, side] of Object.entries(sides)) taken[kind]!.push(await msOf(() => work(side, time)))
    const [whole, merged] = [median(taken.whole!), median(taken.merged!)]
    Object.assign(figures, {
      [`whole:${name}Ms`]: whole,
      [`merged:${name}Ms`]: merged,
      [`${name}MergedAgainstWhole`]: merged / whole,
    })
  }
  const run =
    (mode: BatchMode) =>
    (side: Side): Promise<GenerationManifest> =>
      runOn(engine, side, mode)
  await both('full', 3, run('full'))
  // The next days, each landed before it is counted.
  const next = async (side: Side, time: number): Promise<void> => {
    await landDay(connection, side, DAYS + time)
  }
  const runs: Record<string, number[]> = { whole: [], merged: [] }
  for (let time = 0; time < RUNS; time++)
    for (const [kind, side] of Object.entries(sides)) {
      await next(side, time)
      runs[kind]!.push(await msOf(() => run('incremental')(side)))
    }
  for (const [kind, all] of Object.entries(runs)) {
    figures[`${kind}:incrementalMs`] = median(all)
    figures[`${kind}:incrementalMsMax`] = Math.max(...all)
  }
  figures.incrementalMergedAgainstWhole = median(runs.merged!) / median(runs.whole!)
  for (const [kind, { lake }] of Object.entries(sides)) {
    const { files } = (await lake.current())!.views.by_minute!
    figures[`${kind}:bytes`] = files.reduce((sum, { bytes }) => sum + bytes, 0)
    figures[`${kind}:rows`] = files.reduce((sum, { rows }) => sum + rows, 0)
  }
  figures.bytesMergedAgainstWhole = figures['merged:bytes']! / figures['whole:bytes']!
  const endMs = BEGAN_MS + (DAYS + RUNS) * DAY_MS
  const questions = {
    yearByMonth: { grain: 'month' },
    yearByDay: { grain: 'day' },
    weekByHour: { grain: 'hour', fromMs: endMs - 6 * DAY_MS },
  } as const
  for (const [name, query] of Object.entries(questions)) await both(name, ASKED, (side) => ask(engine, side, query))
  await assertSame(engine, sides)
  return figures
}

/** A ratio of answers that differ would say nothing. */
async function assertSame(
  engine: DuckDbEngine,
  { whole, merged }: Readonly<Record<'whole' | 'merged', Side>>,
): Promise<void> {
  const [one, other] = [await ask(engine, whole, { grain: 'day' }), await ask(engine, merged, { grain: 'day' })]
  if (one !== other) throw new Error('the answers by day differ')
}

async function ask(
  engine: DuckDbEngine,
  { dataset, lake }: Side,
  query: { readonly grain: 'hour' | 'day' | 'month'; readonly fromMs?: number },
): Promise<string> {
  const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: 1 }
  const asked = { dataset: 'panes', view: 'by_minute', dimensions: [], limit: 10_000, ...query }
  const { rowsJson, meta } = await answerQuery(served, asked)
  if (meta.removed !== null) throw new Error(`not whole: ${meta.removed.why}`)
  return rowsJson
}

function runOn(engine: DuckDbEngine, { dataset, lake }: Side, mode: BatchMode): Promise<GenerationManifest> {
  const dictionary = {} as DictionaryStore
  return runBatch({
    ...{ dataset, engine, lake, mode, dictionary, partitions: 1, logIdentity: LOG, keepGenerations: 1 },
    emit: ({ level, message }) => {
      if (level === 'warn' || level === 'error') throw new Error(message)
    },
  }) as Promise<GenerationManifest>
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** A segment of one day, whose events arrived at its end. */
async function landDay(connection: EngineConnection, { dataset, lake }: Side, day: number): Promise<void> {
  const events = 1_440 * EVENTS_PER_MINUTE
  const [start, end] = [day * events, (day + 1) * events]
  const timeMs = `${BEGAN_MS} + o * ${DAY_MS / events}`
  const values: Readonly<Record<string, string>> = {
    ...{ _partition: '0', _offset: 'o', _time: timeMs, _arrival: timeMs, id: 'o', amount: 'o % 100' },
    at: `make_timestamp((${timeMs})::BIGINT * 1000)`,
    country: `'c' || floor(${KEYS} * pow((hash(o) % 10000) / 10000.0, 3))::INTEGER`,
  }
  const columns = dataset.rowColumns.map(({ name, type }) => `(${values[name]})::${type} AS ${quoteName(name)}`)
  const rows = `(SELECT ${columns.join(', ')} FROM range(${start}, ${end}) AS r(o))`
  const write = async (kind: string, select: string): Promise<LakeFile> => {
    const staged = await lake.stageSegmentFile(0, start, kind)
    return staged.finish(await writeParquet(connection, select, staged.writePath))
  }
  const view = dataset.views.get('by_minute')!
  const partials = { by_minute: { hash: view.hash, file: await write('partial-by_minute', view.partialSql(rows)) } }
  const dayMs = BEGAN_MS + day * DAY_MS
  await lake.commitSegment({
    ...{ format: 1, dataset: 'panes', log: LOG, kind: 'events', partition: 0, start, end },
    ...{ events: await write('events', `SELECT * FROM ${rows}`), partials, deadLetterFile: null },
    ...{ rows: events, deadLetters: 0, timeRange: { minMs: dayMs, maxMs: dayMs + DAY_MS - 1 } },
    ...{ late: { rows: 0, maxMs: 0 }, schemaHash: dataset.schemaHash, createdAtMs: dayMs + DAY_MS },
    columns: dataset.rowColumns.map(({ name, type }) => ({ name, type })),
  })
}
