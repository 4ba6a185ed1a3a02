/** What the lake holds of one view: the files of its generation and of closed segments, as tables where they are small. */
import type { CompiledView } from '#core/compiled.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { rangeOf } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { closedFilesOf, generationFilesOf } from '../answers/merged-sql.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { ClosedStates } from './closed-states.ts'
import type { FileTables } from './file-tables.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ResidentTable } from './resident-table.ts'
import type { Moment, PinnedDictionary, StatePath } from './view-head.ts'

export interface Settled {
  readonly tables: readonly ResidentTable[]
  /** of files that are too large, or too many, to be tables */
  readonly paths: readonly StatePath[]
  readonly dictionaries: readonly PinnedDictionary[]
  /** closed segments are among the paths, which then change with each one that closes */
  readonly hasClosedPaths: boolean
}

/** What a generation holds of the view. */
interface OfGeneration extends Omit<Settled, 'hasClosedPaths'> {
  readonly generation: Snapshot['generation']
  /** when its files were checked; monotonic, ms */
  readonly checkedAtMs: number
}

/** How long the files of a generation need not be checked again: they exist as long as it is current, but a cache may drop them. */
const CHECKED_MS = 10_000
/** maximum number of files of a generation that are tables of one view */
const FILE_TABLES_MAX = 64

export interface SettledStatesParts {
  readonly view: CompiledView
  readonly lake: Lake
  readonly files: FileTables
  readonly closed: ClosedStates
  readonly limits: Pick<LiveLimits, 'largeAfterAnswers'>
}

export class SettledStates {
  readonly #parts: SettledStatesParts
  /** read once for each generation, not for each moment */
  #ofGeneration: OfGeneration | null = null
  /** answers that read large files */
  #fromFiles = 0
  #makingLarge = false
  #hasNewTables = false

  constructor(parts: SettledStatesParts) {
    this.#parts = parts
  }

  /** Whether there are tables that were made since the last call of `at`. */
  get hasNewTables(): boolean {
    return this.#hasNewTables
  }

  /** @throws NeedsBackfillError, PartialsCompactedError, LakeError */
  async at({ snapshot, seq }: Moment): Promise<Settled> {
    const { tables, paths, dictionaries } = await this.#generation(snapshot)
    const left = await this.#parts.closed.hold(closedFilesOf(this.#parts.view, snapshot), seq)
    const hasClosedPaths = left.length > 0
    return {
      tables,
      paths: hasClosedPaths ? [...paths, ...(await this.#paths(left))] : paths,
      dictionaries,
      hasClosedPaths,
    }
  }

  /** Has the next call check the files of the generation again. */
  forget(): void {
    this.#ofGeneration = null
  }

  /** Has large files of the generation made into tables, once enough answers would have been computed from them. @param use called when there is a new one */
  wantLarge(snapshot: Snapshot, use: () => Promise<unknown>): void {
    const { view, files, limits } = this.#parts
    if (++this.#fromFiles < limits.largeAfterAnswers || this.#makingLarge) return
    this.#makingLarge = true
    const made = files.large.make(
      view,
      generationFilesOf(view, snapshot).filter((file) => files.isLarge(file)),
    )
    const used = made.then(async (isNew) => {
      this.#hasNewTables ||= isNew
      if (isNew) await use()
    })
    // What keeps a table from being made is found again by who reads the file.
    void used
      .catch(() => {})
      .finally(() => {
        this.#makingLarge = false
      })
  }

  async #generation(snapshot: Snapshot): Promise<OfGeneration> {
    const [known, nowMs] = [this.#ofGeneration, performance.now()]
    const isKnown = known?.generation === snapshot.generation && nowMs - known.checkedAtMs < CHECKED_MS
    if (isKnown && !this.#hasNewTables) return known
    this.#hasNewTables = false
    const { tables, left } = await this.#tables(generationFilesOf(this.#parts.view, snapshot))
    const [dictionaries, paths] = [await this.#dictionaries(snapshot), await this.#paths(left)]
    this.#ofGeneration = { generation: snapshot.generation, checkedAtMs: nowMs, tables, paths, dictionaries }
    return this.#ofGeneration
  }

  /** The newest come first: what late events added to many old ranges are many small files. */
  async #tables(files: readonly StateFile[]): Promise<{ tables: ResidentTable[]; left: StateFile[] }> {
    const [tables, left]: [ResidentTable[], StateFile[]] = [[], []]
    for (const file of files.toReversed()) {
      const table = tables.length < FILE_TABLES_MAX ? await this.#parts.files.table(file) : null
      if (table === null) left.push(file)
      else tables.push(table)
    }
    return { tables, left }
  }

  async #dictionaries({ generation }: Snapshot): Promise<PinnedDictionary[]> {
    const wanted = new Set(this.#parts.view.lookups.map(({ dictionary }) => dictionary))
    const pins = Object.entries(generation?.dictionaries ?? {}).filter(([name]) => wanted.has(name))
    return Promise.all(
      pins.map(async ([name, { file }]) => {
        const table = await this.#parts.files.table(file)
        return { name, table, sql: table?.name ?? readParquetSql((await this.#paths([file])).map(({ path }) => path)) }
      }),
    )
  }

  async #paths(files: readonly StateFile[]): Promise<readonly StatePath[]> {
    if (files.length === 0) return []
    const { lake, files: known } = this.#parts
    await lake.check(files)
    return files.map((file) => ({ path: lake.resolve(file), range: rangeOf(file), large: known.large.table(file) }))
  }
}
