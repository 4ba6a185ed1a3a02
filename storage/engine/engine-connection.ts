/** One connection of the query engine, and the statements that it runs. */
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBResult,
  type DuckDBResultReader,
  type DuckDBValue,
  JSDuckDBValueConverter,
  StatementType,
} from '@duckdb/node-api'
import pLimit, { type LimitFunction } from 'p-limit'
import { ShortLived } from '#core/collect-garbage.ts'
import type { SqlColumn } from '#core/compiled.ts'
import { EngineChunk } from './engine-chunk.ts'
import type { SettledTables } from './settled-tables.ts'
import type { SpareMemory } from './spare-memory.ts'
import { type Parameter, writtenStatement } from './written-statement.ts'

/** A statement needed more memory, and more space on disk, than the engine has. It was undone; others go on. */
export class EngineMemoryError extends Error {
  constructor(limitNames: string, cause: Error) {
    super(`the engine needs more memory than its limits (${limitNames}): ${firstLine(cause.message)}`, { cause })
    this.name = 'EngineMemoryError'
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}

/** What the connections of an engine have in common. */
export interface SharedParts {
  readonly turns: LimitFunction
  readonly limitNames: string
  readonly settled: SettledTables
  readonly spare: SpareMemory
}

/** of a stream, of some 200 KB each, until the memory of those that were used is given back */
const CHUNKS_KEPT_MAX = 16

/** How often a stopped connection is interrupted until it is closed. */
const INTERRUPT_EVERY_MS = 100

/** One connection: statements run one after the other; tables made with CREATE TEMP TABLE belong to it alone. */
export class EngineConnection {
  readonly #connection: DuckDBConnection
  readonly #shared: SharedParts
  /** the engine gives up a connection's statement when another one begins */
  readonly #oneStatement = pLimit(1)
  #closed = false
  #interrupts: NodeJS.Timeout | null = null
  readonly #giveBack: () => boolean

  /** @param giveBack takes the closed connection, or says that it does not */
  constructor(connection: DuckDBConnection, shared: SharedParts, giveBack: () => boolean = () => false) {
    this.#connection = connection
    this.#shared = shared
    this.#giveBack = giveBack
  }

  /** To be told when a table of settledName was filled, changed or dropped: it takes less memory soon. */
  compressSoon(): void {
    this.#shared.settled.changed()
  }

  /** As `compressSoon`, at once: for a table that is filled piece by piece, and would take several times its memory until the last one. */
  compressNow(): Promise<void> {
    return this.#shared.settled.now()
  }

  /** Runs one statement for its effect; returns the number of changed rows, if the statement has one. */
  async run(sql: string, parameters?: Record<string, Parameter>): Promise<number> {
    return (await this.#unlessStopped(() => this.#connection.run(...statementOf(sql, parameters)))).rowsChanged
  }

  /** All rows as objects; BIGINT and HUGEINT as number if that is safe, otherwise bigint; times as text. For small results. */
  async rows<T = Record<string, unknown>>(sql: string, parameters?: Record<string, Parameter>): Promise<T[]> {
    const reader = await this.#read(sql, parameters)
    return reader.getRowObjectsJS().map((row) => plainNumbers(row) as T)
  }

  /** One array of values per column, even without rows; unconverted (BIGINT as bigint). The fastest format for large results. */
  async columns(sql: string, parameters?: Record<string, Parameter>): Promise<unknown[][]> {
    const reader = await this.#read(sql, parameters)
    const columns = reader.getColumnsJS() as unknown[][]
    return columns.length > 0 ? columns : Array.from({ length: reader.columnCount }, () => [])
  }

  /** The rows as they are computed, some thousand at a time: one array of values per column, as `columns` has them. */
  async *stream(sql: string): AsyncGenerator<unknown[][]> {
    const result = await this.#unlessStopped(() => this.#connection.stream(sql))
    for (;;) {
      const chunk = await this.#unlessStopped(() => this.#next(result))
      if (chunk === null) return
      yield chunk.convertColumns(JSDuckDBValueConverter) as unknown[][]
    }
  }

  /** As `stream`, in the engine's own layout. The engine computes the next chunk while one is used. */
  async *chunks(sql: string, parameters?: Record<string, Parameter>): AsyncGenerator<EngineChunk> {
    const result = await this.#unlessStopped(() => this.#connection.stream(...statementOf(sql, parameters)))
    const fetch = (): Promise<DuckDBDataChunk | null> => {
      const chunk = this.#unlessStopped(() => this.#next(result))
      // Nobody may ask for it any more.
      chunk.catch(() => {})
      return chunk
    }
    const chunks = new ShortLived(CHUNKS_KEPT_MAX)
    for (let next = fetch(); ; ) {
      const chunk = await next
      if (chunk === null) return
      next = fetch()
      chunks.made()
      yield new EngineChunk(chunk)
    }
  }

  /** After an error, the bindings give no chunk, as after the last row, and no reason; only the type of the statement is not known any more. */
  async #next(result: DuckDBResult): Promise<DuckDBDataChunk | null> {
    const chunk = await result.fetchChunk()
    if (chunk !== null && chunk.rowCount > 0) return chunk
    if (result.statementType !== StatementType.INVALID) return null
    throw new Error(
      this.#interrupts === null
        ? 'the engine failed before the last row; it does not say why (often a value that cannot be converted, a damaged file, or memory)'
        : 'INTERRUPT: the connection was stopped',
    )
  }

