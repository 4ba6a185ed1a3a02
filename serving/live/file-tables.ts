/** Small immutable files of the lake (a generation's states, pinned dictionaries) as tables, each read once, whatever names it. */
import pLimit from 'p-limit'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { LargeTables } from './large-tables.ts'
import { ResidentTable } from './resident-table.ts'

export class FileTables {
  readonly #connection: EngineConnection
  readonly #lake: Lake
  readonly #fileBytesMax: number
  /** of files that are larger */
  readonly large: LargeTables
  /** of the connection */
  readonly #oneAtATime = pLimit(1)
  /** by checksum: an incremental generation names its base's files anew */
  readonly #tables = new Map<string, Promise<ResidentTable | null>>()

  constructor(connection: EngineConnection, lake: Lake, fileBytesMax: number, large: LargeTables) {
    this.#connection = connection
    this.#lake = lake
    this.#fileBytesMax = fileBytesMax
    this.large = large
  }

  /** The file's table; null: it is too large to be waited for. @throws LakeError */
  table(file: LakeFile): Promise<ResidentTable | null> {
    const held = this.#tables.get(file.sha256)
    if (held !== undefined) return held
    const made = this.#make(file)
    this.#tables.set(file.sha256, made)
    made.catch(() => this.#tables.delete(file.sha256))
    return made
  }

  /** Whether nobody waits for the file's table. */
  isLarge({ bytes }: LakeFile): boolean {
    return bytes > this.#fileBytesMax
  }

  /** Keeps the tables of these files only. */
  keep(files: Iterable<LakeFile>): void {
    const wanted = new Set([...files].map(({ sha256 }) => sha256))
    this.large.keep(wanted)
    for (const [sha256, table] of this.#tables) {
      if (wanted.has(sha256)) continue
      this.#tables.delete(sha256)
      void table.then((made) => made?.retire()).catch(() => {})
    }
  }

  async #make(file: LakeFile): Promise<ResidentTable | null> {
    await this.#lake.check([file])
    if (this.isLarge(file)) return null
    return this.#oneAtATime(() =>
      ResidentTable.of(this.#connection, `SELECT * FROM ${readParquetSql([this.#lake.resolve(file)])}`),
    )
  }
}
