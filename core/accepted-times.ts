/**
 * The event times that a dataset believes (`accept`). Decided by the record alone, its event time and its arrival in the log, so that
 * every tier, at every time, decides the same. Both bounds are milliseconds, so the millisecond of an event time is enough.
 */

import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { durationMs } from './grains.ts'
import { TIME_MS_MAX } from './stored-value.ts'
import { columnTimeMs, timeMs, wantedTime } from './usable-value.ts'

/** 1970, in every time zone. */
const FROM_DEFAULT = '1969-12-31'
const UNTIL_DEFAULT = '365d'

/** An earlier arrival is not believed: the clock was never set, or the record of another producer has no time. */
const ARRIVAL_MS_MIN = Date.UTC(2026, 0, 1)

/** Seconds of the years 2000 to 2054 that are read as milliseconds, and milliseconds as microseconds: days of January 1970. */
const MISREAD = { fromMs: 946_684_800, untilMs: 2_678_400_000 } as const

/** Event times in [fromMs, until). */
export interface AcceptedTimes {
  readonly fromMs: number
  readonly until: { readonly ms: number } | { readonly afterArrivalMs: number }
  /** times in between that are not accepted, because the unit of the column is more likely to be wrong */
  readonly misread: { readonly fromMs: number; readonly untilMs: number } | null
}

type Accepting = Pick<DatasetDefinition, 'accept' | 'time' | 'columns'>

/** @throws RangeError that says which bound is wrong, or that the column's default is not always accepted */
export function acceptedTimes({ accept, time, columns }: Accepting): AcceptedTimes {
  const { from = FROM_DEFAULT, until = UNTIL_DEFAULT } = accept ?? {}
  const fromMs = timeMs(from, 'iso')
  if (fromMs === null) throw new RangeError(`accept, from: '${from}' is not a time (example: 2015-01-01)`)
  const untilMs = timeMs(until, 'iso')
  if (untilMs !== null && untilMs <= fromMs)
    throw new RangeError(`accept: until '${until}' is not after from '${from}'`)
  const column: ColumnDefinition = columns[time]!
  const { unit, default: absent } = column
  const guarded = accept?.from === undefined && (unit === 'ms' || unit === 'us')
  const accepted: AcceptedTimes = {
    fromMs,
    until: untilMs === null ? { afterArrivalMs: durationMs(until, 'accept, until') } : { ms: untilMs },
    misread: guarded ? MISREAD : null,
  }
  const absentMs = columnTimeMs(absent, column)
  if (absentMs !== null && !isAccepted(accepted, absentMs, ARRIVAL_MS_MIN))
    throw new RangeError(`column '${time}': its default ${JSON.stringify(absent)} is outside the accepted times`)
  return accepted
}

export function isAccepted(accepted: AcceptedTimes, timeMs: number, arrivalMs: number): boolean {
  const { fromMs, misread } = accepted
  if (timeMs < fromMs || timeMs >= untilMs(accepted, arrivalMs)) return false
  return misread === null || timeMs < misread.fromMs || timeMs >= misread.untilMs
}

/** The same as an SQL condition over typed rows, negated. */
export function notAcceptedSql({ fromMs, until, misread }: AcceptedTimes): string {
  const end = 'ms' in until ? `${until.ms}` : `greatest(_arrival, ${ARRIVAL_MS_MIN}) + ${until.afterArrivalMs}`
  const within = misread === null ? '' : ` OR (_time >= ${misread.fromMs} AND _time < ${misread.untilMs})`
  return `_time < ${fromMs} OR _time >= ${end}${within}`
}

function untilMs({ until }: AcceptedTimes, arrivalMs: number): number {
  return 'ms' in until
    ? until.ms
    : Math.min(Math.max(arrivalMs, ARRIVAL_MS_MIN) + until.afterArrivalMs, TIME_MS_MAX + 1)
}

/** Why an event time is not accepted, as the end of a sentence; null if it is. @param shown the value as it was sent */
export function whyNotAccepted(
  accepted: AcceptedTimes,
  column: Pick<ColumnDefinition, 'unit' | 'format' | 'zone' | 'default'>,
  { value, shown, arrivalMs }: { readonly value: unknown; readonly shown: () => string; readonly arrivalMs: number },
): string | null {
  const { unit = 'iso', default: absent } = column
  const at = columnTimeMs(value, column)
  if (at !== null && isAccepted(accepted, at, arrivalMs)) return null
  const hint = column.format === undefined ? otherUnit(accepted, unit, value, arrivalMs) : ''
  if (at === null)
    return hint === '' || absent !== undefined ? null : `${shown()} is not a valid time (${wantedTime(column)})${hint}`
  const read = column.format !== undefined ? `, which is ${iso(at)},` : unit === 'iso' ? '' : `, in ${unit} ${iso(at)},`
  const range = `${iso(accepted.fromMs)} to ${iso(untilMs(accepted, arrivalMs))}`
  const days = accepted.misread
  const except =
    days === null ? '' : ` without ${iso(days.fromMs)} to ${iso(days.untilMs)}, which are more likely another unit`
  return `${shown()}${read} is outside the accepted times, ${range}${except}${hint}`
}

/** Under which other unit a number would be accepted: the usual mistake. ISO 8601 has no numbers; a text of digits may be a date without signs. */
function otherUnit(accepted: AcceptedTimes, unit: string, value: unknown, arrivalMs: number): string {
  if (unit === 'iso' && typeof value !== 'number') return ''
  for (const other of ['s', 'ms', 'us'] as const) {
    const at = other === unit ? null : timeMs(value, other)
    if (at !== null && isAccepted(accepted, at, arrivalMs) && at >= MISREAD.untilMs)
      return `; in ${other} it would be ${iso(at)}: check the column's unit`
  }
  return ''
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
