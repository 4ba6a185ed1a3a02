/**
 * The log of one Delta table in a folder: each version is a file that is created once, whole, so that a reader sees a version or none of it.
 * Format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md (actions, checkpoints). One writer at a time: the holder of the batch lock.
 */
import { randomUUID } from 'node:crypto'
import { readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '../engine/duckdb-engine.ts'
import { isMissing } from '../lake/lake-error.ts'
import {
  createExclusive,
  fingerprint,
  fsyncFolder,
  makeFolder,
  randomName,
  removeFile,
  replaceAtomically,
  UNFINISHED,
} from '../lake/local/durable-files.ts'

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
  readonly schema: string | null
  /** by path */
  readonly files: ReadonlyMap<string, TableFile>
}

export interface TableVersion {
  readonly schema: string
  readonly files: readonly TableFile[]
  /** whether a file that comes or goes changes what the table holds, or only how it is stored */
  readonly isRearranged: (path: string) => boolean
  /** what the version counts: kept as properties of the table, which a reader has with the version's files */
  readonly properties: Readonly<Record<string, string>>
  readonly atMs: number
}

/** Versions between two checkpoints: a reader reads at most that many small files. */
const CHECKPOINT_EVERY = 20
/** Versions before the last checkpoint are kept for this long, for readers that began with them. */
const VERSIONS_KEPT_MS = 24 * 3_600_000

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
  readonly remove?: { readonly path: string } | null
  readonly metaData?: { readonly id: string; readonly schemaString: string } | null
}

export class DeltaLog {
  readonly #folder: string
  readonly #connection: EngineConnection

  /** @param table the table's folder, which the engine may use */
  constructor(table: string, connection: EngineConnection) {
    this.#folder = join(table, '_delta_log')
    this.#connection = connection
  }

  /** The newest version, read from the last checkpoint on. */
  async read(): Promise<TableState> {
    const checkpoint = await this.#lastCheckpoint()
    const building = { id: randomUUID() as string, schema: null as string | null, files: new Map<string, TableFile>() }
    if (checkpoint !== null) for (const action of await this.#checkpointed(checkpoint)) apply(building, action)
    let version = checkpoint ?? -1
    for (;;) {
      const text = await readFile(this.#path(`${versionName(version + 1)}.json`), 'utf8').catch((error) => {
        if (isMissing(error)) return null
        throw error
      })
      if (text === null) return { ...building, version }
      for (const line of text.split('\n')) if (line !== '') apply(building, JSON.parse(line) as Action)
      version++
    }
  }

  /**
   * Writes the version that follows `before`, unless nothing differs.
   *
   * @throws Error if somebody else has written that version
   */
  async write(before: TableState, next: TableVersion): Promise<TableState> {
    const files = new Map(next.files.map((file) => [file.path, file]))
    const added = next.files.filter(({ path }) => !before.files.has(path))
    const removed = [...before.files.keys()].filter((path) => !files.has(path))
    const isSame = before.version >= 0 && before.schema === next.schema
    if (isSame && added.length === 0 && removed.length === 0) return before
    const state = { version: before.version + 1, id: before.id, schema: next.schema, files }
    await makeFolder(this.#folder)
    const actions = [
      { commitInfo: commitInfo(next, before.version < 0 ? 'CREATE TABLE' : 'WRITE') },
      ...(before.version < 0 ? [{ protocol: PROTOCOL }] : []),
      { metaData: metaData(state, next) },
      ...removed.map((path) => ({
        remove: { path, deletionTimestamp: next.atMs, dataChange: !next.isRearranged(path) },
      })),
      ...added.map((file) => ({ add: addOf(file, !next.isRearranged(file.path)) })),
    ]
    const name = `${versionName(state.version)}.json`
    if (!(await createExclusive(this.#path(name), linesOf(actions))))
      throw new Error(
        `version ${state.version} of the Delta table in '${this.#folder}' was written by somebody else; nothing but Watershed may write there: remove this folder, and the next batch run makes it anew`,
      )
    if (state.version % CHECKPOINT_EVERY === 0 && state.version > 0) await this.#checkpoint(state, next)
    return state
  }

  async #checkpoint(state: TableState, next: TableVersion): Promise<void> {
    const actions = [
      { protocol: PROTOCOL },
      { metaData: metaData(state, next) },
      ...[...state.files.values()].map((file) => ({ add: addOf(file, false) })),
    ]
    const draft = this.#path(`.checkpoint-${randomName()}.json${UNFINISHED}`)
    const parquet = this.#path(`.checkpoint-${randomName()}.parquet${UNFINISHED}`)
    try {
      if (!(await createExclusive(draft, linesOf(actions)))) throw new Error(`'${draft}' exists already`)
      const select = `SELECT * FROM read_json(${quoteText(draft)}, format = 'newline_delimited', columns = ${CHECKPOINT_COLUMNS})`
      await this.#connection.run(`COPY (${select}) TO ${quoteText(parquet)} (FORMAT parquet)`)
      const { bytes } = await fingerprint(parquet, true)
      await rename(parquet, this.#path(checkpointName(state.version)))
      await fsyncFolder(this.#folder)
      const last = JSON.stringify({ version: state.version, size: actions.length, sizeInBytes: bytes })
      await replaceAtomically(this.#path('_last_checkpoint'), last, { before: () => {}, after: () => {} })
    } finally {
      await removeFile(draft)
      await removeFile(parquet)
    }
    await this.#removeOld(state.version, next.atMs - VERSIONS_KEPT_MS)
  }

  /** Versions that the checkpoint makes needless, once no reader can be in the middle of them. */
  async #removeOld(checkpoint: number, beforeMs: number): Promise<void> {
    // In the order of versions, and of each the checkpoint first.
    for (const name of (await readdir(this.#folder)).sort()) {
      const version = /^(\d{20})\.(json|checkpoint\.parquet)$/.exec(name)?.[1]
      if (version === undefined || Number(version) >= checkpoint) continue
      if ((await this.#writtenAtMs(`${version}.json`)) >= beforeMs) return
      await removeFile(this.#path(name))
    }
  }

  async #writtenAtMs(name: string): Promise<number> {
    const [first] = (await readFile(this.#path(name), 'utf8')).split('\n', 1)
    return (JSON.parse(first!) as { commitInfo: { timestamp: number } }).commitInfo.timestamp
  }

  async #lastCheckpoint(): Promise<number | null> {
    try {
      const { version } = JSON.parse(await readFile(this.#path('_last_checkpoint'), 'utf8')) as { version: number }
      return version
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async #checkpointed(version: number): Promise<Action[]> {
    const place = quoteText(this.#path(checkpointName(version)))
    const rows = await this.#connection.rows<{ action: string }>(
      `SELECT to_json({add: add, metaData: metaData})::VARCHAR AS action FROM read_parquet(${place})`,
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

function apply(
  state: { id: string; schema: string | null; files: Map<string, TableFile> },
  { add, remove, metaData }: Action,
): void {
  if (metaData) Object.assign(state, { id: metaData.id, schema: metaData.schemaString })
  if (remove) state.files.delete(remove.path)
  if (add) state.files.set(add.path, fileOf(add))
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

function metaData({ id, schema }: Pick<TableState, 'id' | 'schema'>, { properties, atMs }: TableVersion): object {
  return {
    id,
    format: { provider: 'parquet', options: {} },
    schemaString: schema,
    partitionColumns: [],
    configuration: properties,
    createdTime: atMs,
  }
}

function commitInfo({ atMs, properties }: TableVersion, operation: string): object {
  return { timestamp: atMs, operation, operationParameters: {}, engineInfo: 'Watershed', ...properties }
}
