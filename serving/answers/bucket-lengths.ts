/** How long the buckets of a grain can be, in any time zone. */
import { type CALENDAR_GRAINS, GRAIN_MS, type Grain } from '#core/grains.ts'

const HOUR_MS = GRAIN_MS.hour
/** shortest and longest bucket; the clock may change in one of them */
const DAYS: Readonly<Record<'day' | (typeof CALENDAR_GRAINS)[number], readonly [number, number]>> = {
  day: [1, 1],
  week: [7, 7],
  month: [28, 31],
  quarter: [90, 92],
  year: [365, 366],
}
const CHANGE_MS = 3 * HOUR_MS
/** No bucket of the grain is longer, in any zone. */
export function longestMs(grain: Grain): number {
  return isDays(grain) ? DAYS[grain][1] * GRAIN_MS.day + CHANGE_MS : GRAIN_MS[grain]
}

/** Whether its buckets are whole days, which clock changes make longer or shorter. */
export function isDays(grain: Grain): grain is keyof typeof DAYS {
  return grain in DAYS
}

/** No bucket of the grain is shorter, in any zone; but an hour that a clock change cuts is a bucket, too. */
export function shortestMs(grain: Grain): number {
  return isDays(grain) ? DAYS[grain][0] * GRAIN_MS.day - CHANGE_MS : GRAIN_MS[grain]
}
