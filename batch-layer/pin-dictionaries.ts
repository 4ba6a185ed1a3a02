/** Dictionaries as a generation pins them: one Parquet file per dictionary with the entries of one version. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { DictionaryPin, GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedFile, StagedGeneration } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { Emit } from '#telemetry/emit.ts'
import { DictionarySource, type NewestVersion } from './dictionary-source.ts'
import type { RunPlan } from './plan-run.ts'
import { UnknownKeys } from './unknown-keys.ts'
import { writeParquet } from './write-parquet.ts'

const ENTRIES_PER_INSERT = 5_000

export type DictionaryPins = Readonly<Record<string, DictionaryPin>>

/** Destination of a generation's files. */
export type GenerationFiles = Pick<StagedGeneration, 'stageFile' | 'refer'>

/** What a run that pins a dictionary builds on, and what it has written. */
export interface PinnedRun {
  readonly base: GenerationManifest | null
  readonly plans: RunPlan['views']
  readonly views: GenerationManifest['views']
  readonly generation: GenerationFiles
}

/** The part of a run that pins dictionaries. */
export interface DictionaryPinning {
  /** whether a dictionary has a version other than the one that the base generation pinned */
  changed(base: GenerationManifest | null): Promise<boolean>
  /** Writes the newest version and counts its missing keys; null if the dictionary was never published. */
  pin(name: string, run: PinnedRun): Promise<DictionaryPin | null>
}

export interface PinningParts {
  readonly connection: EngineConnection
  readonly dataset: CompiledDataset
  readonly store: DictionaryStore
  readonly lake: Pick<Lake, 'check' | 'resolve'>
  readonly emit: Emit
  /** called with a bounded number of keys that a pinned dictionary lacks, to be fetched for a later run */
  readonly onUnknownKeys?: ((dictionary: string, keys: readonly string[]) => void) | undefined
}

export class DuckDbPinning implements DictionaryPinning {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #source: DictionarySource
  readonly #unknown: UnknownKeys
  readonly #onUnknownKeys: PinningParts['onUnknownKeys']

  constructor(parts: PinningParts) {
    this.#connection = parts.connection
    this.#dataset = parts.dataset
    this.#source = new DictionarySource(parts.store, parts.dataset.name, parts.emit)
    this.#unknown = new UnknownKeys(parts.connection, parts.dataset, parts.lake)
    this.#onUnknownKeys = parts.onUnknownKeys
  }

  async changed(base: GenerationManifest | null): Promise<boolean> {
    for (const name of this.#dataset.dictionaries) {
      if (await this.#source.changed(name, base?.dictionaries[name]?.version)) return true
    }
    return false
  }

  async pin(name: string, { base, plans, views, generation }: PinnedRun): Promise<DictionaryPin | null> {
    const pinned = base?.dictionaries[name]
    const newer = await this.#source.newer(name, pinned?.version)
    if (newer === null && pinned === undefined) return null
    const written =
      newer === null
        ? { version: pinned!.version, file: await generation.refer('dictionaries', name, pinned!.file) }
        : await this.#writeEntries(newer, await generation.stageFile('dictionaries', name))
    const tell = this.#onUnknownKeys && ((keys: readonly string[]) => this.#onUnknownKeys!(name, keys))
    const input = { dictionary: name, pinned: written.file, before: pinned, plans, views, generation }
    return { ...written, ...(await this.#unknown.count(input, tell)) }
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
}
