/**
 * Memory that was freed, and that the engine's allocator and the C library keep for later, because pieces of it lie between others that are in use.
 * The engine gives all of it back to the operating system, for the whole process, whenever its memory limit is set, whatever it is set to (engine 1.5.6).
 * By itself it does so after very large statements only, or on threads that an engine with one thread does not have.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '#core/sql-names.ts'

/** takes some 5 ms of CPU time */
const GIVE_BACK_EVERY_MS = 30_000

/** The setting that must stay allowed when the engine's settings are locked. */
export const GIVES_BACK = 'memory_limit'

export class SpareMemory {
  readonly #connect: () => Promise<DuckDBConnection>
  readonly #memoryLimit: string
  readonly #timer: NodeJS.Timeout
  #giving: Promise<void> | null = null

  /** @param memoryLimit the engine's, which stays as it is */
  constructor(connect: () => Promise<DuckDBConnection>, memoryLimit: string, everyMs = GIVE_BACK_EVERY_MS) {
    this.#connect = connect
    this.#memoryLimit = memoryLimit
    this.#timer = setInterval(() => void this.#begin(), everyMs)
    // It does not keep the process alive.
    this.#timer.unref()
  }

  /** @param then is called when nothing is being given back any more, at once if nothing is */
  close(then: () => void): void {
    clearInterval(this.#timer)
    if (this.#giving === null) then()
    else void this.#giving.finally(then)
  }

  #begin(): void {
    this.#giving ??= this.#giveBack().finally(() => {
      this.#giving = null
    })
  }

  async #giveBack(): Promise<void> {
    const connection = await this.#connect()
    try {
      await connection.run(`SET GLOBAL ${GIVES_BACK} = ${quoteText(this.#memoryLimit)}`)
    } catch {
      // More is in use than the limit allows at this moment: the next time will do.
    } finally {
      connection.closeSync()
    }
  }
}
