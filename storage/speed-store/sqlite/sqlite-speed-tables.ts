/** The tables of the speed store's file, on one connection. Called inside transactions. */
import type { StatementSync } from 'node:sqlite'
import type { Offset, Positions } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'
import type { SqliteFile } from '#storage/sqlite/sqlite-file.ts'
import { damagedRow, rowChecksum } from '../row-checksum.ts'
import type { Marker, OpenPartials, PaneRange, PartialRow } from '../speed-store.ts'

export const SPEED_SCHEMA = `
  CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY CHECK (id = 1), dataset TEXT NOT NULL, log TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS partials (view TEXT NOT NULL, partition INTEGER NOT NULL, segment_start INTEGER NOT NULL, key TEXT NOT NULL,
    pane INTEGER, version INTEGER NOT NULL, "row" TEXT NOT NULL, crc INTEGER);
  CREATE UNIQUE INDEX IF NOT EXISTS partials_identity ON partials (partition, segment_start, view, key);
  CREATE TABLE IF NOT EXISTS markers (partition INTEGER NOT NULL, segment_start INTEGER NOT NULL, through INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    "rows" INTEGER NOT NULL, dead_letters INTEGER NOT NULL, late_rows INTEGER NOT NULL, time_max_ms INTEGER, views TEXT NOT NULL, last TEXT,
    PRIMARY KEY (partition, segment_start));
`
export const SPEED_FORMAT = 3
export const SPEED_UPGRADES = {
  2: 'ALTER TABLE partials ADD COLUMN crc INTEGER; ALTER TABLE markers ADD COLUMN last TEXT',
} as const
const UPSERT_PARTIAL = `INSERT INTO partials VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, segment_start, view, key)
  DO UPDATE SET version = excluded.version, pane = excluded.pane, "row" = excluded."row", crc = excluded.crc WHERE excluded.version >= version`
const UPSERT_MARKER = `INSERT INTO markers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, segment_start)
  DO UPDATE SET through = excluded.through, at_ms = excluded.at_ms, "rows" = excluded."rows", dead_letters = excluded.dead_letters,
    late_rows = excluded.late_rows, time_max_ms = excluded.time_max_ms, views = excluded.views, last = excluded.last WHERE excluded.through >= through`

interface MarkerRow {
  readonly partition: number
  readonly segment_start: number
  readonly through: number
  readonly at_ms: number
  readonly rows: number
  readonly dead_letters: number
  readonly late_rows: number
  readonly time_max_ms: number | null
  /** JSON array */
  readonly views: string
  /** JSON of a RecordPrint */
  readonly last: string | null
}

interface StoredPartial {
  readonly row: string
  /** null: written by a version that wrote none */
  readonly crc: number | null
}

export interface SpeedOwner {
  readonly dataset: string
  /** identity of the log whose offsets these are; '' when nobody said */
  readonly log: string
}

export class SqliteSpeedTables {
  readonly #file: SqliteFile
  readonly #upsertPartial: StatementSync
  readonly #upsertMarker: StatementSync
  readonly #marker: StatementSync
  readonly #rows: StatementSync
  readonly #newest: StatementSync
  readonly #deletePartials: StatementSync
  readonly #deleteMarkers: StatementSync

