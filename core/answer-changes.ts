/**
 * How the rows of a live answer change. Nothing is imported here: pages and other clients use this file, too.
 *
 * Rows are named by their places, `from` in the rows before the change and `at` in the rows after it. Rows that no member names stay,
 * in their order.
 */

/** Absent members are empty. */
export interface AnswerChange<Row> {
  readonly removed?: readonly { readonly from: number; readonly key: Partial<Row> }[]
  readonly changed?: readonly { readonly from: number; readonly at: number; readonly row: Row }[]
  /** their values are the same */
  readonly moved?: readonly { readonly from: number; readonly at: number }[]
  readonly added?: readonly { readonly at: number; readonly row: Row }[]
}

/**
 * The rows after a change; those before it are left as they are.
 *
 * ```ts
 * const rows = [{ page: '/', visits: 3 }, { page: '/a', visits: 2 }]
 * applyChange(rows, { changed: [{ from: 1, at: 0, row: { page: '/a', visits: 4 } }] })
 * // [{ page: '/a', visits: 4 }, { page: '/', visits: 3 }]
 * ```
 * @throws RangeError if the change is not one of these rows
 */
export function applyChange<Row>(
  rows: readonly Row[],
  { removed = [], changed = [], moved = [], added = [] }: AnswerChange<Row>,
): Row[] {
  const left = new Set([...removed, ...changed, ...moved].map(({ from }) => from))
  const placed = new Map([...changed, ...added].map(({ at, row }) => [at, row]))
  for (const { from, at } of moved) placed.set(at, rows[from]!)
  const staying = rows.filter((_, index) => !left.has(index))
  const length = staying.length + placed.size
  const isInside = [...left].every((from) => from < rows.length) && [...placed.keys()].every((at) => at < length)
  if (!isInside) throw new RangeError('the change names rows that do not exist: it is not a change of these rows')
  const stay = staying.values()
  return Array.from({ length }, (_, at) => (placed.has(at) ? placed.get(at)! : stay.next().value!))
}
