/** What a segment's manifest says of the columns of its rows, and which of them its JSON must be read for. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { SegmentManifest, StoredColumn } from './segment-manifest.ts'

export function storedColumns({ rowColumns, columns }: CompiledDataset): StoredColumn[] {
  const sources = new Map(columns.map(({ name, source }) => [name, source]))
  return rowColumns.map(({ name, type }) => {
    const source = sources.get(name)
    return source === undefined ? { name, type } : { name, type, source }
  })
}

/** Columns whose values in the segment were made by another definition, or not at all. */
export function changedColumns({ columns }: Pick<CompiledDataset, 'columns'>, segment: SegmentManifest): string[] {
  const stored = new Map(segment.columns.map(({ name, source }) => [name, source]))
  return columns.filter(({ name, source }) => stored.get(name) !== source).map(({ name }) => name)
}
