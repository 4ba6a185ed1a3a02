/** The first of many, in an order, without sorting all of them. */

/** what is kept beside the wanted ones before it is sorted and cut off */
const SPARE_MIN = 1_000

/** @returns the first `most` in order; what compares equal is in any order */
export function bestOf<T>(all: readonly T[], most: number, compare: (a: T, b: T) => number): T[] {
  if (all.length <= most + SPARE_MIN) return all.toSorted(compare).slice(0, most)
  let best: T[] = []
  let worst: T | undefined
  const cut = (): void => {
    best = best.sort(compare).slice(0, most)
    worst = best.at(-1)
  }
  for (const each of all) {
    if (worst !== undefined && compare(each, worst) > 0) continue
    best.push(each)
    if (best.length >= most + Math.max(most, SPARE_MIN)) cut()
  }
  cut()
  return best
}