  constructor(file: SqliteFile) {
    this.#file = file
    this.#upsertPartial = file.prepare(UPSERT_PARTIAL)
    this.#upsertMarker = file.prepare(UPSERT_MARKER)
    this.#marker = file.prepare('SELECT * FROM markers WHERE partition = ? AND segment_start = ?')
    this.#rows = file.prepare(
      'SELECT key, "row", crc FROM partials WHERE partition = ? AND segment_start = ? AND view = ? AND (pane IS NULL OR pane >= ? AND pane < ?)',
    )
    this.#newest = file.prepare(
      'SELECT * FROM markers AS m WHERE segment_start = (SELECT max(segment_start) FROM markers WHERE partition = m.partition)',
    )
    this.#deletePartials = file.prepare(
      'DELETE FROM partials WHERE rowid IN (SELECT rowid FROM partials WHERE partition = ? AND segment_start < ? LIMIT ?)',
    )
    this.#deleteMarkers = file.prepare(
      'DELETE FROM markers WHERE rowid IN (SELECT rowid FROM markers WHERE partition = ? AND segment_start < ? LIMIT ?)',
    )
  }

  upsert(partials: readonly PartialRow[], marker: Marker): void {
    for (const { view, partition, segmentStart, key, pane, version, row } of partials)
      this.#upsertPartial.run(view, partition, segmentStart, key, pane, version, row, rowChecksum(row))
    const { partition, segmentStart, through, atMs, rows, deadLetters, lateRows, timeMaxMs } = marker
    const views = JSON.stringify(marker.views)
    const last = marker.last === undefined ? null : JSON.stringify(marker.last)
    this.#upsertMarker.run(partition, segmentStart, through, atMs, rows, deadLetters, lateRows, timeMaxMs, views, last)
  }

  /** @returns null if the rows have more than `bytesMax` bytes together */
  read(views: readonly string[], starts: Positions, bytesMax: number, panes: PaneRange = {}): OpenPartials | null {
    const { fromMs = Number.NEGATIVE_INFINITY, beforeMs = Number.POSITIVE_INFINITY } = panes
    let bytes = 0
    const markers = new Map<number, Marker>()
    const rows = new Map<string, string[]>(views.map((view) => [view, []]))
    for (const [partition, start] of starts) {
      const found = this.#marker.get(partition, start) as MarkerRow | undefined
      if (found === undefined) continue
      markers.set(partition, markerOf(found))
      for (const [view, into] of rows)
        for (const stored of this.#rows.iterate(partition, start, view, fromMs, beforeMs) as Iterable<unknown>) {
          const row = this.#checked(stored as StoredPartial, partition)
          bytes += row.length
          if (bytes > bytesMax) return null
          into.push(row)
        }
    }
    return { markers, rows }
  }

  #checked({ row, crc }: StoredPartial, partition: number): string {
    if (crc === null || crc === rowChecksum(row)) return row
    const { path } = this.#file
    throw new StorageFileError(path, 'damaged', damagedRow(`speed store ${path}`, partition))
  }

  newestMarkers(): ReadonlyMap<number, Marker> {
    const rows = this.#newest.all() as unknown as MarkerRow[]
    return new Map(rows.map((row) => [row.partition, markerOf(row)]))
  }

  /** How far the segment's partials reach; null when there is no marker. */
  through(partition: number, segmentStart: Offset): Offset | null {
    const found = this.#marker.get(partition, segmentStart) as MarkerRow | undefined
    return found?.through ?? null
  }

  /** Markers first: a marker says that its partials are there. */
  deleteBefore(partition: number, before: Offset, limit: number): number {
    const markers = Number(this.#deleteMarkers.run(partition, before, limit).changes)
    const left = limit - markers
    return markers + (left > 0 ? Number(this.#deletePartials.run(partition, before, left).changes) : 0)
  }

  /** Makes the file the store of `owner`. Returns who had it before: null for nobody. Another log's partials are dropped. */
  claim(owner: SpeedOwner): SpeedOwner | null {
    const found = this.#file.prepare('SELECT dataset, log FROM owner').get() as SpeedOwner | undefined
    if (found && found.dataset !== owner.dataset) return found
    if (found?.log && owner.log && found.log !== owner.log) {
      this.#file.prepare('DELETE FROM partials').run()
      this.#file.prepare('DELETE FROM markers').run()
    }
    this.#file
      .prepare('INSERT OR REPLACE INTO owner VALUES (1, ?, ?)')
      .run(owner.dataset, owner.log || (found?.log ?? ''))
    return found ?? null
  }
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
    views: JSON.parse(row.views) as string[],
    ...(row.last === null ? {} : { last: JSON.parse(row.last) as RecordPrint }),
  }
}
