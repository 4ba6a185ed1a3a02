/**
 * The log of one Delta table, in a folder or a bucket: each version is put whole where there is none, so that a reader sees a version or
 * none of it, and of two writers one fails. The next version is asked for by its name, never looked for in a listing.
 * Format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md (actions, checkpoints). One writer at a time: the holder of the batch lock.
 */
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path/posix'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '../engine/duckdb-engine.ts'
import { UNFINISHED } from '../lake/local/durable-files.ts'
import type { TablePlace } from '../lake/table-place.ts'

/** A Parquet file of the table. */
export interface TableFile {
  /** relative to the table's folder */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  /** epoch ms */
  readonly createdAtMs: number
  /** bounds of columns, both inclusive, by which readers leave files out */
  readonly bounds?: Readonly<Record<'min' | 'max', Readonly<Record<string, number | string>>>>
  /** what the file was made from; the same again means that it need not be written again */
  readonly source?: string
}

/** What the newest version holds. */
export interface TableState {
  /** -1: there is no table yet */
  readonly version: number
  /** of the table, from its first version on */
  readonly id: string
  /** of its first version, epoch ms; null: there is none */
  readonly createdAtMs: number | null
  readonly schema: string | null
  /** as the newest version was given them */
  readonly properties: Readonly<Record<string, string>>
  /** by path */
  readonly files: ReadonlyMap<string, TableFile>
  /** path → when it left the table, epoch ms: readers of earlier versions may still use these */
  readonly removed: ReadonlyMap<string, number>
}

export interface TableVersion {
  readonly schema: string
  readonly files: readonly TableFile[]
  /** whether a file that comes or goes changes what the table holds, or only how it is stored */
  readonly isRearranged: (path: string) => boolean
  /** what the version counts: kept as properties of the table, which a reader has with the version's files */
  readonly properties: Readonly<Record<string, string>>
  readonly atMs: number
  /** how long readers may use a file after it left the table, ms */
  readonly graceMs: number
}

/** Versions between two checkpoints: a reader reads at most that many small files. */
const CHECKPOINT_EVERY = 20
/** Versions before the last checkpoint are kept for this long at least, for readers that began with them; checkpoints name files that were removed since. */
const VERSIONS_KEPT_MS = 24 * 3_600_000
/** a text or file that is not complete and was not touched for this long is of a process that died */
const ORPHAN_MS = 3_600_000

/** Readers must know the one feature that the columns need. */
const PROTOCOL = {
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: ['timestampNtz'],
  writerFeatures: ['timestampNtz'],
}

/** The actions that a checkpoint holds, as the columns of its Parquet. */
const CHECKPOINT_COLUMNS = `{
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
  metaData: 'STRUCT(id VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR))',
  remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN)'
}`

interface Add {
  readonly path: string
  readonly partitionValues: object
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  readonly stats: string
  readonly tags?: { readonly source?: string } | null
}

interface Action {
  readonly add?: Add | null
  readonly remove?: { readonly path: string; readonly deletionTimestamp: number } | null
  readonly metaData?: {
    readonly id: string
    readonly schemaString: string
    readonly createdTime: number
    readonly configuration: Readonly<Record<string, string>>
  } | null
}

interface Building {
  id: string
  createdAtMs: number | null
  schema: string | null
  properties: Readonly<Record<string, string>>
  readonly files: Map<string, TableFile>
  readonly removed: Map<string, number>
}

export class DeltaLog {
  readonly #place: TablePlace
  readonly #folder: string
  readonly #connection: EngineConnection

  /** @param table the table's folder in the place; '' for the place itself */
  constructor(place: TablePlace, table: string, connection: EngineConnection) {
    this.#place = place
    this.#folder = join(table, '_delta_log')
    this.#connection = connection
  }

