/** Dictionaries as a generation pins them: one Parquet file per dictionary with the entries of one version. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { DictionaryEntry, DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { DictionaryPin, GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { StagedFile, StagedGeneration } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { writeParquet } from './write-parquet.ts'

const ENTRIES_PER_INSERT = 5_000
/** a version can be dropped between asking for it and reading it, when dictionaries are published quickly one after the other */
const VERSION_TRIES = 3

export type DictionaryPins = Readonly<Record<string, DictionaryPin>>

/** Where a generation's files go. */
export type GenerationFiles = Pick<StagedGeneration, 'stageFile' | 'takeOver'>

/** The part of a run that pins dictionaries. */
export interface DictionaryPinning {
  /** true when a dictionary has another version than the base generation pinned */
  changed(base: GenerationManifest | null): Promise<boolean>
  /** Writes the newest version and counts the keys that it lacks; null when the dictionary was never published. */
  pin(
    name: string,
    base: GenerationManifest | null,
    views: GenerationManifest['views'],
    generation: GenerationFiles,
  ): Promise<DictionaryPin | null>
}

export class DuckDbPinning implements DictionaryPinning {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #store: DictionaryStore
  readonly #resolve: (file: LakeFile) => string

  constructor(
    connection: EngineConnection,
    dataset: CompiledDataset,
    store: DictionaryStore,
    resolve: (file: LakeFile) => string,
  ) {
    this.#connection = connection
    this.#dataset = dataset
    this.#store = store
    this.#resolve = resolve
  }

  async changed(base: GenerationManifest | null): Promise<boolean> {
    for (const name of this.#dataset.dictionaries) {
      const version = await this.#store.version(name)
      if (version !== null && version !== base?.dictionaries[name]?.version) return true
    }
    return false
  }

  async pin(
    name: string,
    base: GenerationManifest | null,
    views: GenerationManifest['views'],
    generation: GenerationFiles,
  ): Promise<DictionaryPin | null> {
    const version = await this.#store.version(name)
    if (version === null) return null
    const fileName = `${name}.dictionary.parquet`
    const pinned = base?.dictionaries[name]
    const written =
      pinned?.version === version
        ? { version, file: await generation.takeOver(pinned.file, fileName) }
        : await this.#writeEntries(name, await generation.stageFile(fileName))
    return { ...written, unknownKeys: await this.#countUnknown(name, written.file, views) }
  }

  async #writeEntries(name: string, staged: StagedFile): Promise<{ version: string; file: LakeFile }> {
    const { version, entries } = await newestEntries(this.#store, name)
    await this.#connection.run(
      'CREATE OR REPLACE TEMP TABLE pinned_entries (key VARCHAR, attributes MAP(VARCHAR, VARCHAR))',
    )
    for (let from = 0; from < entries.length; from += ENTRIES_PER_INSERT) {
      const some = entries.slice(from, from + ENTRIES_PER_INSERT)
      await this.#connection.run(
        `INSERT INTO pinned_entries SELECT entry.key, entry.attributes FROM
          (SELECT unnest(from_json($entries::JSON, '[{"key":"VARCHAR","attributes":"MAP(VARCHAR,VARCHAR)"}]')) AS entry)`,
        { entries: JSON.stringify(some.map(({ key, attributes }) => ({ key, attributes }))) },
      )
    }
    const rows = await writeParquet(this.#connection, 'SELECT * FROM pinned_entries ORDER BY key', staged.writePath)
    await this.#connection.run('DROP TABLE pinned_entries')
    return { version, file: await staged.finish(rows) }
  }

  /** Distinct keys that the views' presented rows look up and that the dictionary does not have. NULL is no key. */
  async #countUnknown(name: string, pinned: LakeFile, views: GenerationManifest['views']): Promise<number> {
    const keys = [...this.#dataset.views.values()].flatMap((view) => {
      const wanted = new Map(
        view.lookups.filter((lookup) => lookup.dictionary === name).map((lookup) => [lookup.key, lookup.list]),
      )
      const { files } = views[view.name]!
      const states = `(SELECT * FROM ${readParquetSql(files.map(this.#resolve))})`
      return [...wanted].map(([key, list]) => keysSql(view, states, key, list))
    })
    if (keys.length === 0) return 0
    const [row] = await this.#connection.rows<{ unknown: number }>(
      `SELECT count(*) AS unknown FROM (SELECT DISTINCT key FROM (${keys.join(' UNION ALL ')}) WHERE key IS NOT NULL) AS wanted
        ANTI JOIN ${readParquetSql([this.#resolve(pinned)])} AS pinned ON wanted.key = pinned.key`,
    )
    return row!.unknown
  }
}

async function newestEntries(
  store: DictionaryStore,
  name: string,
): Promise<{ version: string; entries: readonly DictionaryEntry[] }> {
  for (let tries = 1; ; tries++) {
    const version = await store.version(name)
    if (version === null) throw new Error(`dictionary '${name}' was published, but is gone now; publish it again`)
    try {
      return { version, entries: await store.entries(name, version) }
    } catch (error) {
      if (tries === VERSION_TRIES) throw error
    }
  }
}

function keysSql(view: CompiledView, states: string, key: string, list: boolean): string {
  const column = quoteName(key)
  const isDimension = view.dimensions.some((dimension) => dimension.name === key)
  const merged = `(${view.mergeSql(states, undefined, [key])})`
  const presented = isDimension ? states : `(${view.presentSql(merged, [], [key])})`
  return list
    ? `SELECT DISTINCT unnest(${column})::VARCHAR AS key FROM ${presented}`
    : `SELECT DISTINCT ${column}::VARCHAR AS key FROM ${presented}`
}
