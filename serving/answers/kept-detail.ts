/**
 * Narrows a question to what is left of old panes, before anything is read: behind the horizon of the answer's generation, states of merged
 * panes lie beside finer ones of late events and of files that were not written again yet. An answer therefore takes, behind the horizon,
 * only ranges in which both are the same, and says what it left out.
 */
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import { horizonOf, levelAt, NO_HORIZON, type PaneHorizon, type PaneLevel } from '#core/pane-horizon.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { AnswerRange, Removed } from './answer-meta.ts'
import { longestMs } from './bucket-lengths.ts'
import { bucketFrom, bucketOf } from './bucket-starts.ts'
import { type EarlierPeriod, movedBack } from './earlier-period.ts'
import { earlierReachMs } from './earlier-rows-sql.ts'
import { type KeptDetail, type QueryPlan, viewsOf } from './query-plan.ts'
import { needsOf } from './series-needs.ts'
import { type WindowSeries, windowsFrom } from './window-series.ts'
import { hasOffsetsOf } from './zone-offsets.ts'

export interface NarrowedAnswer {
  readonly plan: QueryPlan
  readonly range: AnswerRange
  /** null: the answer is what it would be if all was kept */
  readonly removed: Removed | null
}

/** @param asked the range of the plan, as it was asked for */
export function narrowed(
  plan: QueryPlan,
  asked: AnswerRange,
  generation: Pick<GenerationManifest, 'views'> | null,
): NarrowedAnswer {
  const horizon = horizonAsked(plan, generation)
  if (horizon.length === 0) return { plan, range: asked, removed: null }
  const fromMs = Math.min(asked.fromMs ?? -Infinity, asked.earlier?.fromMs ?? Infinity) - reachBackMs(plan)
  const usable = { ...usableDetail(plan, horizon, fromMs), ...(plan.series && readFrom(plan, horizon, fromMs)) }
  const now = narrowedRange(plan, usable, asked)
  const earlier = asked.earlier && narrowedEarlier(plan, usable, earlierOf(plan, asked, now))
  const level = now.level ?? earlier?.level ?? null
  const range = { ...now.range, ...(earlier && { earlier: earlier.period }) }
  return { plan: planWithin(plan, usable, now.range), range, removed: level && removedOf(level, now.range) }
}

/** Of all views together: what is shown side by side is of one range. */
function horizonAsked(plan: QueryPlan, generation: Pick<GenerationManifest, 'views'> | null): PaneHorizon {
  if (generation === null) return NO_HORIZON
  return horizonOf(viewsOf(plan).flatMap(({ name }) => generation.views[name]?.horizon ?? []))
}

interface UsableDetail extends KeptDetail {
  /** what there is before `fromMs` */
  readonly lacking: PaneLevel | null
}

/** Levels from whose panes the buckets of the plan can be made, and the time from which on there are only such. */
function usableDetail(plan: QueryPlan, horizon: PaneHorizon, fromMs: number): UsableDetail {
  const lacking = horizon.findLast((level) => !isUsable(plan, level, fromMs)) ?? null
  const kept = lacking === null ? horizon : horizon.slice(horizon.indexOf(lacking) + 1)
  if (lacking === null) return { fromMs: null, horizon: kept, lacking }
  const { buckets, timezone } = plan
  // A bucket of which only a part is left is not shown as if it was whole.
  const wholeMs = buckets === null ? lacking.beforeMs : bucketFrom(lacking.beforeMs, buckets.grain, timezone)
  return { fromMs: wholeMs, horizon: kept, lacking }
}

/** A series reads what is before its first row: not panes that its zone cuts, where it needs none of them. */
function readFrom(plan: QueryPlan, horizon: PaneHorizon, neededMs: number): Pick<KeptDetail, 'fromMs'> | null {
  const { fromMs } = usableDetail(plan, horizon, -Infinity)
  return fromMs !== null && fromMs <= neededMs ? { fromMs } : null
}

function isUsable({ buckets, timezone }: QueryPlan, { grain, beforeMs }: PaneLevel, fromMs: number): boolean {
  if (grain === null) return false
  if (buckets === null) return true
  const lengthMs = GRAIN_MS[grain]
  if ((GRAIN_MS[buckets.grain as FixedGrain] ?? Infinity) < lengthMs) return false
  return timezone === 'UTC' || fromMs >= beforeMs || hasOffsetsOf(timezone, lengthMs, fromMs, beforeMs)
}

interface NarrowedRange {
  readonly range: { readonly fromMs?: number; readonly toMs?: number }
  /** what keeps it from being the asked one; null: it is */
  readonly level: PaneLevel | null
}