  /** The newest version, read from the last checkpoint on. */
  async read(): Promise<TableState> {
    const checkpoint = await this.#lastCheckpoint()
    const building: Building = {
      ...{ id: randomUUID(), createdAtMs: null, schema: null, properties: {} },
      ...{ files: new Map(), removed: new Map() },
    }
    if (checkpoint !== null) for (const action of await this.#checkpointed(checkpoint)) apply(building, action)
    let version = checkpoint ?? -1
    for (;;) {
      const text = await this.#place.read(this.#path(`${versionName(version + 1)}.json`))
      if (text === null) return { ...building, version }
      for (const line of text.split('\n')) if (line !== '') apply(building, JSON.parse(line) as Action)
      version++
    }
  }

  /**
   * Writes the version that follows `before`, unless nothing differs.
   *
   * @throws Error if somebody else has written that version; LakeError if the lock was taken over
   */
  async write(before: TableState, next: TableVersion): Promise<TableState> {
    const files = new Map(next.files.map((file) => [file.path, file]))
    const added = next.files.filter(({ path }) => !before.files.has(path))
    const gone = [...before.files.keys()].filter((path) => !files.has(path))
    const isSame = before.version >= 0 && before.schema === next.schema
    if (isSame && added.length === 0 && gone.length === 0) return before
    const removed = new Map([...before.removed, ...gone.map((path): [string, number] => [path, next.atMs])])
    for (const { path } of added) removed.delete(path)
    const { schema, properties } = next
    const state = {
      ...{ version: before.version + 1, id: before.id, createdAtMs: before.createdAtMs ?? next.atMs },
      ...{ schema, properties, files, removed },
    }
    const operation = before.version < 0 ? 'CREATE TABLE' : isRemoval(next, added, gone) ? 'DELETE' : 'WRITE'
    const actions = [
      { commitInfo: commitInfo(next, operation, before.version) },
      ...(before.version < 0 ? [{ protocol: PROTOCOL }] : []),
      { metaData: metaData(state) },
      ...gone.map((path) => ({ remove: removeOf(path, next.atMs, !next.isRearranged(path)) })),
      ...added.map((file) => ({ add: addOf(file, !next.isRearranged(file.path)) })),
    ]
    if (!(await this.#place.create(this.#path(`${versionName(state.version)}.json`), linesOf(actions))))
      throw new Error(
        `version ${state.version} of the Delta table in '${this.#place.nameOf(this.#folder)}' was written by somebody else; nothing but Watershed may write there: remove this folder, and the next batch run makes it anew`,
      )
    if (state.version % CHECKPOINT_EVERY === 0 && state.version > 0) await this.#checkpoint(state, next)
    return state
  }

  async #checkpoint(state: TableState, next: TableVersion): Promise<void> {
    const sinceMs = next.atMs - Math.max(VERSIONS_KEPT_MS, next.graceMs)
    const actions = [
      { protocol: PROTOCOL },
      { metaData: metaData(state) },
      ...[...state.removed].flatMap(([path, atMs]) =>
        atMs < sinceMs ? [] : [{ remove: removeOf(path, atMs, false) }],
      ),
      ...[...state.files.values()].map((file) => ({ add: addOf(file, false) })),
    ]
    const { bytes } = await this.#writeCheckpoint(checkpointName(state.version), actions)
    const last = JSON.stringify({ version: state.version, size: actions.length, sizeInBytes: bytes })
    await this.#place.replace(this.#path('_last_checkpoint'), last)
    await this.#removeOld(state.version, sinceMs)
  }

  async #writeCheckpoint(name: string, actions: readonly object[]): Promise<{ readonly bytes: number }> {
    const staged = await this.#place.stage(this.#path(name))
    const draft = `${staged.writePath}-actions${UNFINISHED}`
    try {
      await writeFile(draft, linesOf(actions))
      const select = `SELECT * FROM read_json(${quoteText(draft)}, format = 'newline_delimited', columns = ${CHECKPOINT_COLUMNS})`
      await this.#connection.run(`COPY (${select}) TO ${quoteText(staged.writePath)} (FORMAT parquet)`)
      return await staged.finish(actions.length)
    } catch (error) {
      await staged.discard()
      throw error
    } finally {
      await rm(draft, { force: true })
    }
  }

  /** Versions that the checkpoint makes needless, once no reader can be in the middle of them; and what processes left that died. */
  async #removeOld(checkpoint: number, beforeMs: number): Promise<void> {
    let isNeedless = true
    // In the order of versions, and of each the checkpoint first.
    for (const name of (await this.#place.names(this.#folder)).toSorted()) {
      const version = /^(\d{20})\.(json|checkpoint\.parquet)$/.exec(name)?.[1]
      if (version === undefined) await this.#removeUnfinished(name)
      else if (isNeedless && Number(version) < checkpoint) {
        isNeedless = (await this.#writtenAtMs(`${version}.json`)) < beforeMs
        if (isNeedless) await this.#place.remove(this.#path(name))
      }
    }
  }

  async #removeUnfinished(name: string): Promise<void> {
    if (!name.endsWith(UNFINISHED)) return
    const ageMs = await this.#place.ageMs(this.#path(name))
    if (ageMs !== null && ageMs > ORPHAN_MS) await this.#place.remove(this.#path(name))
  }

  /** A checkpoint whose version was removed before a crash is as old as that. */
  async #writtenAtMs(name: string): Promise<number> {
    const text = await this.#place.read(this.#path(name))
    if (text === null) return Number.NEGATIVE_INFINITY
    return (JSON.parse(text.split('\n', 1)[0]!) as { commitInfo: { timestamp: number } }).commitInfo.timestamp
  }

  async #lastCheckpoint(): Promise<number | null> {
    const text = await this.#place.read(this.#path('_last_checkpoint'))
    return text === null ? null : (JSON.parse(text) as { version: number }).version
  }

  async #checkpointed(version: number): Promise<Action[]> {
    const place = quoteText(await this.#place.bring(this.#path(checkpointName(version))))
    const rows = await this.#connection.rows<{ action: string }>(
      `SELECT to_json({add: add, remove: remove, metaData: metaData})::VARCHAR AS action FROM read_parquet(${place})`,
    )
    return rows.map(({ action }) => JSON.parse(action) as Action)
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

function versionName(version: number): string {
  return String(version).padStart(20, '0')
}

function checkpointName(version: number): string {
  return `${versionName(version)}.checkpoint.parquet`
}

function linesOf(actions: readonly object[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
}

function apply(state: Building, { add, remove, metaData }: Action): void {
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

function removeOf(path: string, deletionTimestamp: number, dataChange: boolean): object {
  return { path, deletionTimestamp, dataChange }
}

function addOf({ path, bytes, rows, createdAtMs, bounds, source }: TableFile, dataChange: boolean): Add {
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

function metaData({ id, createdAtMs, schema, properties }: TableState): object {
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
function isRemoval({ isRearranged }: TableVersion, added: readonly TableFile[], gone: readonly string[]): boolean {
  return gone.some((path) => !isRearranged(path)) && added.every(({ path }) => isRearranged(path))
}

/** What the version counts is also in the parameters of its operation: each reader shows them in the history of a table. */
function commitInfo({ atMs, properties }: TableVersion, operation: string, readVersion: number): object {
  return {
    ...{ timestamp: atMs, operation, operationParameters: properties, engineInfo: 'Watershed' },
    ...(readVersion >= 0 && { readVersion }),
    ...properties,
  }
}
