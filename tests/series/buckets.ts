/** Buckets of event time in plain code, in any zone whose offsets are multiples of a quarter of an hour. */
const QUARTER_MS = 900_000

export type AskedGrain = 'minute' | 'hour' | 'day' | 'week' | 'month'

export interface Buckets {
  readonly bucketOf: (ms: number) => number
  readonly nextOf: (bucket: number) => number
  /** what the wall clock shows, rounded down to a whole minute, hour or day, as if it were UTC */
  readonly wallOf: (bucket: number) => number
}

/** Two instants are in one bucket if the wall clock shows the same minute, hour, day … at both, and everywhere between. */
export function bucketsOf(grain: AskedGrain, timezone: string): Buckets {
  const stepMs = grain === 'minute' ? 60_000 : QUARTER_MS
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'longOffset',
  })
  const known = new Map<number, string>()
  const labelOf = (ms: number): string => {
    const at = Math.floor(ms / stepMs) * stepMs
    const found = known.get(at) ?? label(at)
    known.set(at, found)
    return found
  }
  return {
    bucketOf: (ms) => {
      let at = Math.floor(ms / stepMs) * stepMs
      while (labelOf(at - stepMs) === labelOf(at)) at -= stepMs
      return at
    },
    nextOf: (bucket) => {
      let at = bucket
      while (labelOf(at) === labelOf(bucket)) at += stepMs
      return at
    },
    wallOf: (bucket) => {
      const { year, month, day, hour, minute } = partsOf(bucket)
      const shown = grain === 'day' ? [] : grain === 'hour' ? [hour] : [hour, minute]
      const [h = 0, m = 0] = shown.map(Number)
      return Date.UTC(Number(year), Number(month) - 1, Number(day), h, m)
    },
  }

  function partsOf(ms: number): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
    return Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]))
  }

  function label(ms: number): string {
    const part = partsOf(ms)
    const date = `${part.year}-${part.month}-${part.day}`
    if (grain === 'month') return date.slice(0, 7)
    if (grain === 'week') return String(Math.floor((Date.parse(date) / 86_400_000 + 3) / 7))
    if (grain === 'day') return date
    const hour = `${date} ${part.hour} ${part.timeZoneName}`
    return grain === 'hour' ? hour : `${hour}:${part.minute}`
  }
}
