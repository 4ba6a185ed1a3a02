/** How findings name an age, and a time in the future. */

export function agoOf(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** What a time in the future means. */
export const CLOCK_WAS_WRONG =
  'a clock was ahead then, or this one is behind: check the clocks of the machines; freshness is right again once both agree'
