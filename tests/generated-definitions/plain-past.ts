/** What `keep.panes` leaves of old panes, in plain code: from when events arrived to the part of time that an answer is about. */
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { BASE_MS } from './reading.ts'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
/** A day after the first events arrived, those of 70 minutes are as old: of the 100 minutes that events are of, most. */
const EARLY = 1_440 + 30
const KEPT = {
  forever: {},
  merged: { minute: EARLY, hour: EARLY + 1_440 },
  removed: { minute: EARLY, hour: EARLY, day: EARLY },
} satisfies Record<string, Partial<Record<'minute' | 'hour' | 'day', number>>>

export const KEEPS = Object.keys(KEPT) as (keyof typeof KEPT)[]
export type Keep = keyof typeof KEPT

export function keepOf(keep: Keep): DatasetDefinition['keep'] {
  const entries = Object.entries(KEPT[keep]).map(([grain, minutes]) => [grain, `${minutes}m`])
  return entries.length === 0 ? undefined : { panes: Object.fromEntries(entries) }
}

/** When the events of a part arrive, epoch ms: a day after those of the part before. */
export function arrivalOf(part: number): number {
  return BASE_MS + 100 * MINUTE + part * DAY
}

/** Before which times panes are of hours, of days, or gone; the longest counts. */
export interface PlainPast {
  readonly hour: number
  readonly day: number
  readonly none: number
}

export const NO_PAST: PlainPast = { hour: -Infinity, day: -Infinity, none: -Infinity }

/** What is known of what was counted: when the last record of each segment arrived, and the time of the oldest event, epoch ms. */
export interface Counted {
  readonly arrivals: readonly number[]
  readonly oldestMs: number
}

/** @param before what the generation before this one has left @param isFull whether everything was counted again */
export function pastOf(
  { keep, time }: { readonly keep: Keep; readonly time: 'all' | 'minute' | 'hour' | 'window' },
  { arrivals, oldestMs }: Counted,
  before: PlainPast,
  isFull: boolean,
): PlainPast {
  if (keep === 'forever' || time === 'all') return NO_PAST
  const present = presentOf(arrivals)
  if (present === null) return before
  const kept: Partial<Record<'minute' | 'hour' | 'day', number>> = KEPT[keep]
  const since = (grain: 'minute' | 'hour' | 'day', lengthMs: number): number => {
    const minutes = kept[grain]
    if (minutes === undefined) return -Infinity
    const atMs = Math.floor((present - minutes * MINUTE) / lengthMs) * lengthMs
    return oldestMs < atMs ? atMs : -Infinity
  }
  const left =
    time === 'window'
      ? { ...NO_PAST, none: since('minute', MINUTE) }
      : {
          hour: time === 'minute' ? since('minute', HOUR) : -Infinity,
          day: since('hour', DAY),
          none: since('day', DAY),
        }
  if (isFull) return left
  return {
    hour: Math.max(left.hour, before.hour),
    day: Math.max(left.day, before.day),
    none: Math.max(left.none, before.none),
  }
}

/** The newest arrival, a day after another one at most. */
function presentOf(arrivals: readonly number[]): number | null {
  const newest = Math.max(...arrivals)
  const before = Math.max(...arrivals.filter((ms) => ms <= newest - DAY))
  return before === -Infinity ? null : Math.min(newest, before + DAY)
}

/** From when on there is what is asked, epoch ms; null: as it was asked. @param grain null: no buckets */
export function answeredFrom(
  { hour, day, none }: PlainPast,
  grain: 'hour' | 'day' | null,
  fromMs: number | undefined,
): number | null {
  const lost = grain === 'hour' ? Math.max(day, none) : none
  if (lost > (fromMs ?? -Infinity)) {
    const lengthMs = grain === null ? 1 : grain === 'hour' ? HOUR : DAY
    return Math.ceil(lost / lengthMs) * lengthMs
  }
  if (fromMs === undefined) return null
  const paneMs = fromMs < day ? DAY : fromMs < hour ? HOUR : 1
  const wholeMs = Math.ceil(fromMs / paneMs) * paneMs
  return wholeMs === fromMs ? null : wholeMs
}
