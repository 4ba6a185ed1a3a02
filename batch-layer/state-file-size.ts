/** How large the files are into which a view's states are cut by ranges of panes. */

/** A range is cut where its states, written whole, have twice these bytes. Larger than what readers keep in memory of a file. */
export const STATE_FILE_BYTES = 32 * 1024 * 1024

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** Where files may begin: with a day of UTC, or within one if a day has too many states. Coarsest first. */
export function cutGrains(paneMs: number): number[] {
  const grains = [DAY_MS, HOUR_MS].filter((grain) => grain > paneMs && grain % paneMs === 0)
  return [...grains, paneMs]
}
