/**
 * Events of segments as one relation with the dataset's current columns. What a segment stores is taken as it is; columns that were added
 * or changed since are decoded again from the JSON of its events, where it is kept.
 */
import { type CompiledDataset, type SqlColumn, SYSTEM_COLUMNS } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { epochMsSql } from '#core/stored-value.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'
import { changedColumns } from './stored-columns.ts'

export type RowsDataset = Pick<CompiledDataset, 'rowColumns' | 'columns' | 'timeColumn' | 'schemaHash' | 'decodeOf'>

/** Segments whose files are read in the same way. */
interface Group {
  readonly columns: SegmentManifest['columns']
  /** decoded again from the JSON; none if it is not kept */
  readonly again: readonly string[]
  /** written with another definition, whose event time may have been another column */
  readonly older: boolean
  readonly segments: SegmentManifest[]
}

/**
 * SQL text `(SELECT …)` over the files of the segments, with exactly `dataset.rowColumns`. An event of a closed segment stays a row, whatever
 * the definition says now: a value that its JSON does not have is NULL or the default, also if the column is required, and if there is no
 * event time the stored one counts. Where the JSON is not kept, a column that was added is NULL, and one of another type is converted
 * (NULL if a value cannot be converted, as in decoding). No rows: an empty relation of the right types.
 *
 * @param resolve path of a file, as Lake.resolve gives it (which throws when the file is missing or damaged)
 */
export function typedRowsSql(
  dataset: RowsDataset,
  segments: readonly SegmentManifest[],
  resolve: (file: LakeFile) => string,
): string {
  const groups = new Map<string, Group>()
  for (const segment of segments) {
    if (segment.events === null) continue
    const again = columnsAgain(dataset, segment)
    const older = segment.schemaHash !== dataset.schemaHash
    const key = JSON.stringify([segment.columns, again, older])
    const group = groups.get(key) ?? { columns: segment.columns, again, older, segments: [] }
    groups.set(key, group)
    group.segments.push(segment)
  }
  if (groups.size === 0) return `(SELECT ${dataset.rowColumns.map(nullColumn).join(', ')} WHERE false)`
  return `(${[...groups.values()].map((group) => groupSql(dataset, group, resolve)).join(' UNION ALL ')})`
}

/** Files that typedRowsSql reads of the segments. */
export function rowFiles(
  dataset: Pick<CompiledDataset, 'columns'>,
  segments: readonly SegmentManifest[],
): readonly LakeFile[] {
  return segments.flatMap((segment) => {
    if (segment.events === null) return []
    return columnsAgain(dataset, segment).length === 0 ? [segment.events] : [segment.events, segment.raw!.file]
  })
}

function columnsAgain(dataset: Pick<CompiledDataset, 'columns'>, segment: SegmentManifest): readonly string[] {
  return segment.raw === undefined ? [] : changedColumns(dataset, segment)
}

/** `read_parquet([…])` over files with the same columns. */
export function readParquetSql(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteText).join(', ')}])`
}

function groupSql(dataset: RowsDataset, group: Group, resolve: (file: LakeFile) => string): string {
  const types = new Map(group.columns.map((column) => [column.name, column.type]))
  const events = readParquetSql(group.segments.map(({ events }) => resolve(events!)))
  if (group.again.length === 0) {
    const stored = dataset.rowColumns.map((column) =>
      column.name === '_time' && group.older ? `${storedTimeSql(dataset, types)} AS _time` : columnSql(column, types),
    )
    return `SELECT ${stored.join(', ')} FROM ${events}`
  }
  const list = dataset.rowColumns.map((column) => {
    const name = quoteName(column.name)
    if (column.name === '_time') return `${timeSql(dataset, group, types)} AS _time`
    if (group.again.includes(column.name)) return `again.${name}`
    return columnSql(column, types, 'stored.')
  })
  return `SELECT ${list.join(', ')} FROM ${events} AS stored POSITIONAL JOIN (${decodedAgainSql(dataset, group, resolve)}) AS again`
}

/** The event time is that of the present time column, also where another column was it when the file was written. */
function storedTimeSql({ timeColumn }: RowsDataset, types: ReadonlyMap<string, string>, side = ''): string {
  if (types.get(timeColumn) !== 'TIMESTAMP') return `${side}_time`
  return `coalesce(${epochMsSql(`${side}${quoteName(timeColumn)}`)}, ${side}_time)`
}

/** Both sides have the events in the order of their offsets. The event time, which they have in common, shows that they match. */
function timeSql(dataset: RowsDataset, { again }: Group, types: ReadonlyMap<string, string>): string {
  if (again.includes(dataset.timeColumn)) return 'coalesce(again._time, stored._time)'
  const stored = storedTimeSql(dataset, types, 'stored.')
  const message = quoteText(
    'the JSON of a segment does not match its rows: check its files with `watershed doctor --deep`',
  )
  return `CASE WHEN again._time IS NULL OR again._time = ${stored} THEN ${stored} ELSE error(${message}) END`
}

function decodedAgainSql(
  dataset: RowsDataset,
  { again, segments }: Group,
  resolve: (file: LakeFile) => string,
): string {
  const { rowsSql, jsonColumns } = dataset.decodeOf(again)
  const paths = segments.map(({ raw }) => quoteText(resolve(raw!.file)))
  const lineBytesMax = Math.max(...segments.map(({ raw }) => raw!.lineBytesMax))
  const lines = `read_json([${paths.join(', ')}], format = 'newline_delimited', compression = 'zstd', ignore_errors = true, maximum_object_size = ${lineBytesMax}, columns = ${jsonColumns})`
  return rowsSql(lines)
}

function columnSql(column: SqlColumn, types: ReadonlyMap<string, string>, side = ''): string {
  const name = `${side}${quoteName(column.name)}`
  const stored = types.get(column.name) ?? (isSystemColumn(column.name) ? column.type : undefined)
  if (stored === undefined) return nullColumn(column)
  return stored === column.type ? name : `TRY_CAST(${name} AS ${column.type}) AS ${quoteName(column.name)}`
}

function nullColumn(column: SqlColumn): string {
  return `CAST(NULL AS ${column.type}) AS ${quoteName(column.name)}`
}

function isSystemColumn(name: string): boolean {
  return (SYSTEM_COLUMNS as readonly string[]).includes(name)
}
