/**
 * The query engine of all roles: one in-memory DuckDB per process or worker thread, hardened: it accesses only the
 * given folders, loads no external extensions, and has limited memory and threads.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBResultReader,
  type DuckDBValue,
  JSDuckDBValueConverter,
  StatementType,
  version,
} from '@duckdb/node-api'
import pLimit, { type LimitFunction } from 'p-limit'
import { ShortLived } from '#core/collect-garbage.ts'
import type { SqlColumn } from '#core/compiled.ts'
import { quoteText } from '#core/sql-names.ts'
import { EngineChunk } from './engine-chunk.ts'
import { ATTACH_SETTLED, SettledTables } from './settled-tables.ts'
import { GIVES_BACK, SpareMemory } from './spare-memory.ts'
import { type Parameter, writtenStatement } from './written-statement.ts'

/** e.g. 'v1.5.6' */
export function engineVersion(): string {
  return version()
}

export interface EngineOptions {
  /** default 2 */
  readonly threads?: number
  /** e.g. '2GB' */
  readonly memoryLimit?: string
  /** absolute folders that SQL may read and write */
  readonly folders: readonly string[]
  /** folder for spilling; one of `folders` or a subfolder */
  readonly spillFolder?: string
  /** how much may be spilled, e.g. '4GB'; default: most of the free disk */
  readonly spillLimit?: string
  /** the settings of these limits, for the message of EngineMemoryError */
  readonly limitNames?: string
  /**
   * Statements of all connections that run at the same time, the others wait their turn; default: no limit. For work that
   * keeps every processor busy, more than one each only push one another out of the caches.
   */
  readonly statementsAtOnce?: number
  /**
   * Caches file data in the engine's memory, up to its limit. The operating system already caches local files, and a process that reads
   * each file once would grow to its limit. Default false
   */
  readonly keepFileData?: boolean
  /**
   * Gives memory that statements freed back to the operating system soon, not only after very large ones: for an engine that is idle most of
   * the time. Small statements in quick succession take a sixth more CPU time with it. Default false
   */
  readonly returnMemory?: boolean
  /** How often all memory that this process freed goes back to the operating system. Default 30,000 */
  readonly giveBackEveryMs?: number
}

export type BesideOptions = Pick<EngineOptions, 'returnMemory' | 'limitNames'> &
  Required<Pick<EngineOptions, 'threads' | 'memoryLimit' | 'spillFolder'>>

export interface ConnectOptions {
  /**
   * Keeps the parsed footers of the Parquet files that this connection reads, for all connections that keep them; a file that was
   * modified is parsed again. For large files that are read again and again: a footer takes several times its size on disk, and is
   * only given up when the engine reaches its memory limit. Pooled connections always do. Default false
   */
  readonly keepFooters?: boolean
  /**
   * Takes the connection from a pool, and returns it there when it is closed, unless it was stopped. Its statements must not leave
   * temporary tables or settings behind. Default false
   */
  readonly pooled?: boolean
  /**
   * Computes each statement on one thread, in an engine beside this one that has none of its tables. Over some 100,000 rows, several threads take
   * half as much processor time again, and no less time: what each of them grouped and sorted is put together afterwards. Default false
   */
  readonly oneThread?: boolean
}

const THREADS = 2
/** connections of one engine that wait to be used again */
const POOLED_MAX = 8

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

export type { Parameter }

export class DuckDbEngine {
  readonly #instance: DuckDBInstance
  readonly #options: EngineOptions
  readonly #shared: SharedParts
  readonly #idle: DuckDBConnection[] = []
  #closed = false
  /** opened when it is first needed */
  #ofOneThread: Promise<DuckDbEngine> | null = null

  private constructor(instance: DuckDBInstance, options: EngineOptions, shared: SharedParts) {
    this.#instance = instance
    this.#options = options
    this.#shared = shared
  }

