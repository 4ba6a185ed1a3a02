/**
 * The embedded log: one SQLite file per dataset, records in blocks. One block is one run of lines appended together, so
 * that an append of a thousand events is one row. WAL with synchronous=FULL: a commit is on disk before it is acknowledged.
 * Guarantee: an acknowledged append survives kill -9 and power loss, and is stored once; an append is all or nothing. Several processes
 * can append: offsets are assigned inside the transaction.
 *
 * Uses two connections: reads on one never see an uncommitted write on the other.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import { StorageFileError } from '../../sqlite/sqlite-fault.ts'
import { SqliteFile, type SqliteFileOptions } from '../../sqlite/sqlite-file.ts'
import {
  type AppendedOnce,
  type AppendOnce,
  DEFAULT_KEY_LIMITS,
  type KeyLimits,
  KeyReusedError,
  TooManyKeysError,
} from '../append-once.ts'
import type { AppendBatch, EventLog, ReadLimits, RecordBatch } from '../event-log.ts'
import { GroupCommit } from '../group-commit.ts'
import { assertPartition, blocksOf, bytesOf } from '../log-blocks.ts'
import {
  assertCursor,
  recordsOf,
  type SourceAppend,
  type SourceChange,
  type SourceLedger,
  SourceMovedError,
  type SourcePosition,
} from '../source-ledger.ts'
import { SqliteBlocks } from './sqlite-blocks.ts'
import { SqliteKeys } from './sqlite-keys.ts'
import { APPLICATION_ID, claim, SCHEMA } from './sqlite-log-identity.ts'
import { SqliteSources } from './sqlite-sources.ts'

export interface SqliteLogOptions {
  readonly file: string
  readonly dataset: string
  readonly partitions: number
  /** maximum size of a block; larger appends are split. Default 1 MiB */
  readonly blockBytesMax?: number
  /** maximum size of one record. Default 1 MiB */
  readonly recordBytesMax?: number
  /** appends that wait for the next commit; beyond it append() waits. Default 64 MiB */
  readonly waitingBytesMax?: number
  /** maximum bytes in one commit; an append is never split across commits. Default 8 MiB */
  readonly commitBytesMax?: number
  readonly keys?: Partial<KeyLimits>
  readonly step?: StepHook
  /** epoch ms */
  readonly clock?: () => number
}

interface Append {
  /** per batch of the append */
  readonly blocks: readonly (readonly AppendBatch[])[]
  readonly bytes: number
  readonly once: AppendOnce | null
  readonly by: SourceAppend | null
}

const MEBIBYTE = 1024 * 1024
const PARTITIONS_MAX = 1_024
/** A block is a chain of pages: fewer and larger ones take a third less CPU time to append, and cost small appends little. */
const PAGE_BYTES = 16 * 1024
export class SqliteLog implements EventLog {
  readonly identity: string
  readonly partitions: number
  readonly partitionsFixed = true
  readonly #options: Required<SqliteLogOptions> & { readonly keys: KeyLimits }
  readonly #writer: SqliteFile
  readonly #reader: SqliteFile
  readonly #written: SqliteBlocks
  readonly #blocks: SqliteBlocks
  readonly #commits: GroupCommit<Append, AppendedOnce>
  readonly #appends = new Set<Promise<unknown>>()
  /** serializes the use of the writer */
  #writing: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null
  #keys: Promise<SqliteKeys> | null = null
  #sources: Promise<SqliteSources> | null = null

