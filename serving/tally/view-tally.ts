/**
 * The states of one view as numbers in this process, beside the tables that they were read from. Changes of the tables are reported as they
 * happen and take effect together with the next head, so that a tally always shows one moment: that of its view's newest head.
 */
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import type { AnswerRange } from '../answers/answer-meta.ts'
import type { HeldColumn } from './held-measures.ts'
import { MergedRows } from './merged-rows.ts'
import { SpareColumns } from './spare-columns.ts'
import { NotTalliedError, TallyKeys } from './tally-keys.ts'
import { type ReadRows, TallyReader } from './tally-reader.ts'
import { type PaneRows, TallyRows } from './tally-rows.ts'
import { TallySets } from './tally-sets.ts'
import type { TallyShape } from './tally-shape.ts'
import { TallyTexts } from './tally-texts.ts'
import { TimeSlices } from './time-slices.ts'

/** partition of rows that are not of the tail */
const SETTLED = -1
const WIDTH = 8
/** ranges of which the merged rows are kept */
const MERGED_MAX = 4
/** A tally that is too large gives up its oldest panes, until it is this much smaller: so that it does so rarely. */
const KEPT_SHARE = 0.5
/** … or only this much smaller, to keep the panes that recent queries need. */
const QUERIED_SHARE = 0.9
/** keys of all rows that it ever had, as a multiple of the rows that it may have */
const KEYS_PER_ROW = 2
/** of earlier panes than it has: with as many questions, and sixteen times as few that it answered, it is of no use */
const MISSED_MAX = 16

/** How the owner of a table reports its changes, in order. */
export interface TallyFeed {
  /** what is to be read of each row */
  readonly items: readonly string[]
  added(chunks: readonly EngineChunk[]): Promise<void>
  /** rows of these partitions of the tail */
  forgotten(partitions: readonly number[]): void
  /** all rows of the table */
  dropped(): void
}

/** Bounds of one tally. */
export interface TallyLimits {
  readonly tallyRowsMax: number
  readonly tallyBytesMax: number
}

export class ViewTally {
  readonly shape: TallyShape
  readonly keys: TallyKeys
  readonly isTimed: boolean
  /** by place of the column that they are numbered in */
  readonly texts: ReadonlyMap<number, TallyTexts>
  readonly sets: ReadonlyMap<number, TallySets>
  readonly #limits: TallyLimits
  readonly #settled: TallyRows
  readonly #tail = new Map<number, TallyRows>()
  readonly #reader: TallyReader
  #changes: (() => void)[] = []
  /** by partition: rows that were added since the last commit */
  #pending = new Map<number, TallyRows>()
  /** by range */
  readonly #merged = new Map<string, MergedRows>()
  /** pool for columns of merged rows, and of the groups of one answer */
  readonly spare = new SpareColumns()
  #slots = new Int32Array(0)
  #fault: string | null = null
  #ends = false
  #sinceMs: number
  #covered = 0
  #missed = 0

  /**
   * @param isTimed whether the view has panes
   * @param sinceMs earlier panes are left to the engine, epoch ms; default: none
   */
  constructor(shape: TallyShape, isTimed: boolean, limits: TallyLimits, sinceMs = Number.NEGATIVE_INFINITY) {
    this.#sinceMs = sinceMs
    this.isTimed = isTimed
    this.shape = shape
    this.#limits = limits
    this.keys = new TallyKeys(shape.dimensions)
    const numbered = <Own>(holds: HeldColumn['holds'], make: () => Own): ReadonlyMap<number, Own> =>
      new Map(shape.columns.flatMap((column, place) => (column.holds === holds ? [[place, make()]] : [])))
    this.texts = numbered('text', () => new TallyTexts())
    this.sets = numbered('set', () => new TallySets())
    this.#settled = new TallyRows(this)
    this.#reader = new TallyReader(this)
  }

  /** Why the view cannot be tallied any more; else null. */
  get fault(): string | null {
    return this.#fault
  }

  /** Whether the next commit ends the tally, because its tables were replaced. */
  get endsWithCommit(): boolean {
    return this.#ends
  }

