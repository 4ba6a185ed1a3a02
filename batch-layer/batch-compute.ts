/** The computing part of a batch run: SQL from Parquet to Parquet. The protocol around it (run-batch.ts) knows no SQL. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { keySlotSql } from '#core/key-slots.ts'
import { type PaneHorizon, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { cutRange, cutSlots, isSameRange, rangeOf, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql, rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { cutGrains } from './state-file-size.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

export type ResolveFile = (file: LakeFile) => string

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
  /** the states of the files in the range, merged: quickest with the largest file first. Panes are those that the horizon leaves */
  merge(
    view: CompiledView,
    files: readonly StateFile[],
    writePath: string,
    range: StateRange,
    horizon: PaneHorizon,
  ): Promise<number>
  /** the states of a written file, with the panes that the horizon leaves; null: they are those of the file, and nothing was written */
  settle(view: CompiledView, writtenPath: string, writePath: string, horizon: PaneHorizon): Promise<number | null>
  /** place in `ranges` → how many rows of the files are in that range; places without any may be absent */
  rowsIn(
    view: CompiledView,
    files: readonly LakeFile[],
    ranges: readonly StateRange[],
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
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #resolve: ResolveFile

  constructor(connection: EngineConnection, dataset: CompiledDataset, resolve: ResolveFile) {
    this.#connection = connection
    this.#dataset = dataset
    this.#resolve = resolve
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
  ): Promise<number> {
    const [first, ...later] = files as readonly [StateFile, ...StateFile[]]
    const rowsLater = later.reduce((sum, { rows }) => sum + rows, 0)
    const left = (some: readonly StateFile[]): string =>
      throughHorizonSql(horizon, statesWithin(view, some, range, this.#resolve))
    const states =
      first.rows > rowsLater && later.length > 0
        ? mergeTouchedSql(view, left([first]), left(later), horizon)
        : view.mergeSql(left(files))
    return this.#write(view, states, writePath)
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
    const [place, lower, upper] = boundsOf(view, ranges)
    const bounds = ranges.map((range, at) => `(${at}, ${lower(range)}::BIGINT, ${upper(range)}::BIGINT)`)
    const places = `(SELECT ${place} AS place_of, count(*) AS n FROM ${readParquetSql(files.map(this.#resolve))} GROUP BY 1)`
    const counts = await this.#connection.rows<{ place: number; n: number }>(
      `SELECT place, sum(n)::BIGINT AS n FROM ${places} AS places JOIN (VALUES ${bounds.join(', ')}) AS bounds(place, lower, upper)
        ON place_of >= lower AND place_of < upper GROUP BY place`,
    )
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
    const source =
      view.time.kind === 'panes'
        ? readParquetSql([writtenPath])
        : await this.#slotted(view, writtenPath, parts, scratchPath)
    for (const { range, writePath } of parts) {
      const part =
        view.time.kind === 'panes'
          ? withinSql(view, source, range)
          : `(SELECT * EXCLUDE (_slot) FROM ${source} WHERE ${conditionsSql('_slot', range.fromSlot, range.beforeSlot)})`
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
  ): Promise<string> {
    const slots = `(SELECT *, ${keySlotSql(view.dimensions)} AS _slot FROM ${readParquetSql([writtenPath])})`
    const edges = parts.map(({ range }) => range.fromSlot!)
    const part = `len(list_filter([${edges.join(', ')}], lambda edge : edge <= _slot))`
    await writeParquet(
      this.#connection,
      `SELECT * FROM ${slots} ORDER BY ${[part, ...keysOf(view)].join(', ')}`,
      scratchPath,
      VIEW_ROW_GROUP_ROWS,
    )
    return readParquetSql([scratchPath])
  }

  /** In the order of panes, then of keys: a query for either reads the row groups that can hold it, and skips the others. */
  #write(view: CompiledView, states: string, writePath: string): Promise<number> {
    const keys = keysOf(view)
    const order = keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
    return writeParquet(this.#connection, `SELECT * FROM (${states})${order}`, writePath, VIEW_ROW_GROUP_ROWS)
  }
}

/** Relation of the states of the files in the range. Files that are in it as a whole need not be looked at. */
export function statesWithin(
  view: CompiledView,
  files: readonly StateFile[],
  range: StateRange,
  resolve: ResolveFile,
): string {
  const own = files.filter((file) => isSameRange(rangeOf(file), range))
  const others = files.filter((file) => !own.includes(file))
  const parts = [
    ...(own.length === 0 ? [] : [readParquetSql(own.map(resolve))]),
    ...(others.length === 0 ? [] : [withinSql(view, readParquetSql(others.map(resolve)), range)]),
  ]
  return parts.length === 1
    ? parts[0]!
    : `(${parts.map((part) => `SELECT * FROM ${part}`).join(' UNION ALL BY NAME ')})`
}

function withinSql(
  view: CompiledView,
  relation: string,
  { fromMs, beforeMs, fromSlot, beforeSlot }: StateRange,
): string {
  const conditions = [
    conditionsSql('pane', fromMs, beforeMs),
    fromSlot === undefined ? '' : conditionsSql(keySlotSql(view.dimensions)!, fromSlot, beforeSlot),
  ].filter((condition) => condition !== '')
  return conditions.length === 0 ? relation : `(SELECT * FROM ${relation} WHERE ${conditions.join(' AND ')})`
}

function conditionsSql(value: string, from: number | undefined, before: number | undefined): string {
  const conditions = [
    ...(from === undefined ? [] : [`${value} >= ${from}::BIGINT`]),
    ...(before === undefined ? [] : [`${value} < ${before}::BIGINT`]),
  ]
  return conditions.join(' AND ')
}

type BoundOf = (range: StateRange) => number

/** By what rows are placed in ranges, and the bounds of these. */
function boundsOf(view: CompiledView, ranges: readonly StateRange[]): [place: string, lower: BoundOf, upper: BoundOf] {
  if (ranges.some(({ fromSlot }) => fromSlot !== undefined))
    return [keySlotSql(view.dimensions)!, ({ fromSlot }) => fromSlot!, ({ beforeSlot }) => beforeSlot!]
  const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number
  return ['pane', ({ fromMs = MIN_SAFE_INTEGER }) => fromMs, ({ beforeMs = MAX_SAFE_INTEGER }) => beforeMs]
}

/** Each part's first time, and the most rows of one grain in it. */
function cutsSql(path: string, grainMs: number, rowsMax: number): string {
  const start = `pane - ((pane % ${grainMs}) + ${grainMs}) % ${grainMs}`
  return `WITH grains AS (SELECT ${start} AS start, count(*) AS n FROM read_parquet(${path}) GROUP BY 1),
    placed AS (SELECT start, n, (sum(n) OVER (ORDER BY start) - n) // ${rowsMax} AS part FROM grains)
    SELECT min(start)::BIGINT AS first, max(n)::BIGINT AS most FROM placed GROUP BY part ORDER BY part`
}

/** Only states that new partials touch, or whose panes the horizon merges, are merged; the others pass through. */
function mergeTouchedSql(view: CompiledView, counted: string, added: string, horizon: PaneHorizon): string {
  const keys = view.time.kind === 'panes' ? [quoteName('pane')] : keysOf(view)
  if (keys.length === 0) return view.mergeSql(`(SELECT * FROM ${counted} UNION ALL BY NAME SELECT * FROM ${added})`)
  const same = keys.map((key) => `counted.${key} IS NOT DISTINCT FROM touched.${key}`).join(' AND ')
  const touched = `(SELECT counted.* FROM ${counted} AS counted SEMI JOIN touched ON ${same})`
  const last = horizon.at(-1)
  const merged = last && ` UNION SELECT DISTINCT pane FROM ${counted} WHERE pane < ${last.beforeMs}::BIGINT`
  return `WITH touched AS MATERIALIZED (SELECT DISTINCT ${keys.join(', ')} FROM ${added}${merged ?? ''})
    SELECT counted.* FROM ${counted} AS counted ANTI JOIN touched ON ${same}
    UNION ALL BY NAME (${view.mergeSql(`(SELECT * FROM ${touched} UNION ALL BY NAME SELECT * FROM ${added})`)})`
}

function keysOf(view: CompiledView): string[] {
  const names = view.dimensions.map(({ name }) => name)
  return (view.time.kind === 'panes' ? ['pane', ...names] : names).map(quoteName)
}
