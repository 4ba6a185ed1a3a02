/** The earlier period that a query compares with. Days and longer are moved on the zone's clock, so that midnight stays midnight. */
import { GRAIN_MS, type Grain } from '#core/grains.ts'
import type { ViewQuery } from '#core/query.ts'
import { isDays } from './bucket-lengths.ts'
import { QueryError } from './query-error.ts'
import { instantOf, wallOf } from './zone-time.ts'

/** How far a period is moved back. */
export type Shift =
  | { readonly unit: 'ms'; readonly by: number }
  | { readonly unit: 'days'; readonly by: number }
  | { readonly unit: 'months'; readonly by: number }

export interface Period {
  readonly fromMs: number
  readonly toMs: number
}

export interface EarlierPeriod extends Period {
  readonly shift: Shift
  /** of which it can be said what it was, where a part of it is not kept; null: of nothing as a whole; absent: of all of it */
  readonly kept?: Partial<Period> | null
}

const DAY_MS = GRAIN_MS.day
const UNITS: Readonly<Record<string, readonly [Shift['unit'], number]>> = {
  s: ['ms', GRAIN_MS.second],
  m: ['ms', GRAIN_MS.minute],
  h: ['ms', GRAIN_MS.hour],
  d: ['days', 1],
  w: ['days', 7],
  month: ['months', 1],
  quarter: ['months', 3],
  year: ['months', 12],
}
const MONTHS: Partial<Record<Grain, number>> = { month: 1, quarter: 3, year: 12 }
/** a comparison with what was longer ago is a mistake */
const YEARS_MAX = 1_000

/** @returns null: the period that ends where the asked one begins. @throws QueryError */
export function parsedShift(text: string): Shift | null {
  if (text === 'previous') return null
  const [, number, unit] = /^(\d+)([a-z]+)$/.exec(text) ?? []
  const [kind, size] = UNITS[unit ?? ''] ?? []
  const by = Number(number) * (size ?? 0)
  if (kind === undefined || by === 0)
    throw new QueryError(
      'compare',
      `'${text}' is not a shift: write 'previous', or for example 12h, 7d, 1w, 1month, 1quarter or 1year`,
    )
  if (by / { ms: 366 * DAY_MS, days: 366, months: 12 }[kind] > YEARS_MAX)
    throw new QueryError('compare', `'${text}' is too long: at most ${YEARS_MAX} years are possible`)
  return { unit: kind, by }
}

/** @throws QueryError where rows of the grain have none that they could be compared with */
export function checkShift({ unit, by }: Shift, grain: Grain | undefined): void {
  if (grain === undefined) return
  const months = MONTHS[grain]
  const fits =
    months !== undefined
      ? unit === 'months' && by % months === 0
      : isDays(grain)
        ? unit === 'days' && by % (grain === 'week' ? 7 : 1) === 0
        : unit !== 'ms' || by % GRAIN_MS[grain as keyof typeof GRAIN_MS] === 0
  const isDaily = grain === 'day' && unit === 'months'
  if (!fits && !isDaily) throw new QueryError('compare', `the shift is not a whole number of the grain '${grain}'`)
}

interface Asked {
  readonly shift: Shift | null
  readonly period: Period
  readonly grain: Grain | undefined
  readonly timezone: string
  readonly paneMs: number
}

/** @throws QueryError */
export function earlierPeriod({ shift: given, period, grain, timezone, paneMs }: Asked): EarlierPeriod {
  const shift = given ?? previousShift(period, grain, timezone)
  checkShift(shift, grain)
  const fromMs = movedBack(period.fromMs, shift, timezone)
  // The previous period ends where this one begins, also where months have other lengths.
  const toMs = given === null ? period.fromMs : movedBack(period.toMs, shift, timezone)
  if (fromMs % paneMs !== 0 || toMs % paneMs !== 0)
    throw new QueryError('compare', `the earlier period does not begin and end with panes of ${paneMs / 1_000} s`)
  return { shift, fromMs, toMs }
}

/** By whole months for grains of months, by whole days where the period has such, else by its length. */
function previousShift({ fromMs, toMs }: Period, grain: Grain | undefined, timezone: string): Shift {
  const [from, to] = [wallOf(fromMs, timezone), wallOf(toMs, timezone)]
  if (grain !== undefined && MONTHS[grain] !== undefined) {
    const [a, b] = [new Date(from), new Date(to)]
    if (from % DAY_MS !== 0 || to % DAY_MS !== 0 || a.getUTCDate() !== 1 || b.getUTCDate() !== 1)
      throw new QueryError('compare', `'previous' by ${grain} requires that 'from' and 'to' are first days of months`)
    const by = (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth()
    return { unit: 'months', by }
  }
  if (from % DAY_MS === 0 && to % DAY_MS === 0) return { unit: 'days', by: (to - from) / DAY_MS }
  return { unit: 'ms', by: toMs - fromMs }
}

/** The same place of the clock, as long ago as the shift says, epoch ms. */
export function movedBack(atMs: number, { unit, by }: Shift, timezone: string): number {
  if (unit === 'ms') return atMs - by
  const wall = wallOf(atMs, timezone)
  return instantOf(unit === 'days' ? wall - by * DAY_MS : monthsBefore(wall, by), timezone)
}

/** The same day of the month, or its last one. */
function monthsBefore(wallMs: number, months: number): number {
  const date = new Date(wallMs)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() - months)
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(day, last))
  return date.getTime()
}

/** Whether the query says what period it is about. @throws QueryError */
export function assertPeriod({ fromMs, toMs }: ViewQuery, isWindow: boolean): void {
  if (isWindow || (fromMs !== undefined && toMs !== undefined)) return
  throw new QueryError('compare', "requires 'from' and 'to', or a view with a window")
}
