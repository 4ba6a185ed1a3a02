/** The computing part of a batch run: SQL from Parquet to Parquet. The protocol around it (run-batch.ts) knows no SQL. */
import { stat } from 'node:fs/promises'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { keySlotSql } from '#core/key-slots.ts'
import { type PaneHorizon, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteText } from '#core/sql-names.ts'
import type { Statements } from '#storage/engine/idle-connections.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { cutRange, cutSlots, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql, rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { cutGrains } from './state-file-size.ts'
import {
  cutsSql,
  keysOf,
  mergeTouchedSql,
  type ResolveFile,
  rowsInSql,
  type SpreadRows,
  spreadWithinSql,
  statesWithin,
  withinSql,
} from './states-sql.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

/** the engine's, of which a row group is a multiple */
const VECTOR_ROWS = 2_048
/**
 * Of the files of a merge: one thread takes less than a second for them. What it writes has few row groups, and readers keep it in memory: putting
 * it in order would take a quarter of the time and save them nothing.
 */
const ONE_THREAD_BYTES_MAX = 4 * 1024 * 1024

/** A method with a `writePath` writes one file and returns its rows. */
export interface BatchCompute {
  /** what `recount` reads on this machine, to be checked before */
  filesOf(view: CompiledView, segments: readonly SegmentManifest[], states: readonly LakeFile[]): readonly LakeFile[]
  /** states of everything in the segments' raw events, merged with those in the files */
  recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number>
  /**
   * The states of the files in the range, and of spread rows in it, merged: quickest with the largest file first. Panes are those that the
   * horizon leaves.
   */
  merge(
    view: CompiledView,
    files: readonly StateFile[],
    writePath: string,
    range: StateRange,
    horizon: PaneHorizon,
    spread?: SpreadRows,
  ): Promise<number>
  /** the states of a written file, with the panes that the horizon leaves; null: they are those of the file, and nothing was written */
  settle(view: CompiledView, writtenPath: string, writePath: string, horizon: PaneHorizon): Promise<number | null>
  /** place in `ranges` of panes → how many rows of the files are in that range; places without any may be absent */
  rowsIn(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
  ): Promise<ReadonlyMap<number, number>>
  /**
   * Writes all rows of the files in the order of their slots, so that `merge` reads those of a range alone: the hash of a key is computed
   * once, however many ranges there are. @returns as `rowsIn`, by place in `ranges` of slots
   */
  spread(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
    writePath: string,
  ): Promise<ReadonlyMap<number, number>>
  /** The ranges into which a written file of this range is to be cut, so that each has about these bytes; only this one: it is not that large. */
  parts(view: CompiledView, writtenPath: string, bytes: number, range: StateRange): Promise<readonly StateRange[]>
  /**
   * Writes the rows of a written file in each range, in their order, to a file of its own.
   *
   * @param scratchPath where a file may be written on the way
   * @returns rows of each
   */
  cut(view: CompiledView, writtenPath: string, parts: readonly StatePart[], scratchPath: string): Promise<number[]>
}

/** A part of a file of states. */
export interface StatePart {
  readonly range: StateRange
  readonly writePath: string
}

export class DuckDbCompute implements BatchCompute {
  readonly #connection: Statements
  readonly #dataset: CompiledDataset
  readonly #resolve: ResolveFile
  readonly #oneThread: Statements

  /** @param oneThread merges what is small; default: `connection` */
  constructor(connection: Statements, dataset: CompiledDataset, resolve: ResolveFile, oneThread = connection) {
    this.#connection = connection
    this.#dataset = dataset
    this.#resolve = resolve
    this.#oneThread = oneThread
  }

