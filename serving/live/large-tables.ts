/**
 * Large files of a generation as tables: made piece by piece, beside answers that read the files meanwhile, once a view is asked for again.
 * A file is in the order of its keys, so that it is read quickly by the first of their columns only. Each piece of a table has rows that follow one
 * another in the file, and thus a narrow range of that column, in an order of its own: by the column with the fewest distinct values
 * first. So the rows of one value lie together for each column, whichever the definition names first.
 */
import pLimit from 'p-limit'
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { LiveLimits } from './live-limits.ts'
import { ResidentTable, stateKeys } from './resident-table.ts'

/** Parquet bytes of one piece: it is decoded, sorted and added uncompressed */
const PIECE_BYTES_MAX = 8 * 1024 * 1024

/** Sums of integers. The engine (1.5.6) takes 0.5 µs to read a compressed value of this type, a hundred times as long as a BIGINT. */
const WIDE = 'DECIMAL(38,0)'
const NARROW = 'BIGINT'
/** below the largest BIGINT */
const NARROW_MAX = '9000000000000000000'

/** Parquet bytes that an engine has as such tables, or is making */
const bytesIn = new WeakMap<DuckDbEngine, number>()

export interface LargeTable {
  readonly table: ResidentTable
  /** SELECT of the view's state columns */
  readonly sql: string
}

export class LargeTables {
  readonly #engine: DuckDbEngine
  readonly #lake: Lake
  readonly #limits: Pick<LiveLimits, 'largeFilesBytesMax' | 'largePieceRows'>
  readonly #oneAtATime = pLimit(1)
  #connection: EngineConnection | null = null
  #closed = false
  /** by checksum */
  readonly #tables = new Map<string, { readonly made: LargeTable; readonly bytes: number }>()
  /** checksums of files that could not be made into tables */
  readonly #refused = new Set<string>()

  constructor(engine: DuckDbEngine, lake: Lake, limits: Pick<LiveLimits, 'largeFilesBytesMax' | 'largePieceRows'>) {
    this.#engine = engine
    this.#lake = lake
    this.#limits = limits
  }

  /** The file's table; null: there is none, or not yet. */
  table({ sha256 }: LakeFile): LargeTable | null {
    return this.#tables.get(sha256)?.made ?? null
  }

  /** Makes tables of those files that have none, as far as there is room. @returns whether there is a new one */
  make(view: CompiledView, files: readonly LakeFile[]): Promise<boolean> {
    return this.#oneAtATime(async () => {
      let made = false
      for (const file of files) made = (await this.#makeOne(view, file)) || made
      return made
    })
  }

  /** Keeps the tables of files with these checksums only. */
  keep(wanted: ReadonlySet<string>): void {
    for (const [sha256, { made, bytes }] of this.#tables) {
      if (wanted.has(sha256)) continue
      this.#tables.delete(sha256)
      this.#use(-bytes)
      made.table.retire()
    }
    for (const sha256 of this.#refused) if (!wanted.has(sha256)) this.#refused.delete(sha256)
  }

  /** Waits for a table that is being made, which is given up. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#oneAtATime(() => {
      this.keep(new Set())
      this.#connection?.close()
    })
  }

  async #makeOne(view: CompiledView, file: LakeFile): Promise<boolean> {
    const { sha256, bytes } = file
    if (this.#closed || this.#tables.has(sha256) || this.#refused.has(sha256)) return false
    if ((bytesIn.get(this.#engine) ?? 0) + bytes > this.#limits.largeFilesBytesMax) return false
    this.#use(bytes)
    try {
      this.#connection ??= await this.#engine.connect()
      this.#tables.set(sha256, { made: await this.#made(this.#connection, view, file), bytes })
      return true
    } catch (error) {
      // It is read from disk as before; trying again and again would cost every answer.
      this.#use(-bytes)
      this.#refused.add(sha256)
      throw error
    }
  }

  async #made(connection: EngineConnection, view: CompiledView, file: LakeFile): Promise<LargeTable> {
    await this.#lake.check([file])
    const rows = `(SELECT *, file_row_number AS _place FROM ${readParquetSql([this.#lake.resolve(file)])})`
    const columns = await narrowed(connection, view, rows)
    const pieceRows = this.#pieceRows(file)
    const within = (at: number): string => `${rows} WHERE _place >= ${at} AND _place < ${at + pieceRows}`
    const order = await orderOf(connection, view, within(Math.floor(file.rows / pieceRows / 2) * pieceRows))
    const table = await ResidentTable.ofColumns(connection, columns, true)
    const items = view.stateColumns.map((column, at) => itemSql(column, columns[at]!)).join(', ')
    for (let at = 0; at < file.rows; at += pieceRows) {
      if (this.#closed) {
        table.retire()
        throw new Error('the dataset is not followed any more')
      }
      await table.fill(`SELECT ${items} FROM ${within(at)} ${order}`)
      await connection.compressNow()
    }
    const read = columns.map((column, at) => itemSql(column, view.stateColumns[at]!)).join(', ')
    return { table, sql: `SELECT ${read} FROM ${table.name}` }
  }

  #pieceRows({ bytes, rows }: LakeFile): number {
    return Math.max(1, Math.min(this.#limits.largePieceRows, Math.floor((PIECE_BYTES_MAX / bytes) * rows)))
  }

  #use(bytes: number): void {
    bytesIn.set(this.#engine, (bytesIn.get(this.#engine) ?? 0) + bytes)
  }
}

/** A column, as one of another type if that differs: statements without needless casts are planned sooner. */
function itemSql({ name, type }: SqlColumn, as: SqlColumn): string {
  return type === as.type ? quoteName(name) : `CAST(${quoteName(name)} AS ${as.type}) AS ${quoteName(name)}`
}

/** The state columns as the table has them: sums that all fit into a narrower type have it. */
async function narrowed(connection: EngineConnection, view: CompiledView, rows: string): Promise<SqlColumn[]> {
  const { stateColumns } = view
  const wide = stateColumns.slice(stateKeys(view).length).filter(({ type }) => type === WIDE)
  if (wide.length === 0) return [...stateColumns]
  const fits = wide.map(
    ({ name }) => `coalesce(bool_and(${quoteName(name)} BETWEEN -${NARROW_MAX} AND ${NARROW_MAX}), true)`,
  )
  const found = (await connection.columns(`SELECT ${fits.join(', ')} FROM ${rows}`)).map(([value]) => value)
  return stateColumns.map((column) =>
    found[wide.indexOf(column)] === true ? { name: column.name, type: NARROW } : column,
  )
}

/** ORDER BY of a piece: the key's columns, those with the fewest distinct values first. */
async function orderOf(connection: EngineConnection, view: CompiledView, rows: string): Promise<string> {
  const keys = stateKeys(view).map(quoteName)
  if (keys.length === 0) return ''
  const counts = await connection.columns(
    `SELECT ${keys.map((key) => `approx_count_distinct(${key})`).join(', ')} FROM ${rows}`,
  )
  const distinct = new Map(keys.map((key, at) => [key, Number(counts[at]![0])]))
  return `ORDER BY ${keys.toSorted((a, b) => distinct.get(a)! - distinct.get(b)!).join(', ')}`
}
