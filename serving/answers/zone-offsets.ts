/** Whether panes of some length are never cut by the buckets of a time zone, as far as a look at its offsets can tell beforehand. */
import { wallOf } from './zone-time.ts'

/** how far apart offsets are looked at: each of those that clocks change to lasts longer */
const STEP_MS = 7 * 86_400_000
/** where nothing says when the oldest pane begins; an older one that a zone cuts is refused by the engine */
const SINCE_MS = Date.UTC(2000, 0, 1)
const ZONES_MAX = 100

interface Offsets {
  /** each one's first time that was looked at, epoch ms */
  readonly changes: { readonly fromMs: number; readonly offsetMs: number }[]
  throughMs: number
}

/** by zone */
const known = new Map<string, Offsets>()

/** Whether all of the zone's offsets between the two times are multiples of the length. */
export function hasOffsetsOf(timezone: string, lengthMs: number, fromMs: number, beforeMs: number): boolean {
  const { changes } = offsetsThrough(timezone, beforeMs)
  return changes.every(({ fromMs: sinceMs, offsetMs }, place) => {
    const untilMs = changes[place + 1]?.fromMs ?? Infinity
    return sinceMs >= beforeMs || untilMs <= fromMs || offsetMs % lengthMs === 0
  })
}

function offsetsThrough(timezone: string, untilMs: number): Offsets {
  const offsets = known.get(timezone) ?? { changes: [], throughMs: SINCE_MS - STEP_MS }
  if (!known.has(timezone) && known.size >= ZONES_MAX) known.clear()
  known.set(timezone, offsets)
  while (offsets.throughMs < untilMs) {
    const atMs = offsets.throughMs + STEP_MS
    const offsetMs = wallOf(atMs, timezone) - atMs
    if (offsets.changes.at(-1)?.offsetMs !== offsetMs) offsets.changes.push({ fromMs: atMs, offsetMs })
    offsets.throughMs = atMs
  }
  return offsets
}
