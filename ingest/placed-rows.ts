/** The rows of one offer on their way to the log: which partition each goes to, or why it is rejected. */
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { visibleText } from '#core/visible-text.ts'
import type { AppendBatch } from '#storage/log/event-log.ts'
import type { Rows } from './rows.ts'

export interface AcceptedRow {
  readonly index: number
  /** where it begins in a body of lines whose rows are not lines */
  readonly line?: number
  readonly status: 'accepted'
  readonly partition: number
  readonly offset: Offset
}

export interface RejectedRow {
  readonly index: number
  readonly line?: number
  readonly status: 'rejected'
  readonly reason: string
}

const LINE_FEED = 10
const REJECTED = -1

interface PartitionRows {
  readonly keys: string[]
  /** of its rows, with a line end each */
  bytes: number
}

export class PlacedRows {
  readonly rejected: RejectedRow[] = []
  readonly #rows: Rows
  /** by row; REJECTED: none */
  readonly #partitions: Int32Array
  /** in the order of their first rows */
  readonly #byPartition = new Map<number, PartitionRows>()
  /** the same by number, for a look-up per row */
  readonly #known: (PartitionRows | undefined)[] = []

  constructor(rows: Rows) {
    this.#rows = rows
    this.#partitions = new Int32Array(rows.starts.length).fill(REJECTED)
  }

  get accepted(): number {
    return this.#partitions.length - this.rejected.length
  }

  accept(index: number, partition: number, key: string): void {
    this.#partitions[index] = partition
    let own = this.#known[partition]
    if (own === undefined) {
      own = { keys: [], bytes: 0 }
      this.#known[partition] = own
      this.#byPartition.set(partition, own)
    }
    own.keys.push(key)
    own.bytes += this.#rows.ends[index]! - this.#rows.starts[index]! + 1
  }

  reject(index: number, reason: string): void {
    this.rejected.push({ ...this.#placeOf(index), status: 'rejected', reason: visibleText(reason) })
  }

  /** The accepted rows of each partition, in their order. Rows that follow one another in the offer are copied together. */
  batches(): AppendBatch[] {
    const filled = new Map<number, { readonly lines: Buffer; at: number }>()
    for (const [partition, { bytes }] of this.#byPartition)
      filled.set(partition, { lines: Buffer.allocUnsafeSlow(bytes), at: 0 })
    const { bytes, starts, ends } = this.#rows
    for (let first = 0, next = 0; first < starts.length; first = next) {
      next = this.#runEnd(first)
      const to = filled.get(this.#partitions[first]!)
      if (to === undefined) continue
      to.at += bytes.copy(to.lines, to.at, starts[first]!, ends[next - 1]!)
      to.lines[to.at++] = LINE_FEED
    }
    return [...this.#byPartition].map(([partition, { keys }]) => {
      return { partition, lines: filled.get(partition)!.lines, count: keys.length, keys }
    })
  }

  /** The row after the last one that goes with row `first` and is separated from it by line feeds only. */
  #runEnd(first: number): number {
    const { bytes, starts, ends } = this.#rows
    let next = first + 1
    while (
      next < starts.length &&
      this.#partitions[next] === this.#partitions[first] &&
      starts[next] === ends[next - 1]! + 1 &&
      bytes[ends[next - 1]!] === LINE_FEED
    )
      next++
    return next
  }

  /** Whether each partition gets as many rows as the ranges have of it. */
  isPlacedIn(ranges: readonly OffsetRange[]): boolean {
    const left = new Map([...this.#byPartition].map(([partition, { keys }]) => [partition, keys.length]))
    for (const { partition, start, end } of ranges) left.set(partition, (left.get(partition) ?? 0) - (end - start))
    return [...left.values()].every((count) => count === 0)
  }

  /** @param ranges that the log gave to the batches; it may have cut one into several, in the order of its lines */
  verdicts(ranges: readonly OffsetRange[]): (AcceptedRow | RejectedRow)[] {
    const places = new Map<number, Generator<Offset>>()
    for (const [partition, own] of Map.groupBy(ranges, ({ partition }) => partition))
      places.set(partition, offsetsIn(own))
    const rejected = this.rejected.values()
    return Array.from(this.#partitions, (partition, index) => {
      if (partition === REJECTED) return rejected.next().value!
      const { value: offset } = places.get(partition)!.next() as IteratorYieldResult<Offset>
      if (offset === undefined) throw new RangeError(`the log returned no offset for row ${index}, which it appended`)
      return { ...this.#placeOf(index), status: 'accepted', partition, offset }
    })
  }

  #placeOf(index: number): { readonly index: number; readonly line?: number } {
    const { lines } = this.#rows
    return lines === undefined ? { index } : { index, line: lines[index]! }
  }
}

function* offsetsIn(ranges: readonly OffsetRange[]): Generator<Offset> {
  for (const { start, end } of ranges) for (let offset = start; offset < end; offset++) yield offset
}