  filesOf(_view: CompiledView, segments: readonly SegmentManifest[], states: readonly LakeFile[]): readonly LakeFile[] {
    return [...rowFiles(this.#dataset, segments), ...states]
  }

  recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number> {
    const counted = view.partialSql(typedRowsSql(this.#dataset, segments, this.#resolve))
    if (states.length === 0) return this.#write(view, counted, writePath)
    const kept = readParquetSql(states.map(this.#resolve))
    return this.#write(
      view,
      view.mergeSql(`(SELECT * FROM ${kept} UNION ALL BY NAME SELECT * FROM (${counted}))`),
      writePath,
    )
  }

  /** State rows of a SELECT, one per key, in their order. @returns rows written */
  writeStates(view: CompiledView, select: string, writePath: string): Promise<number> {
    return this.#write(view, select, writePath)
  }

  /** All states in the written files and in those of the lake, merged. @returns rows written */
  mergeAll(
    view: CompiledView,
    writtenPaths: readonly string[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number> {
    const all = `(SELECT * FROM read_parquet([${[...writtenPaths, ...states.map(this.#resolve)].map(quoteText).join(', ')}], union_by_name = true))`
    return this.#write(view, view.mergeSql(all), writePath)
  }

  merge(
    view: CompiledView,
    files: readonly StateFile[],
    writePath: string,
    range: StateRange,
    horizon: PaneHorizon,
    spread?: SpreadRows,
  ): Promise<number> {
    const [first, ...later] = files
    const rowsLater = later.reduce((sum, { rows }) => sum + rows, spread?.rows ?? 0)
    const left = (some: readonly StateFile[], more?: SpreadRows): string =>
      throughHorizonSql(horizon, statesWithin(view, some, range, this.#resolve, more))
    const states =
      first !== undefined && first.rows > rowsLater && rowsLater > 0
        ? mergeTouchedSql(view, left([first]), left(later, spread), horizon)
        : view.mergeSql(left(files, spread))
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const isSmall = spread === undefined && bytes <= ONE_THREAD_BYTES_MAX
    return isSmall
      ? writeParquet(this.#oneThread, `SELECT * FROM (${states})`, writePath, VIEW_ROW_GROUP_ROWS)
      : this.#write(view, states, writePath)
  }

  async settle(
    view: CompiledView,
    writtenPath: string,
    writePath: string,
    horizon: PaneHorizon,
  ): Promise<number | null> {
    const written = readParquetSql([writtenPath])
    const beforeMs = `${horizon.at(-1)!.beforeMs}::BIGINT`
    const [found] = await this.#connection.rows<{ old: boolean | null }>(
      `SELECT min(pane) < ${beforeMs} AS old FROM ${written}`,
    )
    if (found!.old !== true) return null
    const old = throughHorizonSql(horizon, `(SELECT * FROM ${written} WHERE pane < ${beforeMs})`)
    const select = `SELECT * FROM ${written} WHERE pane >= ${beforeMs} UNION ALL BY NAME (${view.mergeSql(old)})`
    return this.#write(view, select, writePath)
  }

  async rowsIn(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
  ): Promise<ReadonlyMap<number, number>> {
    const all = files.reduce((sum, { rows }) => sum + rows, 0)
    if (ranges.length === 1) return new Map([[0, all]])
    return this.#rowsIn(view, rowsInSql(readParquetSql(files.map(this.#resolve)), 'pane', ranges), all)
  }

  async spread(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
    writePath: string,
  ): Promise<ReadonlyMap<number, number>> {
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    const slots = `SELECT *, ${keySlotSql(view.dimensions)} AS _slot FROM ${readParquetSql(files.map(this.#resolve))}`
    await writeParquet(this.#connection, `${slots} ORDER BY _slot`, writePath, rowGroupOf(rows, ranges.length))
    return this.#rowsIn(view, rowsInSql(readParquetSql([writePath]), '_slot', ranges), rows)
  }

  /** @throws if not each of the rows is in a range */
  async #rowsIn(view: CompiledView, sql: string, all: number): Promise<ReadonlyMap<number, number>> {
    const counts = await this.#connection.rows<{ place: number; n: number }>(sql)
    const rowsIn = new Map(counts.map(({ place, n }) => [place, Number(n)]))
    const counted = [...rowsIn.values()].reduce((sum, rows) => sum + rows, 0)
    if (counted === all) return rowsIn
    throw new Error(`view '${view.name}': ${all} new states, but ${counted} in the ranges of its files`)
  }

  async parts(
    view: CompiledView,
    writtenPath: string,
    bytes: number,
    range: StateRange,
  ): Promise<readonly StateRange[]> {
    if (view.time.kind !== 'panes' && keySlotSql(view.dimensions) === null) return [range]
    // Most files are smaller as a whole: then nobody needs to open them.
    if ((await stat(writtenPath)).size < 2 * bytes) return [range]
    const path = quoteText(writtenPath)
    const [size] = await this.#connection.rows<{ rows: number; bytes: number }>(
      `SELECT (SELECT num_rows FROM parquet_file_metadata(${path}))::DOUBLE AS rows,
        (SELECT sum(total_compressed_size) FROM parquet_metadata(${path}))::DOUBLE AS bytes`,
    )
    if (size!.rows === 0 || size!.bytes < 2 * bytes) return [range]
    const number = Math.floor(size!.bytes / bytes)
    if (view.time.kind !== 'panes') return cutSlots(range, number)
    return cutRange(range, await this.#cuts(view.time.paneMs, path, Math.ceil(size!.rows / number)))
  }

  async #cuts(paneMs: number, path: string, rowsMax: number): Promise<readonly number[]> {
    for (const grainMs of cutGrains(paneMs)) {
      const parts = await this.#connection.rows<{ first: number; most: number }>(cutsSql(path, grainMs, rowsMax))
      const isFine = grainMs === paneMs || parts.every(({ most }) => most <= rowsMax)
      if (isFine) return parts.slice(1).map(({ first }) => Number(first))
    }
    return []
  }

  async cut(
    view: CompiledView,
    writtenPath: string,
    parts: readonly StatePart[],
    scratchPath: string,
  ): Promise<number[]> {
    const rows: number[] = []
    if (view.time.kind !== 'panes') await this.#slotted(view, writtenPath, parts, scratchPath)
    for (const { range, writePath } of parts) {
      const part =
        view.time.kind === 'panes'
          ? withinSql(view, readParquetSql([writtenPath]), range)
          : spreadWithinSql(scratchPath, range)
      rows.push(await writeParquet(this.#connection, `SELECT * FROM ${part}`, writePath, VIEW_ROW_GROUP_ROWS))
    }
    return rows
  }

  /** The rows with their slots, part after part: so each part is read by its row groups alone, and the hash of a key is computed once. */
  async #slotted(
    view: CompiledView,
    writtenPath: string,
    parts: readonly StatePart[],
    scratchPath: string,
  ): Promise<void> {
    const slots = `(SELECT *, ${keySlotSql(view.dimensions)} AS _slot FROM ${readParquetSql([writtenPath])})`
    const edges = parts.map(({ range }) => range.fromSlot!)
    const part = `len(list_filter([${edges.join(', ')}], lambda edge : edge <= _slot))`
    await writeParquet(
      this.#connection,
      `SELECT * FROM ${slots} ORDER BY ${[part, ...keysOf(view)].join(', ')}`,
      scratchPath,
      VIEW_ROW_GROUP_ROWS,
    )
  }

  /** In the order of panes, then of keys: a query for either reads the row groups that can hold it, and skips the others. */
  #write(view: CompiledView, states: string, writePath: string): Promise<number> {
    const keys = keysOf(view)
    const order = keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
    return writeParquet(this.#connection, `SELECT * FROM (${states})${order}`, writePath, VIEW_ROW_GROUP_ROWS)
  }
}

/** Rows of a row group, so that of rows in the order of their slots a range reads few of others. */
function rowGroupOf(rows: number, ranges: number): number {
  return Math.min(VIEW_ROW_GROUP_ROWS, VECTOR_ROWS * Math.max(1, Math.ceil(rows / ranges / VECTOR_ROWS)))
}
