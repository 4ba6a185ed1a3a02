/** The positions of sources, in the log's file: changed in the transaction of the append that they belong to. Called inside transactions. */
import type { StatementSync } from 'node:sqlite'
import type { SqliteFile } from '#storage/sqlite/sqlite-file.ts'
import {
  advanced,
  changed,
  newPosition,
  type SourceAppend,
  type SourceChange,
  SourceMovedError,
  type SourcePosition,
} from '../source-ledger.ts'

const TABLE = `CREATE TABLE IF NOT EXISTS log_sources (source TEXT PRIMARY KEY, epoch INTEGER NOT NULL, cursor TEXT, paused INTEGER,
  events INTEGER NOT NULL, at_ms INTEGER)`

interface SourceRow {
  readonly source: string
  readonly epoch: number
  readonly cursor: string | null
  readonly paused: number | null
  readonly events: number
  readonly at_ms: number | null
}

export class SqliteSources {
  readonly #list: StatementSync
  readonly #find: StatementSync
  readonly #put: StatementSync

  /** In a log of an earlier version there is no table of sources yet. */
  static async open(file: SqliteFile): Promise<SqliteSources> {
    await file.write('preparing the table of sources', () => file.prepare(TABLE).run())
    return new SqliteSources(file)
  }

  private constructor(file: SqliteFile) {
    this.#list = file.prepare('SELECT * FROM log_sources ORDER BY source')
    this.#find = file.prepare('SELECT * FROM log_sources WHERE source = ?')
    this.#put = file.prepare('INSERT OR REPLACE INTO log_sources VALUES (?, ?, ?, ?, ?, ?)')
  }

  list(): SourcePosition[] {
    return (this.#list.all() as unknown as readonly SourceRow[]).map(positionOf)
  }

  change(source: string, change: SourceChange): SourcePosition {
    return this.#store(changed(this.#position(source), change))
  }

  /** @throws SourceMovedError */
  assertHeld({ source, epoch }: SourceAppend): void {
    if (this.#position(source).epoch !== epoch) throw new SourceMovedError(source)
  }

  advance({ source, cursor }: SourceAppend, records: number, atMs: number): void {
    this.#store(advanced(this.#position(source), cursor, records, atMs))
  }

  #position(source: string): SourcePosition {
    const row = this.#find.get(source) as SourceRow | undefined
    return row === undefined ? newPosition(source) : positionOf(row)
  }

  #store(position: SourcePosition): SourcePosition {
    const { source, epoch, cursor, paused, events, atMs } = position
    this.#put.run(source, epoch, cursor, paused === null ? null : Number(paused), events, atMs)
    return position
  }
}

function positionOf({ source, epoch, cursor, paused, events, at_ms }: SourceRow): SourcePosition {
  return { source, epoch, cursor, paused: paused === null ? null : paused === 1, events, atMs: at_ms }
}
