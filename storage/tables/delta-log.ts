/**
 * The log of one Delta table, in a folder or a bucket: each version is put whole where there is none, so that a reader sees a version or
 * none of it, and of two writers one fails. The next version is asked for by its name, never looked for in a listing.
 * Format: https://github.com/delta-io/delta/blob/master/PROTOCOL.md (actions, checkpoints). One writer at a time: the holder of the batch lock.
 */
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path/posix'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '../engine/engine-connection.ts'
import { UNFINISHED } from '../lake/local/durable-files.ts'
import type { TablePlace } from '../lake/table-place.ts'
import {
  type Action,
  addOf,
  apply,
  type Building,
  commitInfo,
  isRemoval,
  linesOf,
  metaData,
  PROTOCOL,
  removeOf,
} from './delta-actions.ts'
import { KeptStates } from './kept-states.ts'
import type { TableState, TableVersion } from './table-state.ts'

/** Versions between two checkpoints: a reader reads at most that many small files. A checkpoint names all files of the table: of many, fewer are written. */
const CHECKPOINT_EVERY = 20
const LARGE_CHECKPOINT_EVERY = 100
const LARGE_TABLE_FILES = 10_000
/** Versions before the last checkpoint are kept for this long at least, for readers that began with them; checkpoints name files that were removed since. */
const VERSIONS_KEPT_MS = 24 * 3_600_000
/** a text or file that is not complete and was not touched for this long is of a process that died */
const ORPHAN_MS = 3_600_000

/** The actions that a checkpoint holds, as the columns of its Parquet. */
const CHECKPOINT_COLUMNS = `{
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
  metaData: 'STRUCT(id VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR))',
  remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN)'
}`

export class DeltaLog {
  readonly #place: TablePlace
  readonly #folder: string
  readonly #connection: EngineConnection
  readonly #kept: KeptStates

  /** @param table the table's folder in the place; '' for the place itself */
  constructor(place: TablePlace, table: string, connection: EngineConnection) {
    this.#place = place
    this.#folder = join(table, '_delta_log')
    this.#connection = connection
    this.#kept = KeptStates.of(place)
  }

  /** The newest version, read from the last one on that was read or written at this place; otherwise from the last checkpoint on. */
  async read(): Promise<TableState> {
    const known = await this.#known()
    let after = known ?? (await this.#fromCheckpoint())
    let newest: string | null = null
    let building: Building | null = null
    for (;;) {
      const text = await this.#place.read(this.#versionPath(after.version + 1))
      if (text === null) break
      building ??= { ...after, files: new Map(after.files), removed: new Map(after.removed) }
      for (const line of text.split('\n')) if (line !== '') apply(building, JSON.parse(line) as Action)
      after = { ...building, version: after.version + 1 }
      newest = text
    }
    if (known === null && newest === null && after.version >= 0)
      newest = await this.#place.read(this.#versionPath(after.version))
    if (newest !== null) this.#kept.keep(this.#folder, after, newest)
    return after
  }

  /** What was read or written last, if the log still has that version; null otherwise. */
  async #known(): Promise<TableState | null> {
    const state = this.#kept.get(this.#folder)
    if (state === null) return null
    const text = await this.#place.read(this.#versionPath(state.version))
    return this.#kept.isOf(this.#folder, text) ? state : null
  }

  async #fromCheckpoint(): Promise<TableState> {
    const checkpoint = await this.#lastCheckpoint()
    const building: Building = {
      ...{ id: randomUUID(), createdAtMs: null, schema: null, properties: {} },
      ...{ files: new Map(), removed: new Map() },
    }
    if (checkpoint !== null) for (const action of await this.#checkpointed(checkpoint)) apply(building, action)
    return { ...building, version: checkpoint ?? -1 }
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
    const text = linesOf(actions)
    if (!(await this.#place.create(this.#versionPath(state.version), text)))
      throw new Error(
        `version ${state.version} of the Delta table in '${this.#place.nameOf(this.#folder)}' was written by somebody else; nothing but Watershed may write there: remove this folder, and the next batch run makes it anew`,
      )
    this.#kept.keep(this.#folder, state, text)
    if (state.version === 0 || state.version % checkpointEvery(state) !== 0) return state
    const sinceMs = next.atMs - Math.max(VERSIONS_KEPT_MS, next.graceMs)
    const left = { ...state, removed: new Map([...removed].filter(([, atMs]) => atMs >= sinceMs)) }
    await this.#checkpoint(left, sinceMs)
    this.#kept.keep(this.#folder, left, text)
    return left
  }

  async #checkpoint(state: TableState, sinceMs: number): Promise<void> {
    const actions = [
      { protocol: PROTOCOL },
      { metaData: metaData(state) },
      ...[...state.removed].map(([path, atMs]) => ({ remove: removeOf(path, atMs, false) })),
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

  #versionPath(version: number): string {
    return this.#path(`${versionName(version)}.json`)
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

function versionName(version: number): string {
  return String(version).padStart(20, '0')
}

function checkpointEvery({ files }: TableState): number {
  return files.size < LARGE_TABLE_FILES ? CHECKPOINT_EVERY : LARGE_CHECKPOINT_EVERY
}

function checkpointName(version: number): string {
  return `${versionName(version)}.checkpoint.parquet`
}
