/**
 * Groups panes into the buckets of a grain. Panes are aligned to UTC; in another time zone a bucket is exact only if every instant of a
 * pane is in the same one. That is checked for each pane, and a pane that is cut fails the query instead of being rounded.
 */
import { type FixedGrain, GRAIN_MS, type Grain } from '#core/grains.ts'
import { quoteText } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'

/** Begins the engine's error message if the zone's buckets cut a pane; a PaneCut and the pane's start follow. */
const PANE_CUT = 'watershed: a pane is cut by'

export interface PaneCut {
  /** offset: the zone's offset is not a multiple of the pane; change: the zone's offset changes inside the pane */
  readonly by: 'offset' | 'change'
  /** start of the pane, epoch ms */
  readonly paneStartMs: number
}

/** What an error of the engine says about a pane that is cut; null for other errors. */
export function paneCutOf(message: string): PaneCut | null {
  const match = new RegExp(`${PANE_CUT} (offset|change) (-?\\d+)`).exec(message)
  return match && { by: match[1] as PaneCut['by'], paneStartMs: Number(match[2]) }
}

/**
 * SQL over state rows: start of the pane's bucket, epoch ms. A day or longer begins at its first local midnight. A shorter bucket begins
 * at a full local hour (minute, …) or where the offset changes: an hour that a clock change repeats or shortens remains one of its own.
 */
export function timeBucketSql(
  grain: Grain,
  timezone: string,
  paneMs: number,
  bound: Pick<BoundValues, 'bind'>,
): string {
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (timezone === 'UTC') {
    return fixedMs === undefined
      ? `epoch_ms(date_trunc(${quoteText(grain)}, epoch_ms(pane)))`
      : `pane - ((pane % ${fixedMs}) + ${fixedMs}) % ${fixedMs}`
  }
  const zone = zoneSql(`${bound.bind(timezone)}::VARCHAR`)
  const last = `(pane + ${paneMs - 1})`
  const [offset, changed] = [zone.offset('pane'), `${zone.offset(last)} <> ${zone.offset('pane')}`]
  const isFit = (at: string): string => `${zone.offset(at)} % ${paneMs} = 0`
  const cut = (by: PaneCut['by']): string => `error(${quoteText(`${PANE_CUT} ${by} `)} || pane::VARCHAR)`
  if (fixedMs !== undefined && fixedMs < GRAIN_MS.day) {
    const start = `(pane - (((pane + ${offset}) % ${fixedMs}) + ${fixedMs}) % ${fixedMs})`
    return `CASE WHEN NOT ${isFit('pane')} THEN ${cut('offset')} WHEN ${changed} THEN ${cut('change')}
      WHEN ${zone.offset(start)} = ${offset} THEN ${start} ELSE ${changeSql(zone, start)} END`
  }
  const local = (at: string): string => `date_trunc(${quoteText(grain)}, ${zone.local(at)})`
  const whole = `${isFit(last)} AND ${local(last)} = ${local('pane')}`
  return `CASE WHEN NOT ${isFit('pane')} THEN ${cut('offset')} WHEN ${changed} AND NOT (${whole}) THEN ${cut('change')}
    ELSE ${zone.first(local('pane'), offset)} END`
}

interface ZoneSql {
  /** wall clock at an instant, epoch ms */
  local(at: string): string
  /** offset at an instant, ms */
  offset(at: string): string
  /** first instant with this wall clock, epoch ms; if a change skips it, the instant of the change. @param offset within a day of the right one */
  first(wall: string, offset: string): string
}

function zoneSql(zone: string): ZoneSql {
  const local = (at: string): string => `timezone(${zone}, make_timestamptz(${at} * 1000))`
  const offset = (at: string): string => `(epoch_ms(${local(at)}) - ${at})`
  return {
    local,
    offset,
    first: (wall, near) => {
      // Of two instants the first has the offset of the day before; the engine would give the second.
      const dayBefore = `(epoch_ms(${wall}) - ${near} - ${GRAIN_MS.day})`
      const earlier = `(epoch_ms(${wall}) - ${offset(dayBefore)})`
      return `CASE WHEN ${local(earlier)} = ${wall} THEN ${earlier} ELSE epoch_ms(timezone(${zone}, ${wall})) END`
    },
  }
}

/** Steps, in seconds, that add up to every number of seconds below the longest grain shorter than a day. */
const CHANGE_STEPS = Array.from({ length: Math.ceil(Math.log2(GRAIN_MS.hour / 1_000)) }, (_, bit) => 2 ** bit).reverse()

/** When the offset of the pane began, epoch ms, if it began after `start`. Offsets change at whole seconds. */
function changeSql(zone: ZoneSql, start: string): string {
  const next = '(_at + _step * 1000)'
  const step = `CASE WHEN ${next} < pane AND ${zone.offset(next)} <> ${zone.offset('pane')} THEN ${next} ELSE _at END`
  return `list_reduce([${CHANGE_STEPS.join(', ')}]::BIGINT[], lambda _at, _step: ${step}, ${start}) + 1000`
}
