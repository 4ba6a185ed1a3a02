/**
 * The embedded log: one SQLite file per dataset, records in blocks. One block is one run of lines appended together, so
 * that an append of a thousand events is one row. WAL with synchronous=FULL: a commit is on disk before it is acknowledged.
 * Guarantee: an acknowledged append survives kill -9 and power loss, and is stored once; an append is all or nothing. Several processes
 * can append: offsets are assigned inside the transaction.
 *
 * Uses two connections: reads on one never see an uncommitted write on the other.
 */
import { randomUUID } from 'node:crypto'
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
import { ByteGate } from '../byte-gate.ts'
import type { AppendBatch, EventLog, ReadLimits, RecordBatch } from '../event-log.ts'
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

interface Waiting {
  /** per batch of the append */
  readonly blocks: readonly (readonly AppendBatch[])[]
  readonly bytes: number
  readonly once: AppendOnce | null
  readonly by: SourceAppend | null
  readonly resolve: (appended: AppendedOnce) => void
  readonly reject: (error: unknown) => void
}

const MEBIBYTE = 1024 * 1024
const PARTITIONS_MAX = 1_024
/** A block is a chain of pages: fewer and larger ones take a third less CPU time to append, and cost small appends little. */
const PAGE_BYTES = 16 * 1024
/** 'Wlog' */
const APPLICATION_ID = 0x57_6c_6f_67

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log_identity (id INTEGER PRIMARY KEY CHECK (id = 1), identity TEXT NOT NULL, dataset TEXT NOT NULL, partitions INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_ends (partition INTEGER PRIMARY KEY, start INTEGER NOT NULL, "end" INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_blocks (partition INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL, at_ms INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS log_blocks_place ON log_blocks (partition, start);
`

export class SqliteLog implements EventLog {
  readonly identity: string
  readonly partitions: number
  readonly partitionsFixed = true
  readonly #options: Required<SqliteLogOptions> & { readonly keys: KeyLimits }
  readonly #writer: SqliteFile
  readonly #reader: SqliteFile
  readonly #written: SqliteBlocks
  readonly #blocks: SqliteBlocks
  readonly #gate: ByteGate
  readonly #appends = new Set<Promise<unknown>>()
  #waiting: Waiting[] = []
  #committing: Promise<void> | null = null
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
    this.#gate = new ByteGate(this.#options.waitingBytesMax)
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
    { once = null, by = null }: Partial<Pick<Waiting, 'once' | 'by'>>,
  ): Promise<AppendedOnce> {
    this.#assertOpen()
    for (const { partition } of batches) assertPartition(this, partition)
    const blocks = batches.map((batch) => blocksOf(batch, this.#options))
    if (blocks.length === 0 && once === null && by === null) return { ranges: [], repeated: false }
    const appended = this.#enqueue({ blocks, bytes: bytesOf(batches), once, by })
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
    const { bytesMax, recordsMax, before = Number.POSITIVE_INFINITY } = limits
    if (from === end || before <= from) return null
    const within = { bytesMax, recordsMax: Math.min(recordsMax, before - from) }
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

  async #enqueue(append: Omit<Waiting, 'resolve' | 'reject'>): Promise<AppendedOnce> {
    await this.#gate.enter(append.bytes)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...append, resolve, reject })
      this.#committing ??= this.#commitAll()
    })
  }

  /** Commits all waiting appends in one transaction; those that arrive meanwhile go into the next one. */
  async #commitAll(): Promise<void> {
    await turn()
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const appended = await this.#exclusively(() => this.#commit(group))
        for (const [index, waiting] of group.entries()) settle(waiting, appended[index]!)
      } catch (error) {
        for (const waiting of group) waiting.reject(error)
      }
      for (const { bytes } of group) this.#gate.leave(bytes)
      await turn()
    }
    this.#committing = null
  }

  #nextGroup(): readonly Waiting[] {
    let bytes = 0
    const over = this.#waiting.findIndex((waiting, index) => {
      bytes += waiting.bytes
      return index > 0 && bytes > this.#options.commitBytesMax
    })
    return this.#waiting.splice(0, over < 0 ? this.#waiting.length : over)
  }

  async #commit(group: readonly Waiting[]): Promise<(AppendedOnce | Error)[]> {
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
        return group.map((waiting) => this.#write(waiting, { keys, sources, atMs }))
      },
      () => step('append:before-commit'),
    )
    await step('append:committed')
    this.#writer.boundWal()
    return appended
  }

  /** One append, inside the transaction of its group. What is refused leaves the others alone. */
  #write({ blocks, once, by }: Waiting, { keys, sources, atMs }: Tables): AppendedOnce | Error {
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

interface WriteFrom extends Pick<Waiting, 'blocks'> {
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

function settle({ resolve, reject }: Waiting, appended: AppendedOnce | Error): void {
  if (appended instanceof Error) reject(appended)
  else resolve(appended)
}

/** Writes the log's identity into a new file, or reads it from an existing one. */
async function claim(file: SqliteFile, options: SqliteLogOptions): Promise<string> {
  const look = file.prepare('SELECT identity, dataset, partitions FROM log_identity')
  if ((await file.look('opening it', () => look.get())) === undefined) {
    await file.write('creating it', () => {
      file
        .prepare('INSERT OR IGNORE INTO log_identity VALUES (1, ?, ?, ?)')
        .run(randomUUID(), options.dataset, options.partitions)
      const { partitions } = look.get() as { partitions: number }
      const end = file.prepare('INSERT OR IGNORE INTO log_ends VALUES (?, 0, 0)')
      for (let partition = 0; partition < partitions; partition++) end.run(partition)
    })
  }
  const stored = (await file.look('opening it', () => look.get())) as {
    identity: string
    dataset: string
    partitions: number
  }
  const wrong = mismatch(stored, options)
  if (wrong) throw new StorageFileError(options.file, 'foreign', `log ${options.file}: ${wrong}`)
  return stored.identity
}

function mismatch(
  stored: { readonly dataset: string; readonly partitions: number },
  options: SqliteLogOptions,
): string | null {
  if (stored.dataset !== options.dataset) return `it belongs to dataset '${stored.dataset}', not '${options.dataset}'`
  if (stored.partitions !== options.partitions)
    return `it has ${stored.partitions} partitions, but ${options.partitions} are configured; keep ${stored.partitions}`
  return null
}
