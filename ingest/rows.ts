/** Rows as ranges of one buffer: nothing is allocated per row. */
import type { FlatShape } from '#core/flat-scan.ts'
import { isBlank } from '#core/json-bytes.ts'

/** Row i is [starts[i], ends[i]) of `bytes`, without its line end. Blank lines are not rows. */
export interface Rows {
  readonly bytes: Buffer
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** rows that are not events, each with the reason */
  readonly faults?: ReadonlyMap<number, string>
  /** the line of the body where each row begins; absent where rows are not lines */
  readonly lines?: readonly number[]
  /** where the values are of rows that were made as flat objects of one shape */
  readonly flat?: FlatRows
  /** frees the memory of `bytes`, when nobody uses them any more; absent where it is not the rows' own */
  readonly release?: () => void
}

export interface FlatRows extends FlatShape {
  /** by row and name: where the value ends; its first is 0 for a row that was not made so. Anything for rows with faults */
  readonly ends: Int32Array
}

const LINE_FEED = 10

/** A view of one row's bytes. */
export function rowOf({ bytes, starts, ends }: Rows, index: number): Buffer {
  return bytes.subarray(starts[index], ends[index])
}

/** Copies single rows into one buffer, each with a line end; blank ones are left out. */
export function rowsOfList(list: readonly (string | Buffer)[]): Rows {
  const rows = list.map((row) => (typeof row === 'string' ? Buffer.from(row) : row)).filter((row) => !isBlank(row))
  const bytes = Buffer.allocUnsafe(rows.reduce((sum, row) => sum + row.length + 1, 0))
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const row of rows) {
    starts.push(at)
    at += row.copy(bytes, at)
    ends.push(at)
    bytes[at++] = LINE_FEED
  }
  return { bytes, starts, ends }
}
