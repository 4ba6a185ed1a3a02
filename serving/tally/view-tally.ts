/**
 * The states of one view as numbers in this process, beside the tables that they were read from. What is done to the tables is told as it is
 * done and takes effect with the next head, all of it at once: a tally is always of one moment, the one of its view's newest head.
 */
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import type { AnswerRange } from '../answers/answer-meta.ts'
import { MergedRows } from './merged-rows.ts'
import { NotTalliedError, TallyKeys } from './tally-keys.ts'
import { type PaneRows, TallyRows } from './tally-rows.ts'
import { NUMBER_MAX, type TallyShape } from './tally-shape.ts'

/** partition of rows that are not of the tail */
const SETTLED = -1
const WIDTH = 8
/** ranges of which the merged rows are kept */
const MERGED_MAX = 4

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
  readonly values: readonly Float64Array[]
}

export class ViewTally {
  readonly shape: TallyShape
  readonly keys: TallyKeys
  readonly isTimed: boolean
  readonly #rowsMax: number
  readonly #settled: TallyRows
  readonly #tail = new Map<number, TallyRows>()
  /** Σ|x| of each measure, over all rows that were ever added */
  readonly #magnitudes: number[]
  #changes: (() => void)[] = []
  /** by range */
  readonly #merged = new Map<string, MergedRows>()
  #fault: string | null = null

  /** @param isTimed whether the view has panes */
  constructor(shape: TallyShape, isTimed: boolean, rowsMax: number) {
    this.isTimed = isTimed
    this.shape = shape
    this.#rowsMax = rowsMax
    this.keys = new TallyKeys(shape.dimensions)
    this.#settled = new TallyRows(shape.measures.length)
    this.#magnitudes = shape.measures.map(() => 0)
  }

  /** Why the view cannot be tallied any more; else null. */
  get fault(): string | null {
    return this.#fault
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
    let rows = 0
    for (const source of this.sources()) {
      source.putTogether(this.keys.count)
      rows += source.rows
    }
    if (rows > this.#rowsMax) this.#fail(`more than ${this.#rowsMax} state rows`)
    return this.#fault === null
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
    const { dimensions, measures } = this.shape
    const numbers = (column: number): Float64Array => {
      const values = new Float64Array(chunk.rows)
      chunk.copyFixed(column, WIDTH, new Uint8Array(values.buffer), 0)
      return values
    }
    const texts = dimensions.map((_, index) => textsOf(chunk, 2 + index))
    const keys = Int32Array.from({ length: chunk.rows }, (_, row) => this.keys.keyOf(texts.map((own) => own[row]!)))
    const values = measures.map((_, index) => numbers(2 + dimensions.length + index))
    for (const [index, own] of values.entries()) this.#measure(index, own)
    return { partitions: numbers(0), panes: numbers(1), keys, values }
  }

  #measure(index: number, values: Float64Array): void {
    let sum = 0
    for (const value of values) if (!Number.isNaN(value)) sum += Math.abs(value)
    this.#magnitudes[index]! += sum
    if (this.#magnitudes[index]! <= NUMBER_MAX) return
    throw new NotTalliedError(`values of '${this.shape.measures[index]!.name}' add up to more than a double holds`)
  }

  #count({ partitions, panes, keys, values }: ReadRows): void {
    for (let from = 0, to = 0; from < keys.length; from = to) {
      const partition = partitions[from]!
      while (to < keys.length && partitions[to] === partition) to++
      this.#sourceOf(partition).add(panes, keys, values, from, to)
    }
  }

  #sourceOf(partition: number): TallyRows {
    if (partition === SETTLED) return this.#settled
    const known = this.#tail.get(partition)
    if (known !== undefined) return known
    const made = new TallyRows(this.shape.measures.length)
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
