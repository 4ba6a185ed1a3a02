/** What changed between the rows of two answers to one query, as few rows as possible: see core/answer-changes.ts. */
import type { RowText } from './row-texts.ts'

interface Placed {
  readonly from: number
  readonly at: number
}

export interface RowChanges {
  readonly removed: readonly { readonly from: number; readonly key: string }[]
  readonly changed: readonly (Placed & { readonly row: RowText })[]
  readonly moved: readonly Placed[]
  readonly added: readonly { readonly at: number; readonly row: RowText }[]
}

/** @returns null if the rows are the same, in the same order */
export function changesBetween(before: readonly RowText[], after: readonly RowText[]): RowChanges | null {
  const places = new Map<string, number>()
  const removed: number[] = []
  for (const [from, { key }] of before.entries()) {
    const twice = places.get(key)
    if (twice !== undefined) removed.push(twice)
    places.set(key, from)
  }
  const [added, changed, same]: [RowChanges['added'][number][], RowChanges['changed'][number][], Placed[]] = [
    [],
    [],
    [],
  ]
  for (const [at, row] of after.entries()) {
    const from = places.get(row.key)
    if (from === undefined) added.push({ at, row })
    else if (before[from]!.text === row.text) same.push({ from, at })
    else changed.push({ from, at, row })
    places.delete(row.key)
  }
  removed.push(...places.values())
  const moved = outOfOrder(same)
  if (removed.length + changed.length + moved.length + added.length === 0) return null
  const left = removed.sort((one, other) => one - other).map((from) => ({ from, key: before[from]!.key }))
  return { removed: left, changed, moved, added }
}

/** The members of the JSON object of a change, without its braces; members without rows are left out. */
export function changesJson({ removed, changed, moved, added }: RowChanges): string {
  const lists = [
    listJson('removed', removed, ({ from, key }) => `{"from":${from},"key":${key}}`),
    listJson('changed', changed, ({ from, at, row }) => `{"from":${from},"at":${at},"row":${row.text}}`),
    listJson('moved', moved, ({ from, at }) => `{"from":${from},"at":${at}}`),
    listJson('added', added, ({ at, row }) => `{"at":${at},"row":${row.text}}`),
  ]
  return lists.filter((text) => text !== '').join(',')
}

function listJson<Entry>(name: string, entries: readonly Entry[], textOf: (entry: Entry) => string): string {
  return entries.length === 0 ? '' : `"${name}":[${entries.map(textOf).join(',')}]`
}

/** Those outside the longest run of rows that follow one another as before. @param places by `at` */
function outOfOrder(places: readonly Placed[]): Placed[] {
  const isOrdered = places.every(({ from }, index) => index === 0 || from > places[index - 1]!.from)
  if (isOrdered) return []
  const staying = longestRun(places)
  return places.filter((place) => !staying.has(place))
}

/** The longest subsequence in which `from` grows (patience sorting). */
function longestRun(places: readonly Placed[]): Set<Placed> {
  /** by length: the index of the smallest last one of all runs of that length */
  const ends: number[] = []
  const previous: number[] = []
  for (const [index, { from }] of places.entries()) {
    const length = firstNotBelow(ends, from, places)
    previous[index] = length === 0 ? -1 : ends[length - 1]!
    ends[length] = index
  }
  const run = new Set<Placed>()
  for (let index = ends.at(-1) ?? -1; index !== -1; index = previous[index]!) run.add(places[index]!)
  return run
}

function firstNotBelow(ends: readonly number[], from: number, places: readonly Placed[]): number {
  let [low, high] = [0, ends.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (places[ends[middle]!]!.from < from) low = middle + 1
    else high = middle
  }
  return low
}