  /** What a statement returns, INSERT … RETURNING too, whole and in the engine's own layout. */
  async returned(sql: string): Promise<EngineChunk[]> {
    return this.#unlessStopped(async () => {
      const result = await this.#connection.run(sql)
      const chunks: EngineChunk[] = []
      for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk())
        chunks.push(new EngineChunk(chunk))
      return chunks
    })
  }

  /**
   * As `columns`, for a SELECT whose first column is text, but bounded: null if these texts have more than `bytesMax` bytes together.
   * Only the rows up to there are taken out of the engine.
   */
  async boundedColumns(
    sql: string,
    parameters: Record<string, Parameter> | undefined,
    bytesMax: number,
  ): Promise<unknown[][] | null> {
    return this.#unlessStopped(async () => {
      const result = await this.#connection.run(...statementOf(sql, parameters))
      const columns: unknown[][] = Array.from({ length: result.columnCount }, () => [])
      let bytes = 0
      for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
        const vectors = columns.map((_, index) => chunk!.getColumnVector(index))
        for (let row = 0; row < chunk.rowCount; row++) {
          const text = vectors[0]!.getItem(row) as string
          bytes += Buffer.byteLength(text)
          if (bytes > bytesMax) return null
          columns[0]!.push(text)
          for (let index = 1; index < vectors.length; index++) columns[index]!.push(vectors[index]!.getItem(row))
        }
      }
      return columns
    })
  }

  /** Names and types of a SELECT's result columns, without running it. */
  async describe(select: string): Promise<SqlColumn[]> {
    const rows = await this.rows<{ column_name: string; column_type: string }>(`DESCRIBE ${select}`)
    return rows.map((row) => ({ name: row.column_name, type: row.column_type }))
  }

  /** Why running a SELECT fails, in one line; null if it does not. */
  async failureOf(select: string): Promise<string | null> {
    return this.rows(select).then(
      () => null,
      (error: Error) => error.message.split('\n')[0]!,
    )
  }

  /** DuckDB's own syntax tree of a SELECT, as parsed JSON; `{ error: true, error_message }` when it does not parse. */
  async parse(select: string): Promise<unknown> {
    const [row] = await this.rows<{ tree: string }>('SELECT json_serialize_sql($sql::VARCHAR)::VARCHAR AS tree', {
      sql: select,
    })
    return JSON.parse(row!.tree)
  }

  /**
   * Interrupts the running statement and all later ones: they reject. The engine forgets an interrupt when a statement begins, so
   * it is repeated until the connection is closed.
   */
  stop(): void {
    this.#connection.interrupt()
    this.#interrupts ??= setInterval(() => this.#connection.interrupt(), INTERRUPT_EVERY_MS)
  }

  close(): void {
    if (this.#interrupts !== null) clearInterval(this.#interrupts)
    this.#closed = true
    // Behind the statement that still runs: the engine does not survive a connection that goes away under one.
    const { activeCount, pendingCount } = this.#oneStatement
    if (activeCount + pendingCount === 0) {
      if (this.#interrupts !== null || !this.#giveBack()) this.#connection.closeSync()
    } else void this.#oneStatement(() => this.#connection.closeSync())
  }

  #read(sql: string, parameters?: Record<string, Parameter>): Promise<DuckDBResultReader> {
    return this.#unlessStopped(() => this.#connection.runAndReadAll(...statementOf(sql, parameters)))
  }

  #unlessStopped<T>(statement: () => Promise<T>): Promise<T> {
    const { turns, limitNames } = this.#shared
    const unlessStopped = async (): Promise<T> => {
      if (this.#closed) throw new Error('the connection is closed')
      if (this.#interrupts !== null) throw new Error('INTERRUPT: the connection was stopped')
      try {
        return await statement()
      } catch (error) {
        throw isOutOfMemory(error) ? new EngineMemoryError(limitNames, error) : error
      }
    }
    return this.#oneStatement(() => turns(unlessStopped))
  }
}

/** A statement's text, and the values that are bound to it. */
function statementOf(
  sql: string,
  parameters: Record<string, Parameter> = {},
): [text: string, values?: Record<string, DuckDBValue>] {
  const written = writtenStatement(sql, parameters)
  return written === null ? [sql, parameters as Record<string, DuckDBValue>] : [written]
}

function isOutOfMemory(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('Out of Memory Error')
}

function plainNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(plainNumbers)
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainNumbers(inner)]))
  }
  return value
}
