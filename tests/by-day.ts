/**
 * Long suites whose cases take turns by day; for whole files see files-by-day.ts. TEST_ALL_DAYS=1 runs all of them, and TEST_DAY=2026-11-29
 * those of that day.
 */

const DAY_MS = 86_400_000
/** Whole files take turns in three days: files-by-day.ts. */
const DAYS = 6

/** @param ms since 1970 @returns days since then, in UTC */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}

/** @throws if TEST_DAY is not a date */
export function today(): number {
  const named = process.env.TEST_DAY
  if (named === undefined) return dayOf(Date.now())
  const day = dayOf(Date.parse(named))
  if (Number.isNaN(day)) throw new Error(`TEST_DAY: expected a date such as 2026-11-29, not '${named}'`)
  return day
}

const day = today()

/** The same for six days, after which all cases of a suite have run. */
export const PERIOD = Math.floor(day / DAYS)

/**
 * Every sixth case, or every second one of two; which ones depends on the day. What is left out is printed.
 *
 * @param what names the cases, for example 'generated definitions'
 */
export function ofToday<Case>(what: string, all: readonly Case[]): readonly Case[] {
  if (process.env.TEST_ALL_DAYS === '1') return all
  const days = Math.min(DAYS, all.length)
  const some = all.filter((_, index) => index % days === day % days)
  console.warn(
    `${some.length} of ${all.length} ${what} today, the others within ${days} days; TEST_ALL_DAYS=1 runs all of them`,
  )
  return some
}
