/** For tests: a lake with generated segments of a small dataset, an engine that may read it, and the check against the recount. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import {
  count,
  countDistinct,
  type DatasetDefinition,
  defineDataset,
  latest,
  lookup,
  sum,
  type ViewDefinition,
} from '#core/definition.ts'
import { NO_HORIZON, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { StepHook, StepName } from '#core/steps.ts'
import { keyNames } from '#core/view-time.ts'
import type { DictionaryEntry, DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { EVENTS_CODEC, type LakeFile, type SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql, typedRowsSql } from '#storage/lake/typed-rows.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { type BatchRunOptions, runBatch } from './run-batch.ts'

export const LOG = 'log-1'
export const PARTITIONS = 2

export const definition = defineDataset({
  name: 'answers',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    guests: { type: 'INTEGER', path: '$.guests' },
    member: { type: 'BIGINT', path: '$.member' },
    topics: { type: 'VARCHAR[]', path: '$.topics' },
  },
  views: {
    by_country: {
      dimensions: { country: 'country' },
      time: ['minute', 'hour'],
      measures: { answers: count(), guests: sum('guests') },
      enrich: { country_name: lookup('countries', 'country', 'name') },
    },
    by_topic: { unnest: { topic: 'topics' }, dimensions: { topic: 'topic' }, measures: { mentions: count() } },
    members: {
      dimensions: { country: 'country' },
      measures: { members: countDistinct('member'), topics: latest('topics') },
      enrich: { categories: lookup('topics', 'topics', 'category') },
    },
  },
})

/** A view of so many states that few events make many files of SMALL_FILE_BYTES. */
export const BY_MINUTE = {
  dimensions: { id: 'id % 101' },
  time: ['minute', 'hour'],
  measures: { answers: count(), guests: sum('guests') },
} as const satisfies ViewDefinition
export const SMALL_FILE_BYTES = 4_000

/** A view without panes of one key for each `perKey` events; as many without a country as with one of the others. */
export const byKey = (perKey: number): ViewDefinition => ({
  dimensions: { key: `id // ${perKey}`, country: 'country' },
  measures: { answers: count(), guests: sum('guests') },
})

/** A dictionary store in memory; each `set` is a new version. */
export class FakeDictionary implements DictionaryStore {
  readonly #versions = new Map<string, { version: string; entries: DictionaryEntry[] }>()
  #count = 0
  async publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string> {
    const version = `v${++this.#count}`
    this.#versions.set(dictionary, { version, entries: [...entries] })
    return version
  }
  async version(dictionary: string): Promise<string | null> {
    return this.#versions.get(dictionary)?.version ?? null
  }
  async entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]> {
    const found = this.#versions.get(dictionary)
    if (found?.version !== version) throw new Error(`version ${version} is gone`)
    return found.entries
  }
  async close(): Promise<void> {}
}

/** Throws when the protocol reaches the step, as a crash would end it there. */
export function crashAt(wanted: StepName): StepHook {
  return (name) => {
    if (name === wanted) throw new Error(`crash at ${name}`)
  }
}

export class BatchFixture {
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly connection: EngineConnection
  readonly dictionary = new FakeDictionary()
  readonly events: PlatformEvent[] = []
  dataset: CompiledDataset
  lake: LocalLake
  readonly #landed: SegmentManifest[] = []
  /** compression of events files that are landed; null: as earlier versions wrote them */
  eventsCodec: typeof EVENTS_CODEC | null = EVENTS_CODEC
  /** from the event time of one offset to that of the next, ms; some are minutes late */
  stepMs = 997
  /** the time of runs; segments are created at it, too, and their events arrive */
  nowMs = 1_700_000_000_000

  private constructor(
    folder: string,
    engine: DuckDbEngine,
    connection: EngineConnection,
    dataset: CompiledDataset,
    lake: LocalLake,
  ) {
    this.folder = folder
    this.engine = engine
    this.connection = connection
    this.dataset = dataset
    this.lake = lake
  }

