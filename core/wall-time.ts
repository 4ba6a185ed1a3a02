/**
 * The instant of a local time in a time zone, as the engine's timezone() decides it: of a local time that a change of the clocks repeats
 * the later instant, and of one that it skips the instant by the offset from before the change.
 */
const DAY_MS = 86_400_000
const QUARTER_MS = 900_000
/** quarters of hours of which the offset is kept, for each zone */
const OFFSETS_MAX = 4_096

/** Whether a text names a time zone of the IANA database. Offsets such as +02:00, which JavaScript also accepts, are none. */
export function isTimeZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

/** @param wallMs the local time as if it were UTC, epoch ms; years 1 to 9999 */
export function instantOf(wallMs: number, zone: string): number {
  if (zone === 'UTC') return wallMs
  const clock = clockOf(zone)
  const [before, after] = [clock.offsetAt(wallMs - DAY_MS), clock.offsetAt(wallMs + DAY_MS)]
  if (before === after) return wallMs - before
  const right = [before, after].filter((offset) => clock.offsetAt(wallMs - offset) === offset)
  return wallMs - (right.length === 0 ? before : Math.min(...right))
}

const clocks = new Map<string, ZoneClock>()

function clockOf(zone: string): ZoneClock {
  const clock = clocks.get(zone) ?? new ZoneClock(zone)
  clocks.set(zone, clock)
  return clock
}

class ZoneClock {
  readonly #format: Intl.DateTimeFormat
  /** by the quarter of an hour in which an instant is: no zone changes its offset within one since 1972 */
  readonly #offsets = new Map<number, number>()

  constructor(zone: string) {
    const [numeric, twoDigits] = ['numeric', '2-digit'] as const
    this.#format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      year: numeric,
      month: twoDigits,
      day: twoDigits,
      hour: twoDigits,
      minute: twoDigits,
      second: twoDigits,
    })
  }

  /** Offset from UTC, ms. */
  offsetAt(instantMs: number): number {
    const quarter = Math.floor(instantMs / QUARTER_MS)
    const known = this.#offsets.get(quarter)
    if (known !== undefined) return known
    if (this.#offsets.size >= OFFSETS_MAX) this.#offsets.clear()
    const start = quarter * QUARTER_MS
    const offset = this.#wallAt(start) - start
    this.#offsets.set(quarter, offset)
    return offset
  }

  /** What the zone's clocks show, as if it were UTC. @param instantMs a whole second */
  #wallAt(instantMs: number): number {
    const parts = this.#format.formatToParts(instantMs).map(({ type, value }) => [type, Number(value)] as const)
    const of: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = Object.fromEntries(parts)
    const wall = new Date(0)
    wall.setUTCFullYear(of.year!, of.month! - 1, of.day)
    return wall.setUTCHours(of.hour!, of.minute, of.second)
  }
}
