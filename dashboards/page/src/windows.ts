/** The windows that are looked at one after the other: how far apart, and until when. */
import type { View } from './definition.ts'
import type { Range } from './range.ts'

/** more are not distinguished, and each is a query of its own to the server */
const WINDOWS_MAX = 60
/** shown where no range is chosen, in lengths of the window */
const SIZES_NEWEST = 6
/** the largest first */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

type Window = NonNullable<View['window']>

const NEWEST: Range = { name: '', fromMs: null, toMs: null }

export interface WindowSeries {
  readonly from: string
  readonly to: string
  /** as a query takes it: '5m' */
  readonly every: string
  /** the same in ms */
  readonly stepMs: number
}

/**
 * @param newestMs end of the newest window @param fromMsMin nothing is before it, as is known
 * @returns windows that end at multiples of `every`
 */
export function windowSeries(
  { sizeMs, everyMs }: Window,
  range: Range,
  newestMs: number,
  fromMsMin = Number.NEGATIVE_INFINITY,
): WindowSeries {
  const toMs = Math.min(range.toMs ?? newestMs, newestMs)
  const fromMs = range.fromMs ?? Math.max(toMs - SIZES_NEWEST * sizeMs, fromMsMin)
  const stepMs = everyMs * Math.max(1, Math.ceil((toMs - fromMs) / WINDOWS_MAX / everyMs))
  const endMs = Math.ceil(toMs / stepMs) * stepMs
  const begunMs = Math.min(Math.floor(fromMs / stepMs) * stepMs, endMs - stepMs)
  return {
    from: new Date(begunMs).toISOString(),
    to: new Date(endMs).toISOString(),
    every: durationText(stepMs),
    stepMs,
  }
}

/**
 * When the events began, where they are only in the newest of the windows, and could be shown more finely; else null.
 * @param series that was shown @param firstEndMs end of the first window of it that has something
 */
export function begunMs(window: Window, series: WindowSeries, firstEndMs: number, newestMs: number): number | null {
  const begun = firstEndMs - series.stepMs
  return windowSeries(window, NEWEST, newestMs, begun).stepMs < series.stepMs ? begun : null
}

/** 300000 → '5m' */
export function durationText(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, length]) => ms % length === 0)!
  return `${ms / unitMs}${unit}`
}
