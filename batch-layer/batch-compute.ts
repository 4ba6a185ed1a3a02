/** The computing part of a batch run: SQL from Parquet to Parquet. The protocol around it (run-batch.ts) knows no SQL. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql, typedRowsSql } from '#storage/lake/typed-rows.ts'

export type ResolveFile = (file: LakeFile) => string

/** Each method writes one file and returns its rows. */
export interface BatchCompute {
  /** states of everything in the segments' raw events */
  recount(view: CompiledView, segments: readonly SegmentManifest[], writePath: string): Promise<number>
  /** the base's states and the partials as one */
  merge(view: CompiledView, base: LakeFile, partials: readonly LakeFile[], writePath: string): Promise<number>
}

const PARQUET = '(FORMAT parquet, COMPRESSION lz4_raw)'

export class DuckDbCompute implements BatchCompute {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #resolve: ResolveFile

  constructor(connection: EngineConnection, dataset: CompiledDataset, resolve: ResolveFile) {
    this.#connection = connection
    this.#dataset = dataset
    this.#resolve = resolve
  }

  recount(view: CompiledView, segments: readonly SegmentManifest[], writePath: string): Promise<number> {
    return this.#copy(view, view.partialSql(typedRowsSql(this.#dataset, segments, this.#resolve)), writePath)
  }

  merge(view: CompiledView, base: LakeFile, partials: readonly LakeFile[], writePath: string): Promise<number> {
    const counted = readParquetSql([this.#resolve(base)])
    if (partials.length === 0) return this.#copy(view, `SELECT * FROM ${counted}`, writePath)
    const added = readParquetSql(partials.map(this.#resolve))
    const states = `(SELECT * FROM ${counted} UNION ALL BY NAME SELECT * FROM ${added})`
    return this.#copy(view, view.mergeSql(states), writePath)
  }

  #copy(view: CompiledView, select: string, writePath: string): Promise<number> {
    return this.#connection.run(
      `COPY (SELECT * FROM (${select})${orderBy(view)}) TO ${quoteText(writePath)} ${PARQUET}`,
    )
  }
}

/** Rows of one pane lie together, so that a query for a range of time skips the other row groups. */
function orderBy(view: CompiledView): string {
  return view.paneMs === undefined ? '' : ` ORDER BY ${quoteName('pane')}`
}
