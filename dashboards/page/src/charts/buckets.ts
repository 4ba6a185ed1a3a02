/** Which buckets a chart over time shows. */

/** of equal length in every time zone; a day is not, where clocks change */
const REGULAR = /^(second|minute|hour)$|^\d+/
const FILLED_MAX = 2_000
/** so few are shown as bars: a line through them says nothing */
export const FEW_BUCKETS = 2
/** late events reach back much further than all others, and would press them into a corner */
const LEFT_OUT_SHARE_MAX = 0.05
const KEPT_SHARE_MAX = 0.5
/** also where all but a few events are in one bucket */
const KEPT_MIN = 5

export interface BucketsInput {
  /** begins of buckets, epoch ms, in any order, also repeated */
  readonly times: readonly number[]
  readonly grain: string
  /** null: not known */
  readonly stepMs: number | null
  /** how many are shown; null: all */
  readonly newest: number | null
  /** none before it is shown, epoch ms; null: all are */
  readonly fromMs: number | null
  /** where nothing happened a count is 0: buckets without events are shown, too */
  readonly zero: boolean
}

/** The newest buckets up to the last one, oldest first. */
export function shownBuckets({ times, grain, stepMs, newest, fromMs, zero }: BucketsInput): readonly number[] {
  const sorted = [...new Set(times)].filter((ms) => fromMs === null || ms >= fromMs).toSorted((a, b) => a - b)
  const last = sorted.at(-1)
  if (last === undefined || stepMs === null) return sorted
  const kept = newest === null ? sorted : sorted.filter((ms) => ms > last - newest * stepMs)
  const count = Math.round((last - kept[0]!) / stepMs) + 1
  if (!zero || !REGULAR.test(grain) || count > FILLED_MAX) return kept
  return Array.from({ length: count }, (_, index) => kept[0]! + index * stepMs)
}

/** What a chart leaves out. */
export interface LeftOut {
  /** epoch ms; the first bucket that is shown begins here */
  readonly beforeMs: number
  /** sum of the weights */
  readonly weight: number
}

/**
 * A few events of long before, most of them late, make a chart of a few minutes one of hours.
 * @param weights begin of a bucket, epoch ms → how much is in it @param keptMin so many buckets are shown at least
 * @returns null: nothing is left out, because what is early is not little, or the chart would not become much shorter
 */
export function fewBefore(
  weights: ReadonlyMap<number, number>,
  stepMs: number,
  keptMin: number = KEPT_MIN,
): LeftOut | null {
  const times = [...weights.keys()].toSorted((a, b) => a - b)
  const total = times.reduce((sum, ms) => sum + weights.get(ms)!, 0)
  const [oldest, newest] = [times[0], times.at(-1)]
  if (oldest === undefined || newest === undefined) return null
  let weight = 0
  for (const ms of times) {
    if (weight + weights.get(ms)! > total * LEFT_OUT_SHARE_MAX || ms > newest - (keptMin - 1) * stepMs) {
      const isShorter = newest - ms <= (newest - oldest) * KEPT_SHARE_MAX
      return isShorter && weight > 0 ? { beforeMs: ms, weight } : null
    }
    weight += weights.get(ms)!
  }
  return null
}

/** The next finer grain, where so few buckets say little; null: there are enough, or there is none. @param grains the finest first */
export function finerGrain(grains: readonly string[], grain: string, buckets: number): string | null {
  return buckets === 0 || buckets > FEW_BUCKETS ? null : (grains[grains.indexOf(grain) - 1] ?? null)
}

/** The last bucket has not ended: what it shows will grow. */
export function isFilling(lastMs: number | undefined, stepMs: number | null, nowMs: number): boolean {
  return lastMs !== undefined && stepMs !== null && lastMs <= nowMs && nowMs < lastMs + stepMs
}
