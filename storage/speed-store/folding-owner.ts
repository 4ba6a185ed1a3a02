/** For tests: the smallest owner there can be. It counts events by key, and flushes the keys it touched as absolute values. */
import type { SpeedStore } from './speed-store.ts'

export interface FoldAction {
  readonly events: number
  readonly flush: boolean
}

/** Folds `action.events` more of `events` (keys; one offset each, from `segmentStart` on), then flushes if it is told to. */
export function foldingOwner(
  store: SpeedStore,
  segmentStart: number,
  events: readonly number[],
): (action: FoldAction) => Promise<void> {
  let position = 0
  const counts = new Map<number, number>()
  const dirty = new Set<number>()
  return async ({ events: more, flush }) => {
    for (const key of events.slice(position, position + more)) {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      dirty.add(key)
      position++
    }
    if (!flush) return
    const version = segmentStart + position
    const identity = { view: 'v1', partition: 0, segmentStart, pane: null, version }
    const touched = [...dirty].map((key) => ({
      ...identity,
      key: `[${key}]`,
      row: JSON.stringify([key, counts.get(key)]),
    }))
    dirty.clear()
    const unused = { deadLetters: 0, lateRows: 0, timeMaxMs: null, views: ['v1'] }
    await store.flush(touched, { partition: 0, segmentStart, through: version, atMs: 0, rows: position, ...unused })
  }
}

/** The naive recount: what the first `count` events come to. */
export function countThrough(events: readonly number[], count: number): Map<number, number> {
  const counts = new Map<number, number>()
  for (const key of events.slice(0, count)) counts.set(key, (counts.get(key) ?? 0) + 1)
  return sorted(counts)
}

/** Rows of the store as key → count; a key that is there twice is an error. */
export function rowsOf(rows: readonly string[]): Map<number, number> {
  const counts = new Map(rows.map((row) => JSON.parse(row) as [number, number]))
  if (counts.size !== rows.length) throw new Error(`a key is there twice: ${rows.join(' ')}`)
  return sorted(counts)
}

function sorted(counts: ReadonlyMap<number, number>): Map<number, number> {
  return new Map([...counts].sort(([a], [b]) => a - b))
}
