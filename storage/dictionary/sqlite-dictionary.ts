/** The embedded dictionary: one SQLite file, whole versions side by side; the highest number is the newest of a dictionary. */
import { createHash } from 'node:crypto'
import type { StatementSync } from 'node:sqlite'
import { SqliteFile } from '#storage/log/sqlite-file.ts'
import type { DictionaryEntry, DictionaryStore } from './dictionary.ts'

/** versions kept per dictionary */
export const DICTIONARY_VERSIONS_MAX = 10
/** entries of one version */
export const DICTIONARY_ENTRIES_MAX = 1_000_000

/** 'Wdic' */
const APPLICATION_ID = 0x57_64_69_63
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS versions (dictionary TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (dictionary, version));
  CREATE TABLE IF NOT EXISTS entries (dictionary TEXT NOT NULL, version TEXT NOT NULL, key TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (dictionary, version, key));
`

/** key and attributes as JSON text */
type Row = readonly [key: string, attributes: string]

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

  /** @throws RangeError when a key comes twice with different attributes, or entries are too many; StorageFileError */
  async publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string> {
    const rows = sortedRows(dictionary, entries)
    const version = createHash('sha256').update(JSON.stringify(rows)).digest('hex')
    if ((await this.version(dictionary)) === version) return version
    await this.#file.write(`publishing dictionary '${dictionary}'`, () => this.#replace(dictionary, version, rows))
    return version
  }

  async version(dictionary: string): Promise<string | null> {
    const row = await this.#file.look(`looking for dictionary '${dictionary}'`, () => this.#newest.get(dictionary))
    return (row?.version as string | undefined) ?? null
  }

  async entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]> {
    const rows = await this.#file.read(`reading dictionary '${dictionary}'`, () => {
      if (!this.#isKept(dictionary, version))
        throw new Error(
          `dictionary '${dictionary}': version ${version} is not kept any more (the newest ${DICTIONARY_VERSIONS_MAX} are); enrich again with the newest`,
        )
      return this.#file
        .prepare('SELECT key, attributes FROM entries WHERE dictionary = ? AND version = ? ORDER BY key')
        .all(dictionary, version)
    })
    return rows.map((row) => ({
      key: row.key as string,
      attributes: JSON.parse(row.attributes as string) as Record<string, string>,
    }))
  }

  async close(): Promise<void> {
    this.#file.close()
  }

  #replace(dictionary: string, version: string, rows: readonly Row[]): void {
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

/** The same rows for the same content, in whatever order it comes. */
function sortedRows(dictionary: string, entries: Iterable<DictionaryEntry>): Row[] {
  const rows = new Map<string, string>()
  for (const { key, attributes } of entries) {
    const text = JSON.stringify(Object.fromEntries(Object.entries(attributes).sort(byName)))
    const before = rows.get(key)
    if (before !== undefined && before !== text)
      throw new RangeError(
        `dictionary '${dictionary}': key '${key}' comes twice, with ${before} and ${text}; keep one of them`,
      )
    rows.set(key, text)
    if (rows.size > DICTIONARY_ENTRIES_MAX)
      throw new RangeError(`dictionary '${dictionary}': more than DICTIONARY_ENTRIES_MAX = ${DICTIONARY_ENTRIES_MAX}`)
  }
  return [...rows].sort(byName)
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : Number(a > b)
}
