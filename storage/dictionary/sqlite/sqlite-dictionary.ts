/** The embedded dictionary: one SQLite file with complete versions side by side; the highest number is a dictionary's newest one. */
import type { StatementSync } from 'node:sqlite'
import { SqliteFile } from '#storage/sqlite/sqlite-file.ts'
import type { DictionaryEntry, DictionaryStore } from '../dictionary.ts'
import {
  DICTIONARY_VERSIONS_MAX,
  type DictionaryRow,
  entryOf,
  sortedRows,
  VersionGoneError,
  versionOf,
} from '../dictionary-content.ts'

/** 'Wdic' */
const APPLICATION_ID = 0x57_64_69_63
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS versions (dictionary TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (dictionary, version));
  CREATE TABLE IF NOT EXISTS entries (dictionary TEXT NOT NULL, version TEXT NOT NULL, key TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (dictionary, version, key));
`

export class SqliteDictionary implements DictionaryStore {
  readonly #file: SqliteFile
  readonly #newest: StatementSync

  /** @throws StorageFileError */
  static async open(options: { readonly file: string }): Promise<SqliteDictionary> {
    const kind = { what: 'dictionary', applicationId: APPLICATION_ID, format: 1, schema: SCHEMA } as const
    return new SqliteDictionary(await SqliteFile.open({ ...options, ...kind, synchronous: 'FULL' }))
  }

  private constructor(file: SqliteFile) {
    this.#file = file
    this.#newest = file.prepare('SELECT version FROM versions WHERE dictionary = ? ORDER BY number DESC LIMIT 1')
  }

  /** @throws RangeError if a key occurs twice with different attributes, or there are too many entries; StorageFileError */
  async publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string> {
    const rows = sortedRows(dictionary, entries)
    const version = versionOf(rows)
    if ((await this.version(dictionary)) === version) return version
    await this.#file.write(`publishing dictionary '${dictionary}'`, () => this.#replace(dictionary, version, rows))
    return version
  }

  async version(dictionary: string): Promise<string | null> {
    const row = await this.#file.look(`reading the version of dictionary '${dictionary}'`, () =>
      this.#newest.get(dictionary),
    )
    return (row?.version as string | undefined) ?? null
  }

  async entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]> {
    const rows = await this.#file.read(`reading dictionary '${dictionary}'`, () => {
      if (!this.#isKept(dictionary, version)) throw new VersionGoneError(dictionary, version)
      return this.#file
        .prepare('SELECT key, attributes FROM entries WHERE dictionary = ? AND version = ? ORDER BY key')
        .all(dictionary, version)
    })
    return rows.map((row) => entryOf([row.key as string, row.attributes as string]))
  }

  async close(): Promise<void> {
    this.#file.close()
  }

  #replace(dictionary: string, version: string, rows: readonly DictionaryRow[]): void {
    const kept = this.#isKept(dictionary, version)
    this.#file
      .prepare(
        'INSERT OR REPLACE INTO versions SELECT ?1, ?2, coalesce(max(number), 0) + 1 FROM versions WHERE dictionary = ?1',
      )
      .run(dictionary, version)
    const insert = this.#file.prepare('INSERT INTO entries VALUES (?, ?, ?, ?)')
    if (!kept) for (const [key, attributes] of rows) insert.run(dictionary, version, key, attributes)
    this.#forgetOld(dictionary)
  }

  #isKept(dictionary: string, version: string): boolean {
    const kept = this.#file.prepare('SELECT 1 FROM versions WHERE dictionary = ? AND version = ?')
    return kept.get(dictionary, version) !== undefined
  }

  #forgetOld(dictionary: string): void {
    const old = this.#file
      .prepare('SELECT version FROM versions WHERE dictionary = ? ORDER BY number DESC LIMIT -1 OFFSET ?')
      .all(dictionary, DICTIONARY_VERSIONS_MAX)
    for (const { version } of old)
      for (const table of ['entries', 'versions'])
        this.#file
          .prepare(`DELETE FROM ${table} WHERE dictionary = ? AND version = ?`)
          .run(dictionary, version as string)
  }
}
