/**
 * Rows of closed segments whose columns are defined otherwise now, from the JSON of their events: for the recount, which reads it in another
 * way than batch runs do. Each line is parsed as one JSON value and joined with its row by number, segment by segment.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { changedColumns } from '#storage/lake/stored-columns.ts'

/** SQL text `(SELECT …)` with the dataset's typed rows. @param segment has JSON and rows */
export function jsonRowsSql(dataset: CompiledDataset, segment: SegmentManifest, lake: Lake): string {
  const changed = changedColumns(dataset, segment)
  const { rowsSql, jsonColumns } = dataset.decodeOf(changed)
  const { file, lineBytesMax } = segment.raw!
  const objects = `read_json_objects(${quoteText(lake.resolve(file))}, format = 'newline_delimited', compression = 'zstd', maximum_object_size = ${lineBytesMax})`
  const parsed = `SELECT row_number() OVER () AS _line, unnest(json_transform(json, to_json(${jsonColumns}))) FROM ${objects}`
  const decoded = rowsSql(`(${parsed})`, { keep: ['_line'] })
  const stored = `SELECT row_number() OVER () AS _line, * FROM read_parquet(${quoteText(lake.resolve(segment.events!))})`
  const list = dataset.rowColumns.map(({ name }) => {
    if (name === '_time') return 'coalesce(decoded._time, stored._time) AS _time'
    return changed.includes(name) ? `decoded.${quoteName(name)}` : `stored.${quoteName(name)}`
  })
  return `(SELECT ${list.join(', ')} FROM (${stored}) AS stored LEFT JOIN (${decoded}) AS decoded USING (_line))`
}
