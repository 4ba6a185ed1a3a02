/** Raw events of segments as one relation with the dataset's current columns, also for files that were written with older columns. */
import { type CompiledDataset, type SqlColumn, SYSTEM_COLUMNS } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { epochMsSql } from '#core/stored-value.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'

/**
 * SQL text `(SELECT …)` over the events files of the segments, with exactly `dataset.rowColumns`. Files written with an older column
 * set: a missing column is NULL, another type is converted (NULL if a value cannot be converted, as in decoding). The event time is that of
 * the present time column, also where another column was it when the file was written.
 * No rows: an empty relation of the right types.
 *
 * @param resolve path of a file for read_parquet, as Lake.resolve gives it (which throws when the file is missing or damaged)
 */
export function typedRowsSql(
  dataset: Pick<CompiledDataset, 'rowColumns' | 'timeColumn' | 'schemaHash'>,
  segments: readonly SegmentManifest[],
  resolve: (file: LakeFile) => string,
): string {
  const groups = new Map<
    string,
    { readonly columns: SegmentManifest['columns']; readonly older: boolean; readonly paths: string[] }
  >()
  for (const { columns, events, schemaHash } of segments) {
    if (events === null) continue
    const older = schemaHash !== dataset.schemaHash
    const key = JSON.stringify([columns, older])
    const group = groups.get(key) ?? { columns, older, paths: [] }
    group.paths.push(resolve(events))
    groups.set(key, group)
  }
  if (groups.size === 0) return `(SELECT ${dataset.rowColumns.map(nullColumn).join(', ')} WHERE false)`
  const selects = [...groups.values()].map((group) => {
    const types = new Map(group.columns.map((column) => [column.name, column.type]))
    const list = dataset.rowColumns.map((column) =>
      column.name === '_time' && group.older ? timeSql(dataset, types) : columnSql(column, types),
    )
    return `SELECT ${list.join(', ')} FROM ${readParquetSql(group.paths)}`
  })
  return `(${selects.join(' UNION ALL ')})`
}

/** `read_parquet([…])` over files with the same columns. */
export function readParquetSql(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteText).join(', ')}])`
}

function timeSql({ timeColumn }: Pick<CompiledDataset, 'timeColumn'>, types: ReadonlyMap<string, string>): string {
  if (types.get(timeColumn) !== 'TIMESTAMP') return '_time'
  return `coalesce(${epochMsSql(quoteName(timeColumn))}, _time) AS _time`
}

function columnSql(column: SqlColumn, types: ReadonlyMap<string, string>): string {
  const name = quoteName(column.name)
  const stored = types.get(column.name) ?? (isSystemColumn(column.name) ? column.type : undefined)
  if (stored === undefined) return nullColumn(column)
  return stored === column.type ? name : `TRY_CAST(${name} AS ${column.type}) AS ${name}`
}

function nullColumn(column: SqlColumn): string {
  return `CAST(NULL AS ${column.type}) AS ${quoteName(column.name)}`
}

function isSystemColumn(name: string): boolean {
  return (SYSTEM_COLUMNS as readonly string[]).includes(name)
}
