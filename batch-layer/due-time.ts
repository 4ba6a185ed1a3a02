/** When a cron pattern was last due and will be next, in UTC. Due runs follow from this and the manifests, so a missed run is detected. */
import { createTask, parse, validateDetailed } from 'node-cron'

const DAY_MS = 86_400_000
/** a pattern that is not due within this many days counts as never due; 29 February is due within them, even across a century */
const LOOK_DAYS = 8 * 366

/** @throws RangeError that names the setting and what is wrong with the pattern */
export function assertPattern(pattern: string, setting: string): void {
  const { valid, errors } = validateDetailed(pattern)
  if (valid) return
  const why = errors.map((error) => error.message).join('; ')
  throw new RangeError(`${setting}: '${pattern}' is not a cron pattern (${why}); example: '0 2 * * *' for 02:00 UTC`)
}

/** The latest time at or before `nowMs` that the pattern matches in UTC, epoch ms; null if there is none within years. */
export function latestDueMs(pattern: string, nowMs: number): number | null {
  return firstDueMs(pattern, nowMs, -1, (atMs) => atMs <= nowMs)
}

/** The first time after `nowMs` that the pattern matches in UTC, epoch ms; null if there is none within years. */
export function nextDueMs(pattern: string, nowMs: number): number | null {
  return firstDueMs(pattern, nowMs, 1, (atMs) => atMs > nowMs)
}

/** Goes through the days from today on, forwards or backwards, and in each through its times in the same direction. */
function firstDueMs(pattern: string, nowMs: number, step: 1 | -1, isWanted: (atMs: number) => boolean): number | null {
  const { hour, minute, second } = parse(pattern)
  const [hours, minutes, seconds] = [hour, minute, second].map((values) => values.toSorted((a, b) => step * (a - b)))
  const task = createTask(pattern, () => {}, { timezone: 'UTC' })
  try {
    const today = Math.floor(nowMs / DAY_MS) * DAY_MS
    for (let days = 0; days < LOOK_DAYS; days++) {
      const day = today + step * days * DAY_MS
      const first = firstOfDay(hours!, minutes!, seconds!, (timeMs) => isWanted(day + timeMs))
      if (first !== null && task.match(new Date(day + first))) return day + first
    }
    return null
  } finally {
    task.destroy()
  }
}

/** The first of the times of day that is wanted, in ms since midnight, in the order of the given values. */
function firstOfDay(
  hours: readonly number[],
  minutes: readonly number[],
  seconds: readonly number[],
  isWanted: (timeMs: number) => boolean,
): number | null {
  for (const hour of hours) {
    for (const minute of minutes) {
      const start = hour * 3_600_000 + minute * 60_000
      const second = seconds.find((value) => isWanted(start + value * 1_000))
      if (second !== undefined) return start + second * 1_000
    }
  }
  return null
}
