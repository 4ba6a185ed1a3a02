/** How many views of a run are merged at the same time. */
import type { RunPlan } from './plan-run.ts'

/** With more, a statement keeps all of the engine's threads busy by itself, and two may need more memory than it has. */
const ADDED_BYTES_MAX = 64 * 1024 * 1024
const VIEWS_MAX = 2

/** The engine uses about one thread for a statement over few states: as many views at once as it has threads, where nothing else is merged. */
export function viewsAtOnce({ views, horizons }: Pick<RunPlan, 'views' | 'horizons'>, threads: number): number {
  const plans = [...views.values()]
  const added = plans.flatMap((plan) => (plan.kind === 'extend' ? plan.added : []))
  const bytes = added.reduce((sum, file) => sum + file.bytes, 0)
  const isSmall = bytes <= ADDED_BYTES_MAX && horizons.size === 0 && plans.every(({ kind }) => kind === 'extend')
  return isSmall ? Math.min(VIEWS_MAX, threads) : 1
}
