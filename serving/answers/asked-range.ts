/** The event time that a query asks for. */
import type { SlidingWindow } from '#core/compiled.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { QueryPlan } from './query-plan.ts'
import { rangeOfWindows } from './window-series.ts'

/** The range that is known without looking at the states; null for the newest window that has events. */
export function askedRange({ query, window, windows }: QueryPlan, nowMs: number): AnswerRange | null {
  if (windows !== null) return rangeOfWindows(windows)
  if (window === null) return { fromMs: query.fromMs, toMs: query.toMs }
  if (query.at === 'latest') return null
  const named = query.at === undefined || query.at === 'now' ? nowMs : query.at
  return windowUpTo(window, named)
}

export function windowUpTo({ sizeMs, everyMs }: SlidingWindow, atMs: number): AnswerRange {
  const toMs = Math.ceil(atMs / everyMs) * everyMs
  return { fromMs: toMs - sizeMs, toMs }
}
