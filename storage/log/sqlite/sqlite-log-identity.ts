/** What a file of the embedded log says of itself: its tables, and whose log it is. */
import { randomUUID } from 'node:crypto'
import { StorageFileError } from '../../sqlite/sqlite-fault.ts'
import type { SqliteFile } from '../../sqlite/sqlite-file.ts'

/** 'Wlog' */
export const APPLICATION_ID = 0x57_6c_6f_67

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log_identity (id INTEGER PRIMARY KEY CHECK (id = 1), identity TEXT NOT NULL, dataset TEXT NOT NULL, partitions INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_ends (partition INTEGER PRIMARY KEY, start INTEGER NOT NULL, "end" INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_blocks (partition INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL, at_ms INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS log_blocks_place ON log_blocks (partition, start);
`

/** Whose log a file is, or is to be. */
export interface LogOwner {
  readonly file: string
  readonly dataset: string
  readonly partitions: number
}

/** Writes the log's identity into a new file, or reads it from an existing one. */
export async function claim(file: SqliteFile, options: LogOwner): Promise<string> {
  const look = file.prepare('SELECT identity, dataset, partitions FROM log_identity')
  if ((await file.look('opening it', () => look.get())) === undefined) {
    await file.write('creating it', () => {
      file
        .prepare('INSERT OR IGNORE INTO log_identity VALUES (1, ?, ?, ?)')
        .run(randomUUID(), options.dataset, options.partitions)
      const { partitions } = look.get() as { partitions: number }
      const end = file.prepare('INSERT OR IGNORE INTO log_ends VALUES (?, 0, 0)')
      for (let partition = 0; partition < partitions; partition++) end.run(partition)
    })
  }
  const stored = (await file.look('opening it', () => look.get())) as {
    identity: string
    dataset: string
    partitions: number
  }
  const wrong = mismatch(stored, options)
  if (wrong) throw new StorageFileError(options.file, 'foreign', `log ${options.file}: ${wrong}`)
  return stored.identity
}

function mismatch(stored: { readonly dataset: string; readonly partitions: number }, options: LogOwner): string | null {
  if (stored.dataset !== options.dataset) return `it belongs to dataset '${stored.dataset}', not '${options.dataset}'`
  if (stored.partitions !== options.partitions)
    return `it has ${stored.partitions} partitions, but ${options.partitions} are configured; keep ${stored.partitions}`
  return null
}
