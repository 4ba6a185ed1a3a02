/**
 * The fold of an open segment on DuckDB: typed rows in temporary tables, decoded once. Partials are always computed from rows
 * with the view's SQL, never from an earlier partial: a flush recomputes the keys that new rows touched, and landing
 * computes all of them. So a flushed value and a landed value of the same rows cannot differ.
 */
import { join } from 'node:path'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { sumByColumn } from '#core/conversion-failures.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import { keyJsonSql, stateJsonSql } from '#core/state-json.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import { type DeadLetter, type Decoded, decodeBatch } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { storedColumns } from '#storage/lake/stored-columns.ts'
import { bytesHeld, type RecordBatch } from '#storage/log/event-log.ts'
import type { Marker, PartialRow } from '#storage/speed-store/speed-store.ts'
import { landSegment } from './land-segment.ts'
import { OpenRows } from './open-rows.ts'
import { RawLines } from './raw-lines.ts'
import type { SegmentFold } from './segment-fold.ts'
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from './stream-limits.ts'

export interface RowsFoldParts {
  readonly dataset: CompiledDataset
  readonly partition: number
  readonly logIdentity: string
  readonly connection: EngineConnection
  readonly lake: Lake
  readonly scratchFolder: string
  readonly limits?: Pick<StreamLimits, 'ownTableRecordsMin'>
  readonly step?: StepHook
}

interface Totals {
  rows: number
  lateRows: number
  lateMaxMs: number
  timeMinMs: number | null
  timeMaxMs: number | null
}

/** made by this process: an owner that starts again may meet the file of the one before */
let folds = 0

export class RowsFold implements SegmentFold {
  readonly #parts: RowsFoldParts
  readonly #rows: OpenRows
  #start: Offset = 0
  #end: Offset = 0
  #settled: Offset = 0
  #records = 0
  #bytes = 0
  #deadLetters: DeadLetter[] = []
  #unconverted: Decoded['unconverted'] = {}
  readonly #raw: RawLines | null

  constructor(parts: RowsFoldParts) {
    this.#parts = parts
    const { ownTableRecordsMin } = parts.limits ?? DEFAULT_STREAM_LIMITS
    const name = `open_${parts.dataset.name}_${parts.partition}`
    this.#rows = new OpenRows(parts.connection, parts.dataset, name, ownTableRecordsMin)
    const raw = join(parts.scratchFolder, `raw-${parts.dataset.name}-${parts.partition}-${++folds}.zst`)
    this.#raw = parts.dataset.keepsRaw ? new RawLines(raw) : null
  }

  get start(): Offset {
    return this.#start
  }
  get end(): Offset {
    return this.#end
  }
  get records(): number {
    return this.#records
  }
  get bytes(): number {
    return this.#bytes
  }

  async begin(start: Offset): Promise<void> {
    await this.#rows.clear()
    await this.#raw?.clear()
    this.#start = start
    this.#end = start
    this.#settled = start
    this.#records = 0
    this.#bytes = 0
    this.#deadLetters = []
    this.#unconverted = {}
  }

  /** Gives up what the fold holds outside its connection. */
  async close(): Promise<void> {
    // The folder is removed with the process: what could not be removed must not hide why the fold ended.
    await this.#raw?.clear().catch(() => {})
  }

