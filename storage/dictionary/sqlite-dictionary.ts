/** The embedded dictionary: one SQLite file, whole versions side by side, the newest of each dictionary named by a pointer row. */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import type { DictionaryEntry, DictionaryStore } from './dictionary.ts'

/** versions kept per dictionary */
export const DICTIONARY_VERSIONS_MAX = 10

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS versions (dictionary TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (dictionary, version));
  CREATE TABLE IF NOT EXISTS entries (dictionary TEXT NOT NULL, version TEXT NOT NULL, key TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (dictionary, version, key));
`

export class SqliteDictionary implements DictionaryStore {
  readonly #db: DatabaseSync

  static async open(options: { readonly file: string }): Promise<SqliteDictionary> {
    try {
      const db = new DatabaseSync(options.file, { timeout: 10_000 })
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      db.exec(SCHEMA)
      return new SqliteDictionary(db)
    } catch (error) {
      throw new Error(
        `dictionary ${options.file}: ${(error as Error).message}; check that its folder exists, can be written and has space`,
        { cause: error },
      )
    }
  }

  private constructor(db: DatabaseSync) {
    this.#db = db
  }

  async publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string> {
    const rows = new Map(
      [...entries].map(({ key, attributes }) => [
        key,
        JSON.stringify(Object.fromEntries(Object.entries(attributes).sort())),
      ]),
    )
    const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
    const version = createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)
    if ((await this.version(dictionary)) === version) return version
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      this.#db
        .prepare(
          'INSERT OR REPLACE INTO versions SELECT ?1, ?2, coalesce(max(number), 0) + 1 FROM versions WHERE dictionary = ?1',
        )
        .run(dictionary, version)
      const insert = this.#db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)')
      for (const [key, attributes] of sorted) insert.run(dictionary, version, key, attributes)
      this.#forgetOld(dictionary)
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
    return version
  }

  async version(dictionary: string): Promise<string | null> {
    const row = this.#db
      .prepare('SELECT version FROM versions WHERE dictionary = ? ORDER BY number DESC LIMIT 1')
      .get(dictionary)
    return (row?.version as string | undefined) ?? null
  }

  async entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]> {
    const known = this.#db
      .prepare('SELECT 1 FROM versions WHERE dictionary = ? AND version = ?')
      .get(dictionary, version)
    if (known === undefined) throw new Error(`dictionary '${dictionary}': version ${version} is not kept any more`)
    const rows = this.#db
      .prepare('SELECT key, attributes FROM entries WHERE dictionary = ? AND version = ? ORDER BY key')
      .all(dictionary, version)
    return rows.map((row) => ({
      key: row.key as string,
      attributes: JSON.parse(row.attributes as string) as Record<string, string>,
    }))
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close()
  }

  #forgetOld(dictionary: string): void {
    const old = this.#db
      .prepare('SELECT version FROM versions WHERE dictionary = ? ORDER BY number DESC LIMIT -1 OFFSET ?')
      .all(dictionary, DICTIONARY_VERSIONS_MAX)
    for (const { version } of old) {
      this.#db.prepare('DELETE FROM entries WHERE dictionary = ? AND version = ?').run(dictionary, version as string)
      this.#db.prepare('DELETE FROM versions WHERE dictionary = ? AND version = ?').run(dictionary, version as string)
    }
  }
}
