/**
 * The embedded speed store: one SQLite file per dataset. A flush is one transaction and a read is another, so a reader sees
 * partials and markers of one moment. synchronous=OFF: the store is a cache of open segments, which are replayed from the
 * log at every start; a file that a power cut tears is found at the next open and made anew.
 */
import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Offset, Positions } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { Marker, OpenPartials, PartialRow, SpeedStore } from './speed-store.ts'

export interface SqliteSpeedStoreOptions {
  readonly file: string
  readonly dataset: string
  readonly step?: StepHook
  /** told when a damaged file was replaced by an empty one */
  readonly onRebuilt?: (reason: string) => void
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS partials (view TEXT NOT NULL, partition INTEGER NOT NULL, segment_start INTEGER NOT NULL, key TEXT NOT NULL,
    pane INTEGER, version INTEGER NOT NULL, "row" TEXT NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS partials_identity ON partials (partition, segment_start, view, key);
  CREATE TABLE IF NOT EXISTS markers (partition INTEGER NOT NULL, segment_start INTEGER NOT NULL, through INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    "rows" INTEGER NOT NULL, dead_letters INTEGER NOT NULL, late_rows INTEGER NOT NULL, time_max_ms INTEGER, PRIMARY KEY (partition, segment_start));
`
const UPSERT_PARTIAL = `INSERT INTO partials VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, segment_start, view, key)
  DO UPDATE SET version = excluded.version, pane = excluded.pane, "row" = excluded."row" WHERE excluded.version >= version`
const UPSERT_MARKER = `INSERT INTO markers VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, segment_start)
  DO UPDATE SET through = excluded.through, at_ms = excluded.at_ms, "rows" = excluded."rows", dead_letters = excluded.dead_letters,
    late_rows = excluded.late_rows, time_max_ms = excluded.time_max_ms WHERE excluded.through >= through`

interface MarkerRow {
  partition: number
  segment_start: number
  through: number
  at_ms: number
  rows: number
  dead_letters: number
  late_rows: number
  time_max_ms: number | null
}

export class SqliteSpeedStore implements SpeedStore {
  readonly #db: DatabaseSync
  readonly #step: StepHook
  readonly #partial: StatementSync
  readonly #marker: StatementSync

  static async open(options: SqliteSpeedStoreOptions): Promise<SqliteSpeedStore> {
    try {
      return new SqliteSpeedStore(openDatabase(options.file), options)
    } catch (error) {
      if (!/malformed|not a database|corrupt/i.test((error as Error).message)) {
        throw new Error(
          `speed store ${options.file}: ${(error as Error).message}; check that its folder exists, can be written and has space`,
          { cause: error },
        )
      }
      options.onRebuilt?.(
        `speed store ${options.file} is damaged (${(error as Error).message}); made anew, the open segments are replayed from the log`,
      )
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${options.file}${suffix}`, { force: true })
      return new SqliteSpeedStore(openDatabase(options.file), options)
    }
  }

  private constructor(db: DatabaseSync, options: SqliteSpeedStoreOptions) {
    this.#db = db
    this.#step = options.step ?? noSteps
    this.#partial = db.prepare(UPSERT_PARTIAL)
    this.#marker = db.prepare(UPSERT_MARKER)
  }

  async flush(partials: readonly PartialRow[], marker: Marker): Promise<void> {
    await this.#step('flush:before')
    this.#transaction('BEGIN IMMEDIATE', () => {
      for (const p of partials) this.#partial.run(p.view, p.partition, p.segmentStart, p.key, p.pane, p.version, p.row)
      const { partition, segmentStart, through, atMs, rows, deadLetters, lateRows, timeMaxMs } = marker
      this.#marker.run(partition, segmentStart, through, atMs, rows, deadLetters, lateRows, timeMaxMs)
    })
    await this.#step('flush:written')
  }

  async read(views: readonly string[], starts: Positions): Promise<OpenPartials> {
    const markers = new Map<number, Marker>()
    const rows = new Map<string, string[]>(views.map((view) => [view, []]))
    this.#transaction('BEGIN', () => {
      const marker = this.#db.prepare('SELECT * FROM markers WHERE partition = ? AND segment_start = ?')
      const select = this.#db.prepare(
        'SELECT "row" FROM partials WHERE partition = ? AND segment_start = ? AND view = ?',
      )
      for (const [partition, start] of starts) {
        const found = marker.get(partition, start) as MarkerRow | undefined
        if (found === undefined) continue
        markers.set(partition, markerOf(found))
        for (const view of views) {
          const into = rows.get(view)!
          for (const entry of select.iterate(partition, start, view)) into.push(entry.row as string)
        }
      }
    })
    return { markers, rows }
  }

  async markers(): Promise<ReadonlyMap<number, Marker>> {
    const rows = this.#db
      .prepare('SELECT *, max(segment_start) FROM markers GROUP BY partition')
      .all() as unknown as MarkerRow[]
    return new Map(rows.map((row) => [row.partition, markerOf(row)]))
  }

  async deleteClosed(partition: number, before: Offset, limit: number): Promise<number> {
    let deleted = 0
    this.#transaction('BEGIN IMMEDIATE', () => {
      const partials = this.#db
        .prepare(
          'DELETE FROM partials WHERE rowid IN (SELECT rowid FROM partials WHERE partition = ? AND segment_start < ? LIMIT ?)',
        )
        .run(partition, before, limit)
      deleted = Number(partials.changes)
      if (deleted < limit) {
        deleted += Number(
          this.#db.prepare('DELETE FROM markers WHERE partition = ? AND segment_start < ?').run(partition, before)
            .changes,
        )
      }
    })
    return deleted
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close()
  }

  #transaction(begin: string, change: () => void): void {
    this.#db.exec(begin)
    try {
      change()
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 10_000 })
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 4000')
  db.exec(SCHEMA)
  const [check] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[]
  if (check?.quick_check !== 'ok') {
    db.close()
    throw new Error(`malformed: ${check?.quick_check}`)
  }
  return db
}

function markerOf(row: MarkerRow): Marker {
  return {
    partition: row.partition,
    segmentStart: row.segment_start,
    through: row.through,
    atMs: row.at_ms,
    rows: row.rows,
    deadLetters: row.dead_letters,
    lateRows: row.late_rows,
    timeMaxMs: row.time_max_ms,
  }
}
