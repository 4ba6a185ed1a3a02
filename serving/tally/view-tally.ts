/**
 * The states of one view as numbers in this process, beside the tables that they were read from. What is done to the tables is told as it is
 * done and takes effect with the next head, all of it at once: a tally is always of one moment, the one of its view's newest head.
 */
import type { EngineChunk, NumberLists } from '#storage/engine/engine-chunk.ts'
import type { AnswerRange } from '../answers/answer-meta.ts'
import type { HeldColumn } from './held-measures.ts'
import { MergedRows } from './merged-rows.ts'
import { NotTalliedError, TallyKeys } from './tally-keys.ts'
import { type PaneRows, TallyRows } from './tally-rows.ts'
import { TallySets } from './tally-sets.ts'
import type { TallyShape } from './tally-shape.ts'
import { TallyTexts } from './tally-texts.ts'

/** partition of rows that are not of the tail */
const SETTLED = -1
const WIDTH = 8
/** ranges of which the merged rows are kept */
const MERGED_MAX = 4
/** A tally that is too large gives up its oldest panes, until it is this much smaller: so that it does so rarely. */
const KEPT_SHARE = 0.5
/** keys of all rows that it ever had, as a multiple of the rows that it may have */
const KEYS_PER_ROW = 2
/** of earlier panes than it has: with as many questions, and sixteen times as few that it answered, it is of no use */
const MISSED_MAX = 16

/** What a table's keeper tells of its changes, in their order. */
export interface TallyFeed {
  /** what is to be read of each row */
  readonly items: readonly string[]
  added(chunks: readonly EngineChunk[]): void
  /** rows of these partitions of the tail */
  forgotten(partitions: readonly number[]): void
  /** all rows of the table */
  dropped(): void
}

