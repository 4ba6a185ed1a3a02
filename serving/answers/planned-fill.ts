/** Checks what a query wants to be shown where there are no events. */
import type { CompiledSeries } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import type { Grain } from '#core/grains.ts'
import { FILLS, type Fill, QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { shortestMs } from './bucket-lengths.ts'
import { QueryError } from './query-error.ts'

/** @param grain of the rows. @throws QueryError */
export function plannedFill(
  { fill, fromMs, toMs }: ViewQuery,
  series: CompiledSeries | null,
  grain: Grain | undefined,
): Fill | null {
  if (fill === undefined) return null
  if (!FILLS.includes(fill)) throw new QueryError('fill', `'${fill}' is unknown${nearest(fill, FILLS)}`, FILLS)
  if (series !== null)
    throw new QueryError('fill', `the definition of series '${series.name}' says how its gaps are filled`)
  if (grain === undefined) throw new QueryError('fill', "requires 'grain': buckets without events are filled")
  if (fromMs === undefined || toMs === undefined)
    throw new QueryError('fill', "requires 'from' and 'to': every bucket between them has a row")
  const buckets = Math.ceil((toMs - fromMs) / shortestMs(grain))
  if (buckets > QUERY_LIMITS.filledRowsMax)
    throw new QueryError(
      'fill',
      `there are ${buckets} buckets from 'from' to 'to', more than filledRowsMax = ${QUERY_LIMITS.filledRowsMax}; ask for a shorter time or a longer grain`,
    )
  return fill
}
