/** The value that comes at a place in an order, without sorting all of them. */

/**
 * ```ts
 * nthBest(Float64Array.of(3, 9, NaN, 5), 2, -1) // 5: after 9
 * nthBest(Float64Array.of(3, 9, NaN, 5), 4, -1) // NaN: there are only three
 * ```
 * @param n from 1 on @param sign 1: the least comes first; -1: the greatest
 */
export function nthBest(values: Float64Array, n: number, sign: 1 | -1): number {
  // A heap of the best ones so far, the worst of them on top.
  const heap = new Float64Array(n)
  let count = 0
  for (const value of values) {
    if (Number.isNaN(value)) continue
    const rank = -sign * value
    if (count < n) {
      rise(heap, count, rank)
      count++
    } else if (rank > heap[0]!) sink(heap, rank)
  }
  return count < n ? Number.NaN : -sign * heap[0]!
}

function rise(heap: Float64Array, from: number, rank: number): void {
  let at = from
  while (at > 0) {
    const above = (at - 1) >> 1
    if (heap[above]! <= rank) break
    heap[at] = heap[above]!
    at = above
  }
  heap[at] = rank
}

/** In place of the one on top. */
function sink(heap: Float64Array, rank: number): void {
  const { length } = heap
  let at = 0
  for (let below = 1; below < length; below = 2 * at + 1) {
    if (below + 1 < length && heap[below + 1]! < heap[below]!) below++
    if (heap[below]! >= rank) break
    heap[at] = heap[below]!
    at = below
  }
  heap[at] = rank
}
