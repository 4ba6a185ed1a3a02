/** The computing part of a batch run: SQL from Parquet to Parquet. The protocol around it (run-batch.ts) knows no SQL. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { cutGrains } from './state-file-size.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

export type ResolveFile = (file: LakeFile) => string

/** A method with a `writePath` writes one file and returns its rows. */
export interface BatchCompute {
  /** states of everything in the segments' raw events, merged with those in the files */
  recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number>
  /** the states of the files in the range, merged: quickest with the largest file first */
  merge(view: CompiledView, files: readonly LakeFile[], writePath: string, range: StateRange): Promise<number>
  /** place in `ranges` → how many rows of the files are in that range; places without any may be absent */
  rowsIn(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
  ): Promise<ReadonlyMap<number, number>>
  /** The panes at which a written file is to be cut, so that its parts have about these bytes each; none: it is not that large. */
  cuts(view: CompiledView, writtenPath: string, bytes: number): Promise<readonly number[]>
  /** the rows of a written file in the range, in their order */
  slice(writtenPath: string, range: StateRange, writePath: string): Promise<number>
}

export class DuckDbCompute implements BatchCompute {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #resolve: ResolveFile

  constructor(connection: EngineConnection, dataset: CompiledDataset, resolve: ResolveFile) {
    this.#connection = connection
    this.#dataset = dataset
    this.#resolve = resolve
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

  merge(view: CompiledView, files: readonly LakeFile[], writePath: string, range: StateRange): Promise<number> {
    const [first, ...later] = files.map(this.#resolve)
    const counted = withinSql(readParquetSql([first!]), range)
    const states =
      later.length === 0
        ? view.mergeSql(counted)
        : mergeTouchedSql(view, counted, withinSql(readParquetSql(later), range))
    return this.#write(view, states, writePath)
  }

  async rowsIn(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
  ): Promise<ReadonlyMap<number, number>> {
    const all = files.reduce((sum, { rows }) => sum + rows, 0)
    if (ranges.length === 1) return new Map([[0, all]])
    const bounds = ranges.map(
      ({ fromMs = Number.MIN_SAFE_INTEGER, beforeMs = Number.MAX_SAFE_INTEGER }, place) =>
        `(${place}, ${fromMs}::BIGINT, ${beforeMs}::BIGINT)`,
    )
    const panes = `(SELECT pane, count(*) AS n FROM ${readParquetSql(files.map(this.#resolve))} GROUP BY pane)`
    const counts = await this.#connection.rows<{ place: number; n: number }>(
      `SELECT place, sum(n)::BIGINT AS n FROM ${panes} AS panes JOIN (VALUES ${bounds.join(', ')}) AS bounds(place, lower, upper)
        ON pane >= lower AND pane < upper GROUP BY place`,
    )
    const rowsIn = new Map(counts.map(({ place, n }) => [place, Number(n)]))
    const counted = [...rowsIn.values()].reduce((sum, rows) => sum + rows, 0)
    if (counted === all) return rowsIn
    throw new Error(`view '${view.name}': ${all} new states, but ${counted} in the ranges of its files`)
  }

  async cuts(view: CompiledView, writtenPath: string, bytes: number): Promise<readonly number[]> {
    if (view.time.kind !== 'panes') return []
    const path = quoteText(writtenPath)
    const [size] = await this.#connection.rows<{ rows: number; bytes: number }>(
      `SELECT (SELECT num_rows FROM parquet_file_metadata(${path}))::DOUBLE AS rows,
        (SELECT sum(total_compressed_size) FROM parquet_metadata(${path}))::DOUBLE AS bytes`,
    )
    if (size!.rows === 0 || size!.bytes < 2 * bytes) return []
    const rowsMax = Math.ceil(size!.rows / Math.floor(size!.bytes / bytes))
    for (const grainMs of cutGrains(view.time.paneMs)) {
      const parts = await this.#connection.rows<{ first: number; most: number }>(cutsSql(path, grainMs, rowsMax))
      const isFine = grainMs === view.time.paneMs || parts.every(({ most }) => most <= rowsMax)
      if (isFine) return parts.slice(1).map(({ first }) => Number(first))
    }
    return []
  }

  slice(writtenPath: string, range: StateRange, writePath: string): Promise<number> {
    const rows = withinSql(readParquetSql([writtenPath]), range)
    return writeParquet(this.#connection, `SELECT * FROM ${rows}`, writePath, VIEW_ROW_GROUP_ROWS)
  }

  /** In the order of panes, then of keys: a query for either reads the row groups that can hold it, and skips the others. */
  #write(view: CompiledView, states: string, writePath: string): Promise<number> {
    const keys = keysOf(view)
    const order = keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
    return writeParquet(this.#connection, `SELECT * FROM (${states})${order}`, writePath, VIEW_ROW_GROUP_ROWS)
  }
}

function withinSql(relation: string, { fromMs, beforeMs }: StateRange): string {
  const conditions = [
    ...(fromMs === undefined ? [] : [`pane >= ${fromMs}::BIGINT`]),
    ...(beforeMs === undefined ? [] : [`pane < ${beforeMs}::BIGINT`]),
  ]
  return conditions.length === 0 ? relation : `(SELECT * FROM ${relation} WHERE ${conditions.join(' AND ')})`
}

/** Each part's first time, and the most rows of one grain in it. */
function cutsSql(path: string, grainMs: number, rowsMax: number): string {
  const start = `pane - ((pane % ${grainMs}) + ${grainMs}) % ${grainMs}`
  return `WITH grains AS (SELECT ${start} AS start, count(*) AS n FROM read_parquet(${path}) GROUP BY 1),
    placed AS (SELECT start, n, (sum(n) OVER (ORDER BY start) - n) // ${rowsMax} AS part FROM grains)
    SELECT min(start)::BIGINT AS first, max(n)::BIGINT AS most FROM placed GROUP BY part ORDER BY part`
}

/** Only states that new partials touch are merged; the others pass through. */
function mergeTouchedSql(view: CompiledView, counted: string, added: string): string {
  const keys = view.time.kind === 'panes' ? [quoteName('pane')] : keysOf(view)
  if (keys.length === 0) return view.mergeSql(`(SELECT * FROM ${counted} UNION ALL BY NAME SELECT * FROM ${added})`)
  const same = keys.map((key) => `counted.${key} IS NOT DISTINCT FROM touched.${key}`).join(' AND ')
  const touched = `(SELECT counted.* FROM ${counted} AS counted SEMI JOIN touched ON ${same})`
  return `WITH touched AS MATERIALIZED (SELECT DISTINCT ${keys.join(', ')} FROM ${added})
    SELECT counted.* FROM ${counted} AS counted ANTI JOIN touched ON ${same}
    UNION ALL BY NAME (${view.mergeSql(`(SELECT * FROM ${touched} UNION ALL BY NAME SELECT * FROM ${added})`)})`
}

function keysOf(view: CompiledView): string[] {
  const names = view.dimensions.map(({ name }) => name)
  return (view.time.kind === 'panes' ? ['pane', ...names] : names).map(quoteName)
}