  /** Start of the first pane that it has, epoch ms; -Infinity: it has all. Rises when there are too many rows. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** Start of the newest pane that has begun, epoch ms; -Infinity: it has none. */
  newestMs(nowMs: number): number {
    let newest = Number.NEGATIVE_INFINITY
    for (const { panes } of this.sources())
      for (const pane of panes.keys()) if (pane <= nowMs && pane > newest) newest = pane
    return newest
  }

  /** Whether it has all panes in the range. */
  covers({ fromMs = Number.NEGATIVE_INFINITY }: AnswerRange): boolean {
    const covers = !this.isTimed || fromMs >= this.#sinceMs
    if (covers) this.#covered++
    else this.#missed++
    return covers
  }

  /** of all layers; what several of them have of one key adds up */
  *sources(): Generator<TallyRows> {
    yield this.#settled
    yield* this.#tail.values()
  }

  /** What all layers have of the panes in the range; a view without time has one. */
  *panesWithin(range: AnswerRange): Generator<readonly [pane: number, rows: PaneRows]> {
    const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = this.isTimed ? range : {}
    for (const { panes } of this.sources())
      for (const pane of panes) if (pane[0] >= fromMs && pane[0] < toMs) yield pane
  }

  /** All panes in the range, added up by key; kept as long as no row is added or forgotten. */
  merged(range: AnswerRange): MergedRows {
    const name = `${range.fromMs} ${range.toMs}`
    let merged = this.#merged.get(name)
    if (merged !== undefined) return merged
    if (this.#merged.size >= MERGED_MAX) this.#forgetMerged()
    const panes = [...this.panesWithin(range)].map(([, rows]) => rows)
    merged = new MergedRows(panes, this.keys.count, this.spare)
    this.#merged.set(name, merged)
    return merged
  }

  /** of the table of closed segments */
  closed(): TallyFeed {
    return {
      items: [`${SETTLED}::DOUBLE`, ...this.shape.items],
      added: (chunks) => this.#add(chunks),
      forgotten: () => {},
      // A generation counts them now, or their files were compacted.
      dropped: () => {
        this.#ends = true
        this.#changes.push(() => this.#fail('closed segments were counted or compacted'))
      },
    }
  }

  /** of the table of the log's tail */
  tail(): TallyFeed {
    return {
      items: ['_partition::DOUBLE', ...this.shape.items],
      added: (chunks) => this.#add(chunks),
      forgotten: (partitions) => {
        for (const partition of partitions) this.#pending.delete(partition)
        this.#changes.push(() => {
          for (const partition of partitions) this.#tail.delete(partition)
        })
      },
      dropped: () => {
        for (const partition of this.#pending.keys()) if (partition !== SETTLED) this.#pending.delete(partition)
        this.#changes.push(() => this.#tail.clear())
      },
    }
  }

  /** Makes what was reported since the last commit count. @returns false: the view cannot be tallied any more */
  commit(): boolean {
    const changes = this.#changes
    this.#changes = []
    this.#pending = new Map()
    if (changes.length > 0) this.#forgetMerged()
    for (const change of changes) change()
    return this.#fault === null
  }

