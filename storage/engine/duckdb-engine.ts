/**
 * The query engine of all roles: one in-memory DuckDB per process or worker thread, hardened: it accesses only the
 * given folders, loads no external extensions, and has limited memory and threads.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance, version } from '@duckdb/node-api'
import pLimit from 'p-limit'
import { quoteText } from '#core/sql-names.ts'
import { EngineConnection, type SharedParts } from './engine-connection.ts'
import { ATTACH_SETTLED, SettledTables } from './settled-tables.ts'
import { GIVES_BACK, SpareMemory } from './spare-memory.ts'

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
  /**
   * Packs tables in memory whenever some 16 MB were written to them (a checkpoint): those with lists and long texts take up to a third less, and
   * the statement that makes 16 MB full waits 0.1 to 0.3 s, as do all that write meanwhile. Those of `settledName` are packed in any case. Default true
   */
  readonly packTables?: boolean
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
      ...(options.packTables === false ? ["SET GLOBAL checkpoint_threshold = '1TB'"] : []),
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