  async append(batch: RecordBatch): Promise<void> {
    if (batch.start !== this.#end) {
      throw new RangeError(
        `dataset '${this.#parts.dataset.name}', partition ${this.#parts.partition}: a batch starts at offset ${batch.start}, but the open segment ends at ${this.#end}`,
      )
    }
    const { connection, dataset, scratchFolder } = this.#parts
    const table = await this.#rows.tableFor(batch.count)
    const { dead, unconverted } = await decodeBatch(connection, dataset, batch, { table, scratchFolder })
    this.#unconverted = sumByColumn([this.#unconverted, unconverted])
    this.#bytes += bytesHeld(batch)
    if (this.#raw === null) batch.release?.()
    else await this.#raw.add(batch.lines, batch.count, indexesOf(batch, dead), batch.release)
    for (const letter of dead) this.#deadLetters.push(letter)
    this.#records += batch.count
    this.#end = batch.end
  }

  async dirty(atMs: number): Promise<{ partials: PartialRow[]; marker: Marker }> {
    const dirty: PartialRow[][] = []
    if (this.#end > this.#settled && this.#records > this.#deadLetters.length) {
      for (const view of this.#parts.dataset.views.values()) dirty.push(await this.#dirtyOf(view))
    }
    const totals = await this.#totals()
    const marker: Marker = {
      partition: this.#parts.partition,
      segmentStart: this.#start,
      through: this.#end,
      atMs,
      rows: totals.rows,
      deadLetters: this.#deadLetters.length,
      lateRows: totals.lateRows,
      timeMaxMs: totals.timeMaxMs,
      views: [...this.#parts.dataset.views.values()].map((view) => view.hash),
    }
    // Hundreds of thousands where an owner catches up: too many to be arguments of a call.
    return { partials: dirty.flat(), marker }
  }

  settle(through: Offset): void {
    this.#settled = through
  }

  async land(atMs: number): Promise<SegmentManifest> {
    const { dataset, partition, logIdentity, connection, lake, step } = this.#parts
    const totals = await this.#totals()
    const files = await landSegment(
      {
        dataset,
        partition,
        start: this.#start,
        createdAtMs: atMs,
        table: this.#rows.relation,
        rows: totals.rows,
        raw: this.#raw,
        deadLetters: this.#deadLetters,
      },
      { connection, lake, scratchFolder: this.#parts.scratchFolder, step: step ?? noSteps },
    )
    return {
      format: 1,
      dataset: dataset.name,
      log: logIdentity,
      kind: 'events',
      partition,
      start: this.#start,
      end: this.#end,
      ...files,
      rows: totals.rows,
      deadLetters: this.#deadLetters.length,
      ...(Object.keys(this.#unconverted).length > 0 && { unconverted: this.#unconverted }),
      timeRange: totals.timeMinMs === null ? null : { minMs: totals.timeMinMs, maxMs: totals.timeMaxMs! },
      late: { rows: totals.lateRows, maxMs: totals.lateMaxMs },
      schemaHash: dataset.schemaHash,
      columns: storedColumns(dataset),
      createdAtMs: atMs,
    }
  }

  async #dirtyOf(view: CompiledView): Promise<PartialRow[]> {
    const rows = quoteName(this.#rows.relation)
    const first = this.#settled === this.#start
    const touched = `(${view.keysSql(`(SELECT * FROM ${rows} WHERE _offset >= ${this.#settled})`)})`
    const states = first ? view.partialSql(rows) : view.partialOfKeysSql(rows, touched)
    const pane = view.time.kind === 'panes' ? 'pane' : 'NULL::BIGINT'
    const [keys, panes, texts] = await this.#parts.connection.columns(
      `SELECT ${keyJsonSql(view)}::VARCHAR, ${pane}, ${stateJsonSql(view)}::VARCHAR FROM (${states})`,
    )
    return (keys as string[]).map((key, index) => ({
      view: view.hash,
      partition: this.#parts.partition,
      segmentStart: this.#start,
      key,
      pane: panes![index] === null ? null : Number(panes![index]),
      version: this.#end,
      row: texts![index] as string,
    }))
  }

  async #totals(): Promise<Totals> {
    const late = `_arrival - _time > ${this.#parts.dataset.lateAfterMs}`
    const [totals] = await this.#parts.connection.rows<Totals>(
      `SELECT count(*) AS "rows", count(*) FILTER (${late}) AS "lateRows",
        coalesce(max(_arrival - _time) FILTER (${late}), 0) AS "lateMaxMs", min(_time) AS "timeMinMs", max(_time) AS "timeMaxMs"
       FROM ${quoteName(this.#rows.relation)}`,
    )
    return totals!
  }
}

/** Which lines of the batch are dead letters. */
function indexesOf({ start, offsets }: RecordBatch, dead: readonly DeadLetter[]): number[] {
  if (offsets === null) return dead.map(({ offset }) => offset - start)
  const wanted = new Set(dead.map(({ offset }) => offset))
  return Array.from(offsets.keys()).filter((index) => wanted.has(offsets[index]!))
}
