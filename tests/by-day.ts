/** Long suites whose cases take turns: one half today, the other tomorrow. WATERSHED_TEST_ALL=1 runs both. */

const DAY_MS = 86_400_000
const day = Math.floor(Date.now() / DAY_MS)

/** The same for two days, after which all cases of a suite have run. */
export const PERIOD = Math.floor(day / 2)

/** Every second case; which ones depends on the day. What is left out is said. @param what names the cases, for example 'generated definitions' */
export function ofToday<Case>(what: string, all: readonly Case[]): readonly Case[] {
  if (process.env.WATERSHED_TEST_ALL === '1') return all
  const some = all.filter((_, index) => index % 2 === day % 2)
  console.warn(
    `${some.length} of ${all.length} ${what} today, the others tomorrow; WATERSHED_TEST_ALL=1 runs all of them`,
  )
  return some
}