  static async open(of: DatasetDefinition = definition): Promise<BatchFixture> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'batch-')))
    const engine = await DuckDbEngine.open({ folders: [folder], spillFolder: join(folder, 'spill') })
    const connection = await engine.connect()
    const dataset = await compileDataset(of, connection)
    return new BatchFixture(
      folder,
      engine,
      connection,
      dataset,
      await LocalLake.open({ folder, dataset: dataset.name }),
    )
  }

  async close(): Promise<void> {
    this.connection.close()
    this.engine.close()
    await rm(this.folder, { recursive: true })
  }

  async redefine(of: DatasetDefinition): Promise<void> {
    this.dataset = await compileDataset(of, this.connection)
  }

  openLake(step?: StepHook): Promise<LocalLake> {
    return LocalLake.open({ folder: this.folder, dataset: this.dataset.name, step })
  }

  /** Lands a segment of generated events, as a partition's owner would: behind the chain's end. */
  async land(partition: number, rows: number, deadLetters = 0, log = LOG): Promise<SegmentManifest> {
    const start = (await this.lake.chains(PARTITIONS))[partition]!.end
    const end = start + rows + deadLetters
    const write = async (kind: string, select: string): Promise<LakeFile> => {
      const staged = await this.lake.stageSegmentFile(partition, start, kind)
      const codec = kind === 'events' && this.eventsCodec !== null ? this.eventsCodec : 'lz4_raw'
      const written = await this.connection.run(
        `COPY (${select}) TO ${quoteText(staged.writePath)} (FORMAT parquet, COMPRESSION ${codec})`,
      )
      return staged.finish(written)
    }
    const relation = `(${this.#generated(partition, start, start + rows)})`
    const events = rows > 0 ? await write('events', `SELECT * FROM ${relation}`) : null
    const partials: Record<string, { hash: string; file: LakeFile }> = {}
    for (const view of rows > 0 ? this.dataset.views.values() : []) {
      partials[view.name] = { hash: view.hash, file: await write(`partial-${view.name}`, view.partialSql(relation)) }
    }
    const letters = `SELECT ${partition}::INTEGER AS _partition, o AS _offset, 0::BIGINT AS _arrival, 'bad' AS reason, 'x'::BLOB AS bytes FROM range(${start + rows}, ${end}) AS r(o)`
    const manifest: SegmentManifest = {
      format: 1,
      dataset: this.dataset.name,
      log,
      kind: 'events',
      partition,
      start,
      end,
      events,
      ...(events !== null && this.eventsCodec !== null && { eventsCodec: this.eventsCodec }),
      deadLetterFile: deadLetters > 0 ? await write('dead-letters', letters) : null,
      partials,
      rows,
      deadLetters,
      timeRange: rows > 0 ? await this.#timeRange(relation) : null,
      late: { rows: Math.floor(rows / 10), maxMs: 5 },
      schemaHash: this.dataset.schemaHash,
      columns: this.dataset.rowColumns.map(({ name, type }) => ({ name, type })),
      createdAtMs: this.nowMs,
    }
    const commit = await this.lake.commitSegment(manifest)
    expect(commit.outcome).toBe('committed')
    this.#landed.push(manifest)
    return manifest
  }

  async #timeRange(rows: string): Promise<NonNullable<SegmentManifest['timeRange']>> {
    const [range] = await this.connection.rows<{ minMs: number; maxMs: number }>(
      `SELECT min(_time) AS "minMs", max(_time) AS "maxMs" FROM ${rows}`,
    )
    return range!
  }

  run(options: Partial<BatchRunOptions> & Pick<BatchRunOptions, 'mode'>): Promise<GenerationManifest | null> {
    return runBatch({
      dataset: this.dataset,
      lake: this.lake,
      dictionary: this.dictionary,
      engine: this.engine,
      partitions: PARTITIONS,
      logIdentity: LOG,
      emit: (event) => this.events.push(event),
      clock: () => this.nowMs,
      ...options,
    })
  }

  /** Every view of the generation, presented, is the independent recount of the raw events before its boundary, and so are its totals. */
  async expectRecount(generation: GenerationManifest | null, lake: Lake = this.lake): Promise<void> {
    const chains = await lake.chains(PARTITIONS, { compacted: true })
    const segments = chains.flatMap((chain) =>
      chain.segments.filter((segment) => segment.end <= generation!.boundary[chain.partition]!),
    )
    await this.#expectStates(
      generation!,
      typedRowsSql(this.dataset, segments, (file) => lake.resolve(file)),
      lake,
    )
    const total = segments.reduce((sum, segment) => sum + segment.rows, 0)
    expect(generation!.rows).toBe(total)
  }

  /** As expectRecount, of all events that were ever landed before its boundary, wherever they are now. */
  async expectAllCounted(generation: GenerationManifest | null, lake: Lake = this.lake): Promise<void> {
    const counted = this.#landed.filter(({ partition, end }) => end <= generation!.boundary[partition]!)
    const rows = counted.map(({ partition, start, rows }) => this.#generated(partition, start, start + rows))
    const all = [this.#generated(0, 0, 0), ...rows].join(' UNION ALL ')
    await this.#expectStates(generation!, `(${all})`, lake)
    const sum = (of: (segment: SegmentManifest) => number): number =>
      counted.reduce((total, segment) => total + of(segment), 0)
    const { rows: usable, deadLetters, lateRows } = generation!
    expect({ usable, deadLetters, lateRows }).toEqual({
      usable: sum(({ rows }) => rows),
      deadLetters: sum(({ deadLetters }) => deadLetters),
      lateRows: sum(({ late }) => late.rows),
    })
  }

  async #expectStates(generation: GenerationManifest, rows: string, lake: Lake): Promise<void> {
    for (const view of this.dataset.views.values()) {
      const keys = keyNames(view)
      const columns = [...keys, ...view.measures.map(({ name }) => name)].map(quoteName).join(', ')
      const { files, horizon } = generation.views[view.name]!
      const states = throughHorizonSql(
        horizon ?? NO_HORIZON,
        `(SELECT * FROM ${readParquetSql(files.map((file) => lake.resolve(file)))})`,
      )
      const answered = `SELECT ${columns} FROM (${view.presentSql(`(${view.mergeSql(states)})`, keys)})`
      const counted = `SELECT ${columns} FROM (${view.recountSql(rows, horizon)})`
      const wrong = await this.connection.rows(
        `(FROM (${answered}) EXCEPT ALL FROM (${counted})) UNION ALL (FROM (${counted}) EXCEPT ALL FROM (${answered})) LIMIT 5`,
      )
      expect(wrong, `view ${view.name} of ${generation.id}`).toEqual([])
    }
  }

  /** Typed rows with skewed countries, nulls, repeated members and lists; a function of partition and offset. */
  #generated(partition: number, start: number, end: number): string {
    const values: Record<string, string> = {
      _partition: `${partition}::INTEGER`,
      _offset: 'o',
      _time: `(1700000000000 + o * ${this.stepMs} - (o % 13) * 60000)::BIGINT`,
      _arrival: `(1700000000000 + o * 1000)::BIGINT`,
      id: `o * ${PARTITIONS} + ${partition}`,
      at: `make_timestamp((1700000000000 + o * ${this.stepMs} - (o % 13) * 60000) * 1000)`,
      country: `CASE WHEN o % 17 = 0 THEN NULL ELSE ['us', 'de', 'gb', 'xx'][1 + (o * o % 4)::INTEGER] END`,
      guests: '(o % 5)::INTEGER',
      member: `(o * 31 + ${partition}) % 700`,
      amount: `CASE WHEN o % 23 = 0 THEN NULL WHEN o % 19 = 0 THEN (o % 7) * 1e-13 WHEN o % 29 = 0 THEN 3e18 * (o % 5) ELSE (o % 977 - 300) / 7.0 END`,
      price: '((o * 7919) % 100000)::DECIMAL(12,2) / 100',
      part: '((o * 31) % 1999 - 999) / 1000',
      seen: "TIMESTAMP '1969-07-20 20:17:40.000001' + to_microseconds(o * 7919999999)",
      day: "DATE '1960-02-29' + (o % 40000)::INTEGER",
      note: `[NULL, '', ' ', 'a"b''c', E'two\\nlines\\t\\\\', 'null', 'x' || chr(0) || 'y', '😀 ﬁ é', 'é'][1 + (o % 9)::INTEGER]`,
      active: 'CASE WHEN o % 5 = 0 THEN NULL ELSE o % 3 = 0 END',
      topics: `CASE WHEN o % 7 = 0 THEN [] ELSE ['topic ' || (o % 11), 'thema ü ' || (o % 3)] END`,
    }
    const columns = this.dataset.rowColumns.map(
      ({ name, type }) => `(${values[name] ?? 'NULL'})::${type} AS ${quoteName(name)}`,
    )
    return `SELECT ${columns.join(', ')} FROM range(${start}, ${end}) AS r(o)`
  }
}
