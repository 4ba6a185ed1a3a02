/** A query as resident answers know it, and the window that it stands for. */
import type { QueryPlan } from '../answers/query-plan.ts'
import type { TalliedQuery } from '../tally/tally-plan.ts'

/** A query that was checked against its view. */
export interface AskedQuery {
  readonly plan: QueryPlan
  /** null: only the engine can answer it */
  readonly tallied: TalliedQuery | null
  /** tells it from all others */
  readonly text: string
}

/** What is asked, and of which window. */
export function keyOf({ plan, text }: AskedQuery, nowMs: number): string {
  return `${text}@${windowOf(plan, nowMs)}`
}

/** The window's number, where the clock decides which one it is: the one that ends next, or the one of panes that have begun. */
export function windowOf({ query, window }: QueryPlan, nowMs: number): number | null {
  if (window === null || typeof query.at === 'number') return null
  const windows = nowMs / window.everyMs
  return query.at === 'latest' ? Math.floor(windows) : Math.ceil(windows)
}
