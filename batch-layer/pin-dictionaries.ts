/** Dictionaries as a generation pins them: one Parquet file per dictionary with the entries of one version. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { DictionaryPin, GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedFile, StagedGeneration } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { Emit } from '#telemetry/emit.ts'
import { DictionarySource, type NewestVersion } from './dictionary-source.ts'
import { writeParquet } from './write-parquet.ts'

const ENTRIES_PER_INSERT = 5_000
/** maximum number of missing keys per dictionary that a run reports */
const UNKNOWN_KEYS_TOLD_MAX = 10_000

export type DictionaryPins = Readonly<Record<string, DictionaryPin>>

/** Destination of a generation's files. */
export type GenerationFiles = Pick<StagedGeneration, 'stageFile' | 'refer'>

/** The part of a run that pins dictionaries. */
export interface DictionaryPinning {
  /** whether a dictionary has a version other than the one that the base generation pinned */
  changed(base: GenerationManifest | null): Promise<boolean>
  /** Writes the newest version and counts its missing keys; null if the dictionary was never published. */
  pin(
    name: string,
    base: GenerationManifest | null,
    views: GenerationManifest['views'],
    generation: GenerationFiles,
  ): Promise<DictionaryPin | null>
}

export interface PinningParts {
  readonly connection: EngineConnection
  readonly dataset: CompiledDataset
  readonly store: DictionaryStore
  readonly lake: Pick<Lake, 'check' | 'resolve'>
  readonly emit: Emit
  /** called with at most UNKNOWN_KEYS_TOLD_MAX keys that a pinned dictionary lacks, to be fetched for a later run */
  readonly onUnknownKeys?: ((dictionary: string, keys: readonly string[]) => void) | undefined
}

export class DuckDbPinning implements DictionaryPinning {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #source: DictionarySource
  readonly #lake: Pick<Lake, 'check' | 'resolve'>
  readonly #onUnknownKeys: PinningParts['onUnknownKeys']

  constructor(parts: PinningParts) {
    this.#connection = parts.connection
    this.#dataset = parts.dataset
    this.#source = new DictionarySource(parts.store, parts.dataset.name, parts.emit)
    this.#lake = parts.lake
    this.#onUnknownKeys = parts.onUnknownKeys
  }

  async changed(base: GenerationManifest | null): Promise<boolean> {
    for (const name of this.#dataset.dictionaries) {
      if (await this.#source.changed(name, base?.dictionaries[name]?.version)) return true
    }
    return false
  }

  async pin(
    name: string,
    base: GenerationManifest | null,
    views: GenerationManifest['views'],
    generation: GenerationFiles,
  ): Promise<DictionaryPin | null> {
    const pinned = base?.dictionaries[name]
    const newer = await this.#source.newer(name, pinned?.version)
    if (newer === null && pinned === undefined) return null
    const written =
      newer === null
        ? { version: pinned!.version, file: await generation.refer('dictionaries', name, pinned!.file) }
        : await this.#writeEntries(newer, await generation.stageFile('dictionaries', name))
    return { ...written, ...(await this.#countUnknown(name, written.file, views)) }
  }

  async #writeEntries(
    { version, entries }: NewestVersion,
    staged: StagedFile,
  ): Promise<{ version: string; file: LakeFile }> {
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
  async #countUnknown(
    name: string,
    pinned: LakeFile,
    views: GenerationManifest['views'],
  ): Promise<Pick<DictionaryPin, 'unknownKeys' | 'unknownByLookup'>> {
    const asked = [...this.#dataset.views.values()].flatMap((view) => askedOf(view, name))
    if (asked.length === 0) return { unknownKeys: 0, unknownByLookup: {} }
    await this.#lake.check([pinned, ...asked.flatMap(({ view }) => views[view.name]!.files)])
    const resolve = (file: LakeFile): string => this.#lake.resolve(file)
    const keys = asked.map(({ view, key, list }, place) => {
      const states = `(SELECT * FROM ${readParquetSql(views[view.name]!.files.map(resolve))})`
      return `SELECT ${place} AS place, key FROM (${keysSql(view, states, key, list)})`
    })
    const unknown = `(SELECT * FROM (${keys.join(' UNION ALL ')}) WHERE key IS NOT NULL) AS wanted
        ANTI JOIN ${readParquetSql([resolve(pinned)])} AS pinned ON wanted.key = pinned.key`
    const counts = await this.#connection.rows<{ place: number | null; unknown: number }>(
      `SELECT place, count(DISTINCT key) AS unknown FROM ${unknown} GROUP BY GROUPING SETS ((place), ())`,
    )
    const countAt = (place: number | null): number => counts.find((row) => row.place === place)?.unknown ?? 0
    if (countAt(null) > 0) await this.#tellUnknown(name, unknown)
    const byLookup = asked.flatMap(({ view, lookups }, place) =>
      lookups.map((lookup) => [`${view.name}.${lookup}`, countAt(place)]),
    )
    return { unknownKeys: countAt(null), unknownByLookup: Object.fromEntries(byLookup) }
  }

  async #tellUnknown(name: string, unknown: string): Promise<void> {
    if (this.#onUnknownKeys === undefined) return
    const lacking = `SELECT DISTINCT key FROM ${unknown} ORDER BY key LIMIT ${UNKNOWN_KEYS_TOLD_MAX}`
    const told = await this.#connection.rows<{ key: string }>(lacking)
    this.#onUnknownKeys(
      name,
      told.map(({ key }) => key),
    )
  }
}

/** A key of a view, and the lookups that use it. */
interface AskedKey {
  readonly view: CompiledView
  readonly key: string
  readonly list: boolean
  readonly lookups: readonly string[]
}

function askedOf(view: CompiledView, dictionary: string): AskedKey[] {
  const own = view.lookups.filter((lookup) => lookup.dictionary === dictionary)
  return [...Map.groupBy(own, ({ key }) => key)].map(([key, lookups]) => ({
    view,
    key,
    list: lookups[0]!.list,
    lookups: lookups.map(({ name }) => name),
  }))
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