  /**
   * Housekeeping between two folds, which changes no answer: merges rows with the same key, drops unused texts and sets, and gives up the
   * oldest panes if a limit is exceeded. Runs in time slices, between which answers can be computed. Does nothing while added rows wait for
   * the commit.
   *
   * @param queriedFromMs start of the range of each recent query, epoch ms: its panes are kept if the limits allow it
   */
  async tidy(queriedFromMs: readonly number[] = []): Promise<void> {
    if (this.#changes.length > 0) return
    const slices = new TimeSlices()
    for (const source of this.sources()) if (source.isDue) await source.putTogether(this.#slotsOfKeys(), slices)
    this.#forgetNumbers(false)
    if (this.#excess() !== null && this.isTimed) this.#forgetOldest(queriedFromMs)
    // If bytes exceed their limit, 90 % of the rows can still be too many.
    if (this.#excess() !== null && this.isTimed) this.#forgetOldest([])
    const excess = this.#excess()
    if (excess !== null) this.#fail(excess)
    if (this.#missed > MISSED_MAX) {
      if (this.#missed > MISSED_MAX * this.#covered) this.#fail('questions are of earlier panes')
      this.#missed = this.#covered = 0
    }
  }

  /** Zeros, one for each key: whoever uses them leaves them so. */
  #slotsOfKeys(): Int32Array {
    if (this.#slots.length < this.keys.count) this.#slots = new Int32Array(2 * this.keys.count)
    return this.#slots
  }

  #forgetMerged(): void {
    for (const merged of this.#merged.values()) merged.release()
    this.#merged.clear()
  }

  get #rows(): number {
    return this.sources().reduce((sum, { rows }) => sum + rows, 0)
  }

  /** Which limit is exceeded; null: none. */
  #excess(): string | null {
    const { tallyRowsMax, tallyBytesMax } = this.#limits
    const rows = this.#rows
    if (rows > tallyRowsMax) return `more than tallyRowsMax = ${tallyRowsMax} state rows`
    const bytes = [...this.texts, ...this.sets].reduce(
      (sum, [, own]) => sum + own.bytes,
      rows * this.shape.columns.length * WIDTH,
    )
    return bytes > tallyBytesMax ? `numbers, texts and sets of more than tallyBytesMax = ${tallyBytesMax} bytes` : null
  }

  /** @param all also those of which there is little to forget */
  #forgetNumbers(all: boolean): void {
    for (const [place, own] of [...this.texts, ...this.sets]) {
      if (!all && !own.isDue) continue
      own.forgetOthers(this.#column(place))
      this.#forgetMerged()
    }
  }

  #forgetOldest(queriedFromMs: readonly number[]): void {
    const rowsOf = new Map<number, number>()
    for (const { panes } of this.sources())
      for (const [pane, { count }] of panes) rowsOf.set(pane, (rowsOf.get(pane) ?? 0) + count)
    const newestFirst = [...rowsOf.keys()].sort((a, b) => b - a)
    const rowsMax = Math.min(this.#rows, this.#limits.tallyRowsMax)
    /** Oldest pane to keep, if the newest panes may have this share of the rows. */
    const firstPane = (share: number): number => {
      let [left, first] = [rowsMax * share, this.#sinceMs]
      for (const pane of newestFirst) {
        left -= rowsOf.get(pane)!
        if (left < 0) break
        first = pane
      }
      return first
    }
    const most = firstPane(QUERIED_SHARE)
    this.#sinceMs = Math.min(firstPane(KEPT_SHARE), ...queriedFromMs.filter((fromMs) => fromMs >= most))
    this.#forgetMerged()
    for (const source of this.sources()) source.forgetBefore(this.#sinceMs)
    this.#forgetNumbers(true)
    const keysMax = KEYS_PER_ROW * this.#limits.tallyRowsMax
    if (this.keys.count > keysMax) this.#fail(`more than ${keysMax} keys, many of which are of panes that it gave up`)
  }

  /** A column of all rows. */
  *#column(place: number): Generator<{ readonly values: Float64Array; readonly count: number }> {
    for (const { panes } of this.sources())
      for (const { columns, count } of panes.values()) yield { values: columns[place]!, count }
  }

  async #add(chunks: readonly EngineChunk[]): Promise<void> {
    const slices = new TimeSlices()
    try {
      // Numbers are assigned now; the rows count from the next commit on.
      for (const chunk of chunks) {
        const rows = await this.#reader.read(chunk, slices)
        this.#hold(rows)
        this.#reader.done(rows)
      }
    } catch (error) {
      if (!(error instanceof NotTalliedError)) throw error
      this.#fail(error.message)
    }
  }

  #hold(read: ReadRows): void {
    const { partitions, rows } = read
    for (let from = 0, to = 0; from < rows; from = to) {
      const partition = partitions[from]!
      while (to < rows && partitions[to] === partition) to++
      this.#pendingOf(partition).add(read, from, to, this.#sinceMs)
    }
  }

  #pendingOf(partition: number): TallyRows {
    const known = this.#pending.get(partition)
    if (known !== undefined) return known
    const made = new TallyRows(this)
    this.#pending.set(partition, made)
    this.#changes.push(() => this.#sourceOf(partition).take(made))
    return made
  }

  #sourceOf(partition: number): TallyRows {
    if (partition === SETTLED) return this.#settled
    const known = this.#tail.get(partition)
    if (known !== undefined) return known
    const made = new TallyRows(this)
    this.#tail.set(partition, made)
    return made
  }

  #fail(why: string): void {
    this.#fault ??= why
  }
}
