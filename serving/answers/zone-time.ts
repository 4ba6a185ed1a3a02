/**
 * Instants of wall-clock times in a time zone, for texts without an offset. They agree with the buckets of time-bucket.ts: a time that a
 * clock change repeats is its first occurrence, and one that a change skips is the instant of the change.
 */
import { timeTextMs } from './time-text.ts'

const HOUR_MS = 3_600_000
/** no change of a zone's offset is larger, and no offset: a zone that crosses the date line changes by a day */
const REACH_HOURS = 50
/** clocks that are kept: names differ in letter case, too */
const CLOCKS_MAX = 500
const clocks = new Map<string, Intl.DateTimeFormat>()

/** Whether the text is an IANA time zone that this process knows. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * As `timeTextMs`, but a text without an offset is a wall-clock time in the zone.
 *
 * @returns epoch ms; null if the text is not a time
 * @example zonedTextMs('2026-03-01', 'Europe/Berlin') // 1772319600000, which is 2026-02-28T23:00:00Z
 */
export function zonedTextMs(text: string, timezone: string): number | null {
  const ms = timeTextMs(text)
  if (ms === null || timezone === 'UTC' || /^-?\d{1,15}$|T.*(Z|[+-]\d\d:\d\d)$/.test(text)) return ms
  return instantOf(ms, timezone)
}

/** The wall-clock time at an instant, as if it were UTC. */
export function wallOf(atMs: number, timezone: string): number {
  return timezone === 'UTC' ? atMs : atMs + offsetMs(atMs, timezone)
}

/** @param wallMs the wall-clock time, as if it were UTC */
export function instantOf(wallMs: number, timezone: string): number {
  if (timezone === 'UTC') return wallMs
  const offsets = new Set<number>()
  for (let hours = -REACH_HOURS; hours <= REACH_HOURS; hours++)
    offsets.add(offsetMs(wallMs + hours * HOUR_MS, timezone))
  const instants = [...offsets].map((offset) => wallMs - offset)
  const shown = instants.filter((at) => at + offsetMs(at, timezone) === wallMs)
  return shown.length > 0 ? Math.min(...shown) : skippedAt(wallMs, instants, timezone)
}

/** The clock is before the wall-clock time at the first of the instants, and after it at the last one: when it passed it. */
function skippedAt(wallMs: number, instants: readonly number[], timezone: string): number {
  let [before, after] = [Math.min(...instants), Math.max(...instants)]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (middle + offsetMs(middle, timezone) < wallMs) before = middle
    else after = middle
  }
  return after
}

function offsetMs(atMs: number, timezone: string): number {
  const wholeMs = Math.floor(atMs / 1_000) * 1_000
  const part = Object.fromEntries(
    clockOf(timezone)
      .formatToParts(wholeMs)
      .map(({ type, value }) => [type, value]),
  )
  const wall = new Date(0)
  wall.setUTCFullYear(
    part.era === 'BC' ? 1 - Number(part.year) : Number(part.year),
    Number(part.month) - 1,
    Number(part.day),
  )
  wall.setUTCHours(Number(part.hour), Number(part.minute), Number(part.second))
  return wall.getTime() - wholeMs
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known !== undefined) return known
  const [date, time] = [
    { era: 'short', year: 'numeric', month: 'numeric', day: 'numeric' },
    { hour: 'numeric', minute: 'numeric', second: 'numeric' },
  ] as const
  const clock = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...date, ...time })
  if (clocks.size >= CLOCKS_MAX) clocks.clear()
  clocks.set(timeZone, clock)
  return clock
}