  /** Opens or creates the log. @throws StorageFileError if the file is not a log, belongs to another dataset, has another number of partitions, or is unusable */
  static async open(options: SqliteLogOptions): Promise<SqliteLog> {
    const { file, dataset, partitions } = options
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX)
      throw new RangeError(
        `log of '${dataset}': ${partitions} is not a valid number of partitions (1 to ${PARTITIONS_MAX})`,
      )
    const kind = { what: 'log', applicationId: APPLICATION_ID, format: 1, schema: SCHEMA, synchronous: 'FULL' } as const
    const sqlite: SqliteFileOptions = { file, pageBytes: PAGE_BYTES, ...kind }
    const opened: SqliteFile[] = []
    try {
      for (const _ of ['writer', 'reader']) opened.push(await SqliteFile.open(sqlite))
      const identity = await claim(opened[0]!, options)
      return new SqliteLog(identity, opened[0]!, opened[1]!, options)
    } catch (error) {
      for (const each of opened) each.close()
      throw error
    }
  }

  private constructor(identity: string, writer: SqliteFile, reader: SqliteFile, options: SqliteLogOptions) {
    this.identity = identity
    this.partitions = options.partitions
    this.#options = {
      file: options.file,
      dataset: options.dataset,
      partitions: options.partitions,
      blockBytesMax: options.blockBytesMax ?? MEBIBYTE,
      recordBytesMax: options.recordBytesMax ?? MEBIBYTE,
      waitingBytesMax: options.waitingBytesMax ?? 64 * MEBIBYTE,
      commitBytesMax: options.commitBytesMax ?? 8 * MEBIBYTE,
      step: options.step ?? noSteps,
      clock: options.clock ?? Date.now,
      keys: { ...DEFAULT_KEY_LIMITS, ...options.keys },
    }
    this.#writer = writer
    this.#reader = reader
    this.#written = new SqliteBlocks(writer)
    this.#blocks = new SqliteBlocks(reader)
    this.#commits = new GroupCommit({
      ...this.#options,
      commit: (group) => this.#exclusively(() => this.#commit(group)),
    })
  }

  get refusal(): string | null {
    const { file } = this.#options
    try {
      if (!this.#writer.replaced) return null
    } catch (error) {
      return `log ${file}: the file cannot be found any more, so nothing is appended to it: ${(error as Error).message}`
    }
    return `log ${file}: the file was deleted or replaced while it was open, so nothing is appended to it; stop the platform, restore the file, and start again`
  }

  /** Appends in the order of the calls. @throws RangeError for invalid records; StorageFileError if they cannot be stored (then none of them is) */
  async append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]> {
    return (await this.#append(batches, {})).ranges
  }

  async appendOnce(batches: readonly AppendBatch[], once: AppendOnce): Promise<AppendedOnce> {
    return this.#append(batches, { once })
  }

  readonly sources: SourceLedger = {
    list: () => this.#withSources((sources) => sources.list()),
    claim: (source) => this.#changeSource(source, {}),
    change: (source, change) => this.#changeSource(source, change),
    append: async (batches, by) => {
      assertCursor(by.source, by.cursor)
      return (await this.#append(batches, { by })).ranges
    },
  }

  async #append(
    batches: readonly AppendBatch[],
    { once = null, by = null }: Partial<Pick<Append, 'once' | 'by'>>,
  ): Promise<AppendedOnce> {
    this.#assertOpen()
    for (const { partition } of batches) assertPartition(this, partition)
    const blocks = batches.map((batch) => blocksOf(batch, this.#options))
    if (blocks.length === 0 && once === null && by === null) return { ranges: [], repeated: false }
    const appended = this.#commits.add({ blocks, bytes: bytesOf(batches), once, by })
    this.#appends.add(appended)
    try {
      return await appended
    } finally {
      this.#appends.delete(appended)
    }
  }

  async range(partition: number): Promise<OffsetRange> {
    this.#assertOpen()
    assertPartition(this, partition)
    return this.#reader.look(`reading the offsets of partition ${partition}`, () => this.#blocks.range(partition))
  }

  async ends(): Promise<readonly Offset[]> {
    this.#assertOpen()
    return this.#reader.look('reading the ends of all partitions', () => this.#blocks.ends())
  }

  async read(partition: number, from: Offset, limits: ReadLimits): Promise<RecordBatch | null> {
    const { end } = await this.range(partition)
    const { bytesMax, recordsMax, before = Number.POSITIVE_INFINITY, reused = false } = limits
    if (from === end || before <= from) return null
    const within = { bytesMax, recordsMax: Math.min(recordsMax, before - from), reused }
    return this.#reader.read(`reading partition ${partition} from offset ${from}`, () =>
      this.#blocks.read(partition, from, within),
    )
  }

  /** In bounded steps, between which appends can run. */
  async trim(partition: number, before: Offset, olderThanMs: number): Promise<Offset> {
    for (;;) {
      const { start } = await this.range(partition)
      const doing = `trimming partition ${partition}`
      const due = await this.#reader.look(doing, () => this.#blocks.trimmable(partition, before, olderThanMs))
      if (due === null) return start
      await this.#exclusively(() =>
        this.#writer.write(doing, () => this.#written.trimOnce(partition, before, olderThanMs)),
      )
      await turn()
    }
  }

  async moveRecords(partition: number, from: Offset, to: Offset): Promise<void> {
    this.#assertOpen()
    assertPartition(this, partition)
    await this.#exclusively(() =>
      this.#writer.write(`moving partition ${partition}`, () => this.#written.move(partition, from, to)),
    )
  }

  /** Compares every block with its checksum. @throws StorageFileError for the first that differs, or is missing */
  async examine(partition: number): Promise<void> {
    this.#assertOpen()
    assertPartition(this, partition)
    for (let after: Offset | null = null; ; await turn()) {
      const doing = `examining partition ${partition}`
      const from: Offset | null = after
      after = await this.#reader.read(doing, () => this.#blocks.examine(partition, from))
      if (after === null) return
    }
  }

  /** Refuses further appends, commits the waiting ones, and closes. */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow()
    return this.#closing
  }

  async #closeNow(): Promise<void> {
    while (this.#appends.size > 0) await Promise.allSettled(this.#appends)
    await this.#writing
    this.#reader.close()
    this.#writer.close()
  }

  async #commit(group: readonly Append[]): Promise<(AppendedOnce | Error)[]> {
    const { step, clock, file } = this.#options
    const { refusal } = this
    if (refusal !== null) throw new StorageFileError(file, 'replaced', refusal)
    if (group.some(({ once }) => once !== null)) await this.#openKeys()
    if (group.some(({ by }) => by !== null)) await this.#openSources()
    const keys = await this.#keys
    const sources = await this.#sources
    const appended = await this.#writer.writeAround(
      'appending',
      () => {
        const atMs = clock()
        return group.map((append) => this.#write(append, { keys, sources, atMs }))
      },
      () => step('append:before-commit'),
    )
    await step('append:committed')
    this.#writer.boundWal()
    return appended
  }

  /** One append, inside the transaction of its group. What is refused leaves the others alone. */
  #write({ blocks, once, by }: Append, { keys, sources, atMs }: Tables): AppendedOnce | Error {
    const write = (): OffsetRange[] => blocks.map((own) => this.#written.append(own, atMs))
    if (by !== null) return writeFrom(sources!, { by, blocks, atMs, write })
    if (once === null) return { ranges: write(), repeated: false }
    try {
      const earlier = keys!.find(once, atMs)
      if (earlier !== null) return { ranges: earlier, repeated: true }
      if (blocks.length === 0) return { ranges: [], repeated: false }
      keys!.makeRoom(atMs)
    } catch (error) {
      if (error instanceof KeyReusedError || error instanceof TooManyKeysError) return error
      throw error
    }
    const ranges = write()
    keys!.add(once, ranges, atMs)
    return { ranges, repeated: false }
  }

  async #openKeys(): Promise<void> {
    this.#keys ??= SqliteKeys.open(this.#writer, this.#options.keys)
    await this.#keys.catch((error) => {
      this.#keys = null
      throw error
    })
  }

  async #openSources(): Promise<SqliteSources> {
    this.#sources ??= SqliteSources.open(this.#writer)
    return this.#sources.catch((error) => {
      this.#sources = null
      throw error
    })
  }

  #withSources<Result>(use: (sources: SqliteSources) => Result): Promise<Result> {
    this.#assertOpen()
    return this.#exclusively(async () => {
      const sources = await this.#openSources()
      return this.#writer.write('changing a source', () => use(sources))
    })
  }

  #changeSource(source: string, change: SourceChange): Promise<SourcePosition> {
    return this.#withSources((sources) => sources.change(source, change))
  }

  #exclusively<Result>(use: () => Promise<Result>): Promise<Result> {
    const used = this.#writing.then(use)
    this.#writing = used.catch(() => {})
    return used
  }

  #assertOpen(): void {
    const { file } = this.#options
    if (this.#closing) throw new StorageFileError(file, 'closed', `log ${file}: it is closed`)
  }
}

interface Tables {
  readonly keys: SqliteKeys | null
  readonly sources: SqliteSources | null
  readonly atMs: number
}

interface WriteFrom extends Pick<Append, 'blocks'> {
  readonly by: SourceAppend
  readonly atMs: number
  readonly write: () => OffsetRange[]
}

/** Records and cursor of a source. */
function writeFrom(sources: SqliteSources, { by, blocks, atMs, write }: WriteFrom): AppendedOnce | Error {
  try {
    sources.assertHeld(by)
  } catch (error) {
    if (error instanceof SourceMovedError) return error
    throw error
  }
  const ranges = write()
  sources.advance(by, recordsOf(blocks.flat()), atMs)
  return { ranges, repeated: false }
}
