/** The actions of a Delta log's versions, and what they make of a table's state. */
import type { TableFile, TableState, TableVersion } from './table-state.ts'

/** Readers must know the one feature that the columns need. */
export const PROTOCOL = {
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: ['timestampNtz'],
  writerFeatures: ['timestampNtz'],
}

interface Add {
  readonly path: string
  readonly partitionValues: object
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  readonly stats: string
  readonly tags?: { readonly source?: string } | null
}

export interface Action {
  readonly add?: Add | null
  readonly remove?: { readonly path: string; readonly deletionTimestamp: number } | null
  readonly metaData?: {
    readonly id: string
    readonly schemaString: string
    readonly createdTime: number
    readonly configuration: Readonly<Record<string, string>>
  } | null
}

/** A state while versions are read. */
export interface Building {
  id: string
  createdAtMs: number | null
  schema: string | null
  properties: Readonly<Record<string, string>>
  readonly files: Map<string, TableFile>
  readonly removed: Map<string, number>
}

export function linesOf(actions: readonly object[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
}

export function apply(state: Building, { add, remove, metaData }: Action): void {
  if (metaData) {
    const { id, createdTime: createdAtMs, schemaString: schema, configuration: properties } = metaData
    Object.assign(state, { id, createdAtMs, schema, properties })
  }
  if (remove) {
    state.files.delete(remove.path)
    state.removed.set(remove.path, remove.deletionTimestamp)
  }
  if (add) {
    state.files.set(add.path, fileOf(add))
    state.removed.delete(add.path)
  }
}

export function removeOf(path: string, deletionTimestamp: number, dataChange: boolean): object {
  return { path, deletionTimestamp, dataChange }
}

export function addOf({ path, bytes, rows, createdAtMs, bounds, source }: TableFile, dataChange: boolean): Add {
  const stats = { numRecords: rows, ...(bounds && { minValues: bounds.min, maxValues: bounds.max }) }
  return {
    path,
    partitionValues: {},
    size: bytes,
    modificationTime: createdAtMs,
    dataChange,
    stats: JSON.stringify(stats),
    ...(source !== undefined && { tags: { source } }),
  }
}

function fileOf({ path, size, modificationTime, stats, tags }: Add): TableFile {
  const { numRecords, minValues, maxValues } = JSON.parse(stats)
  return {
    path,
    bytes: size,
    rows: numRecords,
    createdAtMs: modificationTime,
    ...(minValues && { bounds: { min: minValues, max: maxValues } }),
    ...(tags?.source !== undefined && { source: tags.source }),
  }
}

export function metaData({ id, createdAtMs, schema, properties }: TableState): object {
  return {
    id,
    format: { provider: 'parquet', options: {} },
    schemaString: schema,
    partitionColumns: [],
    configuration: properties,
    createdTime: createdAtMs,
  }
}

/** Whether rows leave, and none comes. */
export function isRemoval(
  { isRearranged }: TableVersion,
  added: readonly TableFile[],
  gone: readonly string[],
): boolean {
  return gone.some((path) => !isRearranged(path)) && added.every(({ path }) => isRearranged(path))
}

/** What the version counts is also in the parameters of its operation: each reader shows them in the history of a table. */
export function commitInfo({ atMs, properties }: TableVersion, operation: string, readVersion: number): object {
  return {
    ...{ timestamp: atMs, operation, operationParameters: properties, engineInfo: 'Watershed' },
    ...(readVersion >= 0 && { readVersion }),
    ...properties,
  }
}
