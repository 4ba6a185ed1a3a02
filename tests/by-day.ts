/**
 * Long suites whose cases take turns by day; for whole files see files-by-day.ts. TEST_ALL_DAYS=1 runs all of them, and TEST_DAY=2026-11-29
 * those of that day.
 */

const DAY_MS = 86_400_000
const DAYS = 6
/** Whole files take turns in so many days: files-by-day.ts. */
export const FILE_DAYS = 4

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

/** The same for six days, after which all cases of a suite have run. */
export const PERIOD = Math.floor(today() / DAYS)

/**
 * Every sixth case, or every second one of two; which ones depends on the day. What is left out is printed.
 *
 * @param what names the cases, for example 'generated definitions'
 * @param every days from one run of the file to the next: FILE_DAYS where the file takes turns itself
 *
 * @example
 * ofToday('faults', ['killed', 'frozen']) // ['killed'] on an even day
 * ofToday('faults', ['killed', 'frozen'], FILE_DAYS) // ['killed'] in each second run of the file
 */
export function ofToday<Case>(what: string, all: readonly Case[], every = 1): readonly Case[] {
  if (process.env.TEST_ALL_DAYS === '1') return all
  const turns = Math.min(DAYS, all.length)
  const turn = Math.floor(today() / every) % turns
  const some = all.filter((_, index) => index % turns === turn)
  console.warn(
    `${some.length} of ${all.length} ${what} today, the others within ${turns * every} days; TEST_ALL_DAYS=1 runs all of them`,
  )
  return some
}
