/** When a cron pattern was last due, in UTC. Due runs follow from this and the manifests, so a missed run is detected. */
import { createTask, parse, validateDetailed } from 'node-cron'

const DAY_MS = 86_400_000
/** a pattern that is not due within this many days counts as never due; 29 February is due within them, even across a century */
const LOOK_BACK_DAYS = 8 * 366

/** @throws RangeError that names the setting and what is wrong with the pattern */
export function assertPattern(pattern: string, setting: string): void {
  const { valid, errors } = validateDetailed(pattern)
  if (valid) return
  const why = errors.map((error) => error.message).join('; ')
  throw new RangeError(`${setting}: '${pattern}' is not a cron pattern (${why}); example: '0 2 * * *' for 02:00 UTC`)
}

/** The latest time at or before `nowMs` that the pattern matches in UTC, epoch ms; null if there is none within years. */
export function latestDueMs(pattern: string, nowMs: number): number | null {
  const { hour, minute, second } = parse(pattern)
  const [hours, minutes, seconds] = [hour, minute, second].map((values) => values.toSorted((a, b) => b - a))
  const task = createTask(pattern, () => {}, { timezone: 'UTC' })
  try {
    const today = Math.floor(nowMs / DAY_MS) * DAY_MS
    for (let day = today; day > today - LOOK_BACK_DAYS * DAY_MS; day -= DAY_MS) {
      const last = latestOfDay(hours!, minutes!, seconds!, nowMs - day)
      if (last !== null && task.match(new Date(day + last))) return day + last
    }
    return null
  } finally {
    task.destroy()
  }
}

/** The latest of the times of day, in ms since midnight, that is not after `limitMs`. */
function latestOfDay(
  hours: readonly number[],
  minutes: readonly number[],
  seconds: readonly number[],
  limitMs: number,
): number | null {
  for (const hour of hours) {
    for (const minute of minutes) {
      const start = hour * 3_600_000 + minute * 60_000
      if (start > limitMs) continue
      const second = seconds.find((value) => start + value * 1_000 <= limitMs)
      if (second !== undefined) return start + second * 1_000
    }
  }
  return null
}