  static async open(options: EngineOptions): Promise<DuckDbEngine> {
    const { threads = THREADS, memoryLimit = '2GB' } = options
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: memoryLimit,
      preserve_insertion_order: 'true',
    })
    const connection = await instance.connect()
    const folders = options.folders.map(quoteText).join(', ')
    const settings = [
      // GLOBAL: connections that are opened later have it, too.
      "SET GLOBAL TimeZone = 'UTC'",
      `SET allowed_directories = [${folders}]`,
      `SET temp_directory = ${quoteText(options.spillFolder ?? '')}`,
      ...(options.spillLimit === undefined ? [] : [`SET max_temp_directory_size = ${quoteText(options.spillLimit)}`]),
      ...(options.returnMemory === true ? RETURN_MEMORY : []),
      // Without it, memory that a thread freed waits for that thread's next statement before the system gets it back.
      'SET allocator_background_threads = true',
      `SET enable_external_file_cache = ${options.keepFileData ?? false}`,
      ATTACH_SETTLED,
      // The first would compute what two expressions have in common outside of their TRY, whose error then ends the statement. The second leaves parts of
      // conditions out that the values of a batch decide, and with them their errors: what a row gives would depend on the rows beside it.
      "SET disabled_optimizers = 'common_subexpressions, statistics_propagation'",
      'SET autoinstall_known_extensions = false',
      'SET allow_community_extensions = false',
      'SET enable_external_access = false',
      // What a connection may still set for itself.
      `SET allowed_configs = ['parquet_metadata_cache', '${GIVES_BACK}']`,
      'SET lock_configuration = true',
    ]
    for (const setting of settings) await connection.run(setting)
    connection.closeSync()
    const { statementsAtOnce = Number.POSITIVE_INFINITY, limitNames = 'memoryLimit, spillLimit' } = options
    return new DuckDbEngine(instance, options, {
      turns: pLimit(statementsAtOnce),
      limitNames,
      settled: new SettledTables(() => instance.connect()),
      spare: new SpareMemory(() => instance.connect(), memoryLimit, options.giveBackEveryMs),
    })
  }

  /** that it computes with */
  get threads(): number {
    return this.#options.threads ?? THREADS
  }

  /**
   * Opens another engine, with memory and threads of its own, that accesses the same folders and spills as much. It has none of this one's
   * tables. Its memory goes back to the operating system when it is closed.
   */
  openBeside(options: BesideOptions): Promise<DuckDbEngine> {
    const { folders, spillLimit } = this.#options
    return DuckDbEngine.open({ folders, ...(spillLimit === undefined ? {} : { spillLimit }), ...options })
  }

  async connect(options: ConnectOptions = {}): Promise<EngineConnection> {
    const { keepFooters = false, pooled = false, oneThread = false } = options
    if (oneThread && this.threads > 1) {
      this.#ofOneThread ??= this.#openOneThread().catch((error: unknown) => {
        this.#ofOneThread = null
        throw error
      })
      return (await this.#ofOneThread).connect({ keepFooters, pooled })
    }
    if (pooled) return this.#pooled()
    const connection = await this.#instance.connect()
    if (keepFooters) await connection.run(KEEP_FOOTERS)
    return new EngineConnection(connection, this.#shared)
  }

  async #pooled(): Promise<EngineConnection> {
    const idle = this.#idle.pop()
    const connection = idle ?? (await this.#instance.connect())
    if (idle === undefined) await connection.run(KEEP_FOOTERS)
    return new EngineConnection(connection, this.#shared, () => {
      if (this.#closed || this.#idle.length >= POOLED_MAX) return false
      this.#idle.push(connection)
      return true
    })
  }

  /** What it computes is small, so that together they stay within about the same memory. Two engines cannot spill into one folder. */
  async #openOneThread(): Promise<DuckDbEngine> {
    const { spillFolder } = this.#options
    const own = spillFolder === undefined ? undefined : join(spillFolder, 'one-thread')
    if (spillFolder !== undefined) await mkdir(spillFolder, { recursive: true })
    return DuckDbEngine.open({ ...this.#options, threads: 1, spillFolder: own })
  }

  close(): void {
    this.#closed = true
    void this.#ofOneThread?.then((engine) => engine.close()).catch(() => {})
    for (const connection of this.#idle.splice(0)) connection.closeSync()
    // Their connections would keep the instance alive.
    const { settled, spare } = this.#shared
    settled.close(() => spare.close(() => this.#instance.closeSync()))
  }
}

const RETURN_MEMORY = [
  "SET allocator_flush_threshold = '8MB'",
  "SET allocator_bulk_deallocation_flush_threshold = '16MB'",
]

const KEEP_FOOTERS = 'SET SESSION parquet_metadata_cache = true'

/** What the connections of an engine have in common. */
interface SharedParts {
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
