/** Where buckets of a grain begin on a zone's clock. */
import { type FixedGrain, GRAIN_MS, type Grain } from '#core/grains.ts'
import { instantOf, wallOf } from './zone-time.ts'

/**
 * The start of the first bucket that does not begin before a time, epoch ms.
 *
 * ```ts
 * bucketFrom(Date.UTC(2026, 2, 14), 'month', 'UTC') // Date.UTC(2026, 3, 1)
 * ```
 */
export function bucketFrom(atMs: number, grain: Grain, timezone: string): number {
  const wallMs = wallOf(atMs, timezone)
  const startMs = startOf(wallMs, grain)
  return startMs === wallMs ? atMs : instantOf(nextOf(startMs, grain), timezone)
}

/** The start of the bucket that a time is in, epoch ms. */
export function bucketOf(atMs: number, grain: Grain, timezone: string): number {
  return instantOf(startOf(wallOf(atMs, timezone), grain), timezone)
}

/** Of the bucket that a time of the wall clock is in, both as if they were UTC. Weeks begin on Mondays. */
function startOf(wallMs: number, grain: Grain): number {
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (fixedMs !== undefined) return Math.floor(wallMs / fixedMs) * fixedMs
  const day = new Date(Math.floor(wallMs / GRAIN_MS.day) * GRAIN_MS.day)
  if (grain === 'week') return day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7))
  const months = { month: 1, quarter: 3, year: 12 }[grain as 'month' | 'quarter' | 'year']
  return day.setUTCMonth(Math.floor(day.getUTCMonth() / months) * months, 1)
}

function nextOf(startMs: number, grain: Grain): number {
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (fixedMs !== undefined) return startMs + fixedMs
  if (grain === 'week') return startMs + 7 * GRAIN_MS.day
  const start = new Date(startMs)
  return start.setUTCMonth(start.getUTCMonth() + { month: 1, quarter: 3, year: 12 }[grain as 'month'])
}