interface ReadRows {
  readonly partitions: Float64Array
  readonly panes: Float64Array
  readonly keys: Int32Array
  readonly columns: readonly Float64Array[]
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
  /** Σ|x| of each column that is added up, over all rows that were ever added */
  readonly #magnitudes: number[]
  readonly #isAdded: ReadonlySet<number>
  #changes: (() => void)[] = []
  /** by range */
  readonly #merged = new Map<string, MergedRows>()
  #fault: string | null = null
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
    this.#magnitudes = shape.columns.map(() => 0)
    this.#isAdded = new Set(shape.fields.flatMap(({ kind, columns }) => (kind === 'sum' ? columns : [])))
  }

  /** Why the view cannot be tallied any more; else null. */
  get fault(): string | null {
    return this.#fault
  }

  /** Start of the first pane that it has, epoch ms; -Infinity: it has all. Rises when there are too many rows. */
  get sinceMs(): number {
    return this.#sinceMs
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
    if (this.#merged.size >= MERGED_MAX) this.#merged.clear()
    const panes = [...this.panesWithin(range)].map(([, rows]) => rows)
    merged = new MergedRows(panes, this.keys.count)
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
      dropped: () => this.#changes.push(() => this.#fail('closed segments were counted or compacted')),
    }
  }

  /** of the table of the log's tail */
  tail(): TallyFeed {
    return {
      items: ['_partition::DOUBLE', ...this.shape.items],
      added: (chunks) => this.#add(chunks),
      forgotten: (partitions) =>
        this.#changes.push(() => {
          for (const partition of partitions) this.#tail.delete(partition)
        }),
      dropped: () => this.#changes.push(() => this.#tail.clear()),
    }
  }

  /** Makes what was told since the last time count. @returns false: the view cannot be tallied any more */
  commit(): boolean {
    const changes = this.#changes
    this.#changes = []
    if (changes.length > 0) this.#merged.clear()
    for (const change of changes) change()
    if (this.#fault !== null) return false
    for (const source of this.sources()) source.putTogether(this.keys.count)
    this.#forgetNumbers(false)
    if (this.#excess() !== null && this.isTimed) this.#forgetOldest()
    const excess = this.#excess()
    if (excess !== null) this.#fail(excess)
    if (this.#missed > MISSED_MAX) {
      if (this.#missed > MISSED_MAX * this.#covered) this.#fail('questions are of earlier panes')
      this.#missed = this.#covered = 0
    }
    return this.#fault === null
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
    for (const [place, own] of [...this.texts, ...this.sets])
      if (all || own.isDue) own.forgetOthers(this.#column(place))
  }

  #forgetOldest(): void {
    const rowsOf = new Map<number, number>()
    for (const { panes } of this.sources())
      for (const [pane, { count }] of panes) rowsOf.set(pane, (rowsOf.get(pane) ?? 0) + count)
    let left = Math.min(this.#rows, this.#limits.tallyRowsMax) * KEPT_SHARE
    for (const pane of [...rowsOf.keys()].sort((a, b) => b - a)) {
      left -= rowsOf.get(pane)!
      if (left < 0) break
      this.#sinceMs = pane
    }
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

  #add(chunks: readonly EngineChunk[]): void {
    try {
      // The keys are numbered at once; the rows count from the next commit on.
      for (const chunk of chunks) {
        const read = this.#read(chunk)
        this.#changes.push(() => this.#count(read))
      }
    } catch (error) {
      if (!(error instanceof NotTalliedError)) throw error
      this.#fail(error.message)
    }
  }

  #read(chunk: EngineChunk): ReadRows {
    const { dimensions, columns: held } = this.shape
    const numbers = (column: number): Float64Array => {
      const values = new Float64Array(chunk.rows)
      chunk.copyFixed(column, WIDTH, new Uint8Array(values.buffer), 0)
      return values
    }
    const texts = dimensions.map((_, index) => textsOf(chunk, 2 + index))
    const keys = Int32Array.from({ length: chunk.rows }, (_, row) => this.keys.keyOf(texts.map((own) => own[row]!)))
    const columns = held.map(({ holds }, place) => {
      const at = 2 + dimensions.length + place
      if (holds === 'set') return this.#numberedSets(place, chunk.numberLists(at))
      return holds === 'text' ? this.#numberedTexts(place, textsOf(chunk, at)) : numbers(at)
    })
    for (const [place, { holds }] of held.entries()) if (holds === 'number') this.#measure(place, columns[place]!)
    return { partitions: numbers(0), panes: numbers(1), keys, columns }
  }

  #numberedTexts(place: number, texts: readonly (string | null)[]): Float64Array {
    const numbers = this.texts.get(place)!
    return Float64Array.from(texts, (text) => numbers.numberOf(text ?? 'null'))
  }

  #numberedSets(place: number, { elements, from, to }: NumberLists): Float64Array {
    const sets = this.sets.get(place)!
    return Float64Array.from(from, (begin, row) => sets.add(elements, begin, to[row]!))
  }

  /** @throws NotTalliedError for what doubles do not hold */
  #measure(place: number, values: Float64Array): void {
    let [sum, most] = [0, 0]
    for (const value of values) {
      if (Number.isNaN(value)) continue
      const magnitude = Math.abs(value)
      sum += magnitude
      if (magnitude > most) most = magnitude
    }
    if (this.#isAdded.has(place)) most = this.#magnitudes[place]! += sum
    if (most <= this.shape.columns[place]!.most) return
    const { measure } = this.shape.measures.find(({ places }) => places.some(({ columns }) => columns.includes(place)))!
    throw new NotTalliedError(`values of '${measure.name}' are more than a double holds, or add up to more`)
  }

  #count(rows: ReadRows): void {
    const { partitions, keys } = rows
    for (let from = 0, to = 0; from < keys.length; from = to) {
      const partition = partitions[from]!
      while (to < keys.length && partitions[to] === partition) to++
      this.#sourceOf(partition).add(rows, from, to, this.#sinceMs)
    }
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

function textsOf(chunk: EngineChunk, column: number): (string | null)[] {
  const validity = chunk.validity(column)
  const texts = new Array<string | null>(chunk.rows)
  chunk.texts(column, (row, bytes, from, length) => {
    const isMissing = validity !== null && (validity[row >> 3]! & (1 << (row & 7))) === 0
    texts[row] = isMissing ? null : Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString()
  })
  return texts
}
