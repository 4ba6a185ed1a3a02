/** What rows of a series need to find those at earlier times: the wall clock at their time, and at the first one of all. */
import { type FixedGrain, GRAIN_MS, type Grain } from '#core/grains.ts'
import { BEGIN, WALL, whyNotRecurring } from '#core/series/recurrence.ts'
import { quoteText } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'
import { longestMs } from './bucket-lengths.ts'
import { QueryError } from './query-error.ts'
import { needsOf, type SeriesNeeds, type SeriesPlan } from './series-needs.ts'
import { timeBucketSql } from './time-bucket.ts'

/** How far an hour of the wall clock can be from the same one of another day: offsets differ by less. */
const CLOCKS_MS = 26 * GRAIN_MS.hour

/** How long before the first row that is asked for rows are needed because of earlier times. */
export function earlierReachMs({ reachMs }: SeriesNeeds, grain: Grain): number {
  return reachMs === 0 ? 0 : reachMs + CLOCKS_MS + longestMs(grain)
}

/** @throws QueryError if a column that the query needs has no earlier times in its grain */
export function assertRecurring(plan: SeriesPlan): void {
  const { grain } = plan.buckets!
  for (const { name, steps } of needsOf(plan).columns)
    for (const { recurrence } of steps) {
      const problem = recurrence === null ? null : whyNotRecurring(recurrence, grain)
      if (problem !== null)
        throw new QueryError('grain', `column '${name}': ${problem}; use another grain, or leave it out of 'measures'`)
    }
}

/** The rows with WALL and BEGIN. @param states of all keys and times: the first one says since when a row that is absent had no events */
export function walledSql(
  { buckets, timezone }: Pick<SeriesPlan, 'buckets' | 'timezone'>,
  rows: string,
  states: string,
  bound: BoundValues,
): string {
  const { grain, paneMs } = buckets!
  const wall = wallSql(grain, timezone, bound)
  const first = `SELECT ${timeBucketSql(grain, timezone, paneMs, bound)} AS _first FROM (SELECT min(pane) AS pane FROM ${states}) WHERE pane IS NOT NULL`
  return `(SELECT *, ${wall('"time"')} AS ${WALL}, (SELECT ${wall('_first')} FROM (${first})) AS ${BEGIN} FROM ${rows})`
}

/** What the wall clock shows at the start of a bucket, as if it were UTC; of one that a clock change cuts, what a whole one would begin at. */
function wallSql(grain: Grain, timezone: string, bound: BoundValues): (at: string) => string {
  if (timezone === 'UTC') return (at) => at
  const zone = `${bound.bind(timezone)}::VARCHAR`
  const local = (at: string): string => `timezone(${zone}, make_timestamptz(${at} * 1000))`
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (fixedMs === undefined) return (at) => `epoch_ms(date_trunc(${quoteText(grain)}, ${local(at)}))`
  const floored = (ms: string): string => `(${ms} - ((${ms} % ${fixedMs}) + ${fixedMs}) % ${fixedMs})`
  return (at) => floored(`epoch_ms(${local(at)})`)
}