function narrowedRange(
  plan: QueryPlan,
  { fromMs: leastMs, horizon, lacking }: UsableDetail,
  { fromMs, toMs }: { readonly fromMs?: number; readonly toMs?: number },
): NarrowedRange {
  const isCut = lacking !== null && (fromMs ?? -Infinity) < lacking.beforeMs
  if (plan.window !== null) {
    // A part of a window is not answered as the window.
    if (!isCut) return { range: { fromMs, toMs }, level: null }
    return { range: { fromMs: toMs!, toMs: toMs! }, level: lacking }
  }
  const from = isCut ? leastMs! : fromMs
  // Rows of a series are whole buckets, wherever the range begins.
  if (plan.series !== null) {
    const isShort = lacking !== null && (from ?? -Infinity) - reachBackMs(plan) < lacking.beforeMs
    return { range: { fromMs: from, toMs }, level: isCut || isShort ? lacking : null }
  }
  const first = alignedBy(horizon, from, Math.ceil)
  const last = alignedBy(horizon, toMs, Math.floor)
  const range = {
    ...(first.atMs !== undefined && { fromMs: first.atMs }),
    ...(last.atMs !== undefined && { toMs: Math.max(last.atMs, first.atMs ?? -Infinity) }),
  }
  return { range, level: isCut ? lacking : (first.level ?? last.level) }
}

/** How long before its first row what a series shows depends on, if rows are as frequent as buckets. */
function reachBackMs(plan: QueryPlan): number {
  const { series, buckets } = plan
  if (series === null || buckets === null) return 0
  const needs = needsOf({ ...plan, series })
  if (needs.rowsBack === null) return Infinity
  return needs.rowsBack * longestMs(buckets.grain) + earlierReachMs(needs, buckets.grain)
}

/** As far before what is left of the asked range as it was before the asked one. */
function earlierOf(
  { timezone, window }: QueryPlan,
  asked: AnswerRange,
  { range, level }: NarrowedRange,
): EarlierPeriod {
  const { shift } = asked.earlier!
  if (level === null) return asked.earlier!
  const zone = window === null ? timezone : 'UTC'
  return { shift, fromMs: movedBack(range.fromMs!, shift, zone), toMs: movedBack(range.toMs!, shift, zone) }
}

/** Of an earlier period that is not kept as a whole, only whole buckets are compared with: a part would look like a change. */
function narrowedEarlier(
  plan: QueryPlan,
  usable: UsableDetail,
  earlier: EarlierPeriod,
): { readonly period: EarlierPeriod; readonly level: PaneLevel | null } {
  const { range, level } = narrowedRange(plan, usable, earlier)
  if (level === null) return { period: earlier, level }
  const { buckets, timezone } = plan
  const [fromMs, toMs] = [range.fromMs!, range.toMs!]
  const kept = buckets && {
    ...(fromMs !== earlier.fromMs && { fromMs: bucketFrom(fromMs, buckets.grain, timezone) }),
    ...(toMs !== earlier.toMs && { toMs: bucketOf(toMs, buckets.grain, timezone) }),
  }
  return { period: { ...earlier, fromMs, toMs: Math.max(fromMs, toMs), kept }, level }
}

/** A bound inside a merged pane is moved to one of its ends. */
function alignedBy(
  horizon: PaneHorizon,
  atMs: number | undefined,
  rounded: (value: number) => number,
): { readonly atMs: number | undefined; readonly level: PaneLevel | null } {
  const level = atMs === undefined ? null : levelAt(horizon, atMs)
  if (atMs === undefined || level === null || level.grain === null) return { atMs, level: null }
  const lengthMs = GRAIN_MS[level.grain]
  const alignedMs = rounded(atMs / lengthMs) * lengthMs
  return { atMs: alignedMs, level: alignedMs === atMs ? null : level }
}

function planWithin(
  plan: QueryPlan,
  { fromMs, horizon }: UsableDetail,
  range: { readonly fromMs?: number; readonly toMs?: number },
): QueryPlan {
  const detail: KeptDetail = { fromMs, horizon }
  const windows: WindowSeries | null =
    plan.windows === null || fromMs === null ? plan.windows : windowsFrom(plan.windows, fromMs)
  return {
    ...plan,
    detail,
    windows,
    query: plan.series === null ? plan.query : { ...plan.query, fromMs: range.fromMs },
    sides: plan.sides?.map((side) => ({ ...side, detail })) ?? null,
    grouping: plan.grouping && { ...plan.grouping, rows: { ...plan.grouping.rows, detail } },
  }
}

function removedOf(
  { beforeMs, grain }: PaneLevel,
  { fromMs, toMs }: { readonly fromMs?: number; readonly toMs?: number },
): Removed {
  const before = textOf(beforeMs)!
  const what = grain === null ? 'were removed' : `were merged into panes of one ${grain}`
  return {
    before,
    grain,
    from: textOf(fromMs),
    to: textOf(toMs),
    why: `panes of the view that begin before ${before} ${what} by keep.panes of the definition`,
  }
}

function textOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
