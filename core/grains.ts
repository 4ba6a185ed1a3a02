/** Grains of fixed length, in milliseconds; week, month, quarter and year depend on the calendar. */
export const GRAIN_MS = {
  second: 1_000,
  '10s': 10_000,
  minute: 60_000,
  '5m': 300_000,
  '15m': 900_000,
  hour: 3_600_000,
  day: 86_400_000,
} as const

export type FixedGrain = keyof typeof GRAIN_MS
export const CALENDAR_GRAINS = ['week', 'month', 'quarter', 'year'] as const
export type CalendarGrain = (typeof CALENDAR_GRAINS)[number]
export type Grain = FixedGrain | CalendarGrain

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * A duration such as '10s', '5m', '1h', '500ms' or '1d' in milliseconds.
 * @throws RangeError that names `where` if the text is not a duration
 */
export function durationMs(text: string, where: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  const ms = match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : 0
  if (ms <= 0) throw new RangeError(`${where}: '${text}' is not a duration (examples: 10s, 5m, 1h, 1d)`)
  return ms
}

/**
 * The shortest text of a duration.
 *
 * ```ts
 * durationText(129_600_000) // '36h'
 * ```
 */
export function durationText(ms: number): string {
  const [unit, unitMs] = Object.entries(UNIT_MS).findLast(([, each]) => ms % each === 0)!
  return `${ms / unitMs}${unit}`
}
