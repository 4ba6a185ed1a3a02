/**
 * Groups panes into the buckets of a grain. Panes are aligned to UTC; in another time zone a bucket is exact only if its boundaries fall
 * on pane boundaries. The zone's offset is therefore checked for each pane, and a pane that does not fit fails the query instead of being rounded.
 */
import { type FixedGrain, GRAIN_MS, type Grain } from '#core/grains.ts'
import { quoteText } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'

/** Prefix of the engine's error message if a time zone's offset is not a multiple of the pane. */
export const PANE_CUT = 'watershed: the time zone offset is not a multiple of the pane'

/** SQL over state rows: start of the pane's bucket, epoch ms. An hour that a clock change repeats remains two buckets. */
export function timeBucketSql(
  grain: Grain,
  timezone: string,
  paneMs: number,
  bound: Pick<BoundValues, 'bind'>,
): string {
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (timezone === 'UTC') {
    return fixedMs === undefined
      ? `epoch_ms(date_trunc(${quoteText(grain)}, epoch_ms(pane)))`
      : `pane - ((pane % ${fixedMs}) + ${fixedMs}) % ${fixedMs}`
  }
  const zone = `${bound.bind(timezone)}::VARCHAR`
  const local = `timezone(${zone}, make_timestamptz(pane * 1000))`
  const offset = `(epoch_ms(${local}) - pane)`
  const bucket =
    fixedMs === undefined || fixedMs >= GRAIN_MS.day
      ? calendarStartSql(`date_trunc(${quoteText(grain)}, ${local})`, zone)
      : `pane - (((pane + ${offset}) % ${fixedMs}) + ${fixedMs}) % ${fixedMs}`
  return `CASE WHEN ${offset} % ${paneMs} <> 0 THEN error(${quoteText(PANE_CUT)}) ELSE ${bucket} END`
}

/** Local midnight, epoch ms. Where a clock change repeats midnight, this is the first one; the engine alone would take the second. */
function calendarStartSql(midnight: string, zone: string): string {
  const start = `epoch_ms(timezone(${zone}, ${midnight}))`
  const before = `(${start} - ${GRAIN_MS.hour})`
  return `CASE WHEN timezone(${zone}, make_timestamptz(${before} * 1000)) = ${midnight} THEN ${before} ELSE ${start} END`
}
