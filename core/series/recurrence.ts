/** The earlier times that `usual` compares a row with: the same hour of the same weekday, of the weeks before. */
import { DEFINITION_LIMITS } from '../definition-limits.ts'
import type { SeriesColumnDefinition } from '../definition-parts.ts'
import { durationMs, durationText, type FixedGrain, GRAIN_MS, type Grain } from '../grains.ts'

export interface Recurrence {
  /** from one time to the next, by the wall clock */
  readonly everyMs: number
  readonly times: number
  /** what a time without a value counts as; null: it is left out */
  readonly absent: 0 | null
}

/** Columns that rows have while they are calculated, epoch ms: what the wall clock shows at their time, and at the view's first one. */
export const WALL = '"#wall"'
export const BEGIN = '"#begin"'

const WEEK_MS = 7 * GRAIN_MS.day

/** Of a definition without `recurrenceProblems`. */
export function recurrenceOf({ every, times, absent = 0 }: SeriesColumnDefinition): Recurrence {
  return { everyMs: durationMs(every!, 'every'), times: times!, absent }
}

/** Why its options cannot be used. @param grain in which the series must have such times; null: unknown */
export function recurrenceProblems({ every, times }: SeriesColumnDefinition, grain: Grain | null): string[] {
  const { usualTimesMax } = DEFINITION_LIMITS
  const problems: string[] = []
  if (!Number.isInteger(times) || times! < 1 || times! > usualTimesMax)
    problems.push(`usual over ${times} times; use an integer from 1 to ${usualTimesMax}`)
  try {
    const everyMs = durationMs(every!, 'every')
    const why = grain === null ? null : whyNotRecurring({ everyMs }, grain)
    if (why !== null) problems.push(why)
  } catch (error) {
    problems.push((error as Error).message)
  }
  return problems
}

/** Why rows of a grain have none that lie so far apart, as a sentence; null: they have. */
export function whyNotRecurring({ everyMs }: Pick<Recurrence, 'everyMs'>, grain: Grain): string | null {
  const fixedMs = grain === 'week' ? WEEK_MS : (GRAIN_MS[grain as FixedGrain] as number | undefined)
  if (fixedMs === undefined) return `usual has no earlier times in rows of a ${grain}, which are not equally long`
  return everyMs % fixedMs === 0
    ? null
    : `usual every ${durationText(everyMs)} has no earlier times in rows of the grain '${grain}'; use a multiple of ${durationText(fixedMs)}`
}

/** How far before a row its earliest time is. */
export function reachMs({ everyMs, times }: Recurrence): number {
  return everyMs * times
}
