/** The computing part of a batch run: SQL from Parquet to Parquet. The protocol around it (run-batch.ts) knows no SQL. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

export type ResolveFile = (file: LakeFile) => string

/** Each method writes one file and returns its rows. */
export interface BatchCompute {
  /** states of everything in the segments' raw events, merged with those in the files */
  recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number>
  /** the states of the files, merged: quickest with the largest file first */
  merge(view: CompiledView, files: readonly LakeFile[], writePath: string): Promise<number>
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

  merge(view: CompiledView, files: readonly LakeFile[], writePath: string): Promise<number> {
    const [first, ...later] = files.map(this.#resolve)
    const states =
      later.length === 0
        ? view.mergeSql(readParquetSql([first!]))
        : mergeTouchedSql(view, readParquetSql([first!]), readParquetSql(later))
    return this.#write(view, states, writePath)
  }

  /** In the order of panes, then of keys: a query for either reads the row groups that can hold it, and skips the others. */
  #write(view: CompiledView, states: string, writePath: string): Promise<number> {
    const keys = keysOf(view)
    const order = keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
    return writeParquet(this.#connection, `SELECT * FROM (${states})${order}`, writePath, VIEW_ROW_GROUP_ROWS)
  }
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
