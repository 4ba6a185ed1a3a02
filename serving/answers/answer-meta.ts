/** Provenance: what an answer was made of, and how far it is exact. */
import type { CompiledMeasure } from '#core/compiled.ts'
import { sumByColumn } from '#core/conversion-failures.ts'
import type { FixedGrain } from '#core/grains.ts'
import type { Offset } from '#core/offsets.ts'
import { unconvertedOf } from '#storage/lake/segment-manifest.ts'
import { type CountsFrom, countsFromOf } from './counts-from.ts'
import type { EarlierPeriod } from './earlier-period.ts'
import type { QueryPlan } from './query-plan.ts'
import type { Gap, PartitionPosition, Snapshot } from './snapshot.ts'

/** event time, epoch ms, half-open; an absent end is open */
export interface AnswerRange {
  readonly fromMs?: number
  readonly toMs?: number
  /** what it is compared with */
  readonly earlier?: EarlierPeriod
}

/** What an answer leaves out because older detail is not kept. */
export interface Removed {
  /** before this event time there is not what was asked for, ISO 8601 */
  readonly before: string
  /** of the panes that are kept there; null: none are */
  readonly grain: FixedGrain | null
  /** what the answer is about in place of the range that was asked for, ISO 8601; null: without a bound. Equal where nothing is left */
  readonly from: string | null
  readonly to: string | null
  readonly why: string
}

export interface Totals {
  /** measure → its value as JSON, every integer with all of its digits */
  readonly row: Readonly<Record<string, unknown>>
  /** measures whose total is an estimate */
  readonly estimated: ReadonlySet<string>
}

export interface Estimate {
  readonly bound: string
  readonly rows?: number
  readonly total?: true
}

/** What is not the same for all views of a query. */
export interface ViewProvenance {
  readonly view: string
  readonly definition: string
  readonly unconverted: Readonly<Record<string, number>>
  readonly countsFrom: CountsFrom | null
}

export interface AnswerMeta {
  readonly dataset: string
  readonly view: string
  /** of each view, where several are asked for; null: one is */
  readonly views: readonly ViewProvenance[] | null
  /** hash of the view's definition: partials and generations of another hash were not used */
  readonly definition: string
  /**
   * what differs from the current definition, where the view is answered by its earlier one because the current one has not been computed for
   * the past; null: what is shown is the same by both
   */
  readonly outdated: Outdated | null
  readonly generation: { readonly id: string; readonly mode: string; readonly finishedAt: string } | null
  /** per partition: the generation counts everything before it */
  readonly boundary: readonly Offset[]
  /** per partition: the answer counts everything before it, and nothing after it */
  readonly position: readonly Offset[]
  /** the oldest moment at which a partition's position was known to be current */
  readonly asOf: string | null
  /** age of `asOf`; negative: it is dated in the future, because this machine's clock was set back or another one's is ahead */
  readonly freshnessMs: number | null
  /**
   * number of events that the log held at `asOf` or later and that the answer does not count yet; 0: it counts all events that the log held
   * at `asOf`; null: the log is not available
   */
  readonly behind: number | null
  /**
   * Why events of open segments may be missing, although the log may have some; null: they are counted up to `position`. The speed store
   * cannot be read (snapshots), or the log (resident answers).
   */
  readonly liveMissing: string | null
  /** usable events: before the boundary, in closed segments behind it, in open ones */
  readonly rows: { readonly batch: number; readonly closed: number; readonly open: number }
  readonly lateRows: number
  readonly deadLetters: number
  /** column of the view → events before the open segments in which its value could not be converted; only columns with such events */
  readonly unconverted: Readonly<Record<string, number>>
  /** whether every offset before `position` was read; false when the log lost some before that. Tells nothing about events after `position`: see `behind` */
  readonly gapFree: boolean
  readonly gaps: readonly Gap[]
  /**
   * Where the view does not count every event because raw events were removed by `keep.raw` before it was defined or changed: per partition
   * the first offset that it counts, and the event time from which on it is complete. null: it counts all, or what it lacks is dated before
   * `from`
   */
  readonly countsFrom: CountsFrom | null
  /**
   * Where old panes of the view were merged or removed by `keep.panes`, and the range that was asked for needs them: what the answer is about
   * instead. null: it is about all that was asked for
   */
  readonly removed: Removed | null
  /**
   * Partitions whose open events were read while a flush was being written: some keys count events up to `through`, behind `position`.
   * The next answer is whole again.
   */
  readonly ahead: readonly { readonly partition: number; readonly position: Offset; readonly through: Offset }[]
  /** true when every number shown is exact at `position`, and counts every event before it. Tells nothing about events after it: see `behind` */
  readonly exact: boolean
  /** per measure: `rows` with an estimate, of a distinct count, and whether its total is one */
  readonly estimates: Readonly<Record<string, Estimate>>
  /** measure → its value over all groups of the answer, those beyond the limit included; null: it was not asked for */
  readonly totals: Readonly<Record<string, unknown>> | null
  readonly from: string | null
  readonly to: string | null
  /** `ended`: its end was not after the time of the answer; events of it can still arrive */
  readonly window: { readonly from: string; readonly to: string; readonly ended: boolean } | null
  /** the period that rows are compared with; null: they are not */
  readonly compare: { readonly from: string; readonly to: string } | null
  readonly dictionaries: Readonly<Record<string, string>>
  /** there were more rows than the limit */
  readonly truncated: boolean
  /** the cursor of the next page, of an answer that is read in pages; null: this is the last one, or it is not read in pages */
  readonly next: string | null
}

/** How an answer by an earlier definition differs from one by the current definition. */
export interface Outdated {
  /** hash of the view's current definition */
  readonly current: string
  /** what changed, by its place in the definition: where, dimensions, measure 'revenue' … */
  readonly changes: readonly string[]
}

export interface MetaInput {
  readonly plan: QueryPlan
  readonly snapshot: Snapshot
  readonly range: AnswerRange
  /** the clock that windows are asked by */
  readonly nowMs: number
  /** when the answer is given: after the snapshot that it is made of */
  readonly givenAtMs: number
  readonly truncated: boolean
  readonly estimated: ReadonlyMap<string, number>
  readonly outdated?: Outdated | null
  readonly totals?: Totals | null
  readonly removed?: Removed | null
}

export function metaOf(input: MetaInput): AnswerMeta {
  const {
    plan,
    snapshot,
    range,
    nowMs,
    givenAtMs,
    truncated,
    estimated,
    outdated = null,
    totals = null,
    removed = null,
  } = input
  const { generation, segments, partitions, gaps } = snapshot
  const markers = [...snapshot.markers.values()]
  const estimates = estimatesOf(plan, estimated, totals?.estimated)
  const from = { fromMs: earliestOf(range) }
  // What a grouping groups are rows of this view.
  const merged = plan.grouping?.rows ?? plan
  const views = plan.sides?.map((side) => viewProvenance(side, snapshot, from)) ?? null
  const countsFrom = views === null ? countsFromOf(merged, snapshot, from) : latestOf(views)
  const ahead = partitions.flatMap(({ partition, position, ahead: through }) =>
    through === null ? [] : [{ partition, position, through }],
  )
  return {
    dataset: plan.view.dataset,
    view: plan.name,
    views,
    definition: plan.view.hash,
    outdated,
    generation: generation && { id: generation.id, mode: generation.mode, finishedAt: iso(generation.finishedAtMs)! },
    boundary: partitions.map(({ boundary }) => boundary),
    position: partitions.map(({ position }) => position),
    ...freshnessOf(partitions, givenAtMs),
    rows: {
      batch: generation?.rows ?? 0,
      closed: sum(segments, ({ rows }) => rows),
      open: sum(markers, ({ rows }) => rows),
    },
    lateRows:
      (generation?.lateRows ?? 0) + sum(segments, ({ late }) => late.rows) + sum(markers, ({ lateRows }) => lateRows),
    deadLetters:
      (generation?.deadLetters ?? 0) +
      sum(segments, (segment) => segment.deadLetters) +
      sum(markers, (marker) => marker.deadLetters),
    unconverted: unconvertedIn(snapshot, merged.view.reads),
    gapFree: gaps.length === 0,
    gaps,
    countsFrom,
    removed,
    ahead,
    exact: Object.keys(estimates).length === 0 && ahead.length === 0 && countsFrom === null && removed === null,
    estimates,
    totals: totals?.row ?? null,
    from: iso(range.fromMs),
    to: iso(range.toMs),
    compare: range.earlier ? { from: iso(range.earlier.fromMs)!, to: iso(range.earlier.toMs)! } : null,
    window: plan.window && windowOf(range.fromMs!, range.toMs!, nowMs),
    dictionaries: Object.fromEntries(
      Object.entries(generation?.dictionaries ?? {}).map(([name, pin]) => [name, pin.version]),
    ),
    truncated,
    next: null,
  }
}

function viewProvenance(side: QueryPlan, snapshot: Snapshot, from: { readonly fromMs?: number }): ViewProvenance {
  const { view } = side
  return {
    view: view.name,
    definition: view.hash,
    unconverted: unconvertedIn(snapshot, view.reads),
    countsFrom: countsFromOf(side, snapshot, from),
  }
}

/** From then on all of them are complete. */
function latestOf(views: readonly ViewProvenance[]): CountsFrom | null {
  const all = views.flatMap(({ countsFrom }) => countsFrom ?? [])
  return all.toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time))[0] ?? null
}

/** Failed conversions before the open segments, of some columns. */
function unconvertedIn({ generation, segments }: Snapshot, columns: readonly string[]): Record<string, number> {
  const all = sumByColumn([generation?.unconverted ?? {}, unconvertedOf(segments).unconverted ?? {}])
  return Object.fromEntries(Object.entries(all).filter(([column]) => columns.includes(column)))
}

function windowOf(fromMs: number, toMs: number, nowMs: number): NonNullable<AnswerMeta['window']> {
  return { from: iso(fromMs)!, to: iso(toMs)!, ended: toMs <= nowMs }
}

type Freshness = Pick<AnswerMeta, 'asOf' | 'freshnessMs' | 'behind' | 'liveMissing'>

function freshnessOf(partitions: readonly PartitionPosition[], nowMs: number): Freshness {
  const silent = partitions.some(({ asOfMs }) => asOfMs === null)
  const asOf = silent ? null : Math.min(...partitions.map(({ asOfMs }) => asOfMs!))
  return {
    asOf: iso(asOf),
    freshnessMs: asOf === null ? null : nowMs - asOf,
    behind: partitions.some(({ behind }) => behind === null) ? null : sum(partitions, ({ behind }) => behind!),
    liveMissing: whyMissing(partitions),
  }
}

/** Why events of the open segment of one of the partitions may be missing; else null. */
export function whyMissing(partitions: readonly PartitionPosition[]): string | null {
  return partitions.find(({ missing }) => missing !== null)?.missing ?? null
}

/** Members of the provenance that change with the clock, and with what arrived since. */
export type AnswerAge = Freshness & Pick<AnswerMeta, 'window'>

/** @param partitions as they were last seen */
export function ageOf({ window }: AnswerMeta, partitions: readonly PartitionPosition[], nowMs: number): AnswerAge {
  const to = window === null ? 0 : Date.parse(window.to)
  return {
    ...freshnessOf(partitions, nowMs),
    window: window === null ? null : { ...window, ended: to <= nowMs },
  }
}

/** The other members: they stay what they are for as long as the answer is kept. */
export function withoutAge(meta: AnswerMeta): Omit<AnswerMeta, keyof AnswerAge> {
  const { asOf: _asOf, freshnessMs: _freshnessMs, behind: _behind, ...more } = meta
  const { liveMissing: _liveMissing, window: _window, ...rest } = more
  return rest
}

/** What the bound of a sum of doubles is relative to, in the measures that are made of such sums. */
const ADDED: Partial<Record<CompiledMeasure['kind'], string>> = {
  sum: 'sum of the absolute values',
  avg: 'mean of the absolute values',
  ratio: 'absolute values of both sums',
}

/** The bounds of measures that are made of deviations from the mean, for values up to 3.5e13. */
const DEVIATIONS: Partial<Record<CompiledMeasure['kind'], string>> = {
  varSamp: '±1e-12 of the value and ±1e-17',
  varPop: '±1e-12 of the value and ±1e-17',
  stddevSamp: '±1e-12 of the value and ±4e-9',
  stddevPop: '±1e-12 of the value and ±4e-9',
  covarSamp: '±1e-12 of the product of the standard deviations and ±1e-17',
  covarPop: '±1e-12 of the product of the standard deviations and ±1e-17',
  corr: '±1e-12 and ±1e-17 divided by the product of the standard deviations',
  regrSlope: '±1e-12 of the quotient of the standard deviations and ±1e-17 divided by the variance',
}

function estimatesOf(
  plan: QueryPlan,
  estimated: ReadonlyMap<string, number>,
  totals: ReadonlySet<string> = new Set(),
): AnswerMeta['estimates'] {
  const measures = plan.measures.flatMap((measure): [string, Estimate][] => {
    const rows = estimated.get(measure.name) ?? 0
    const bound = boundOf(measure)
    const isTotal = totals.has(measure.name)
    if (bound === null || (measure.exactness.kind === 'sketch' && rows === 0 && !isTotal)) return []
    return [[measure.name, { bound, ...(rows === 0 ? {} : { rows }), ...(isTotal ? { total: true } : {}) }]]
  })
  const derived = plan.derived.flatMap(({ name, of }): [string, Estimate][] => {
    const rows = estimated.get(name) ?? 0
    const bound = boundOf(of)
    if (bound === null || (of.exactness.kind === 'sketch' && rows === 0 && !totals.has(name))) return []
    return [[name, { bound: `calculated from estimates: ${bound} in '${of.name}'`, ...(rows === 0 ? {} : { rows }) }]]
  })
  const columns = plan.columns.flatMap((column): [string, { bound: string; rows?: number }][] => {
    const rows = estimated.get(column.name) ?? 0
    const bounds = plan.view.measures
      .filter(({ name, exactness }) => column.measures.includes(name) && (exactness.kind !== 'sketch' || rows > 0))
      .flatMap((measure) => boundOf(measure)?.concat(` in '${measure.name}'`) ?? [])
    if (bounds.length === 0) return []
    const bound = `calculated from estimates: ${bounds.join(', ')}`
    return [[column.name, rows === 0 ? { bound } : { bound, rows }]]
  })
  return Object.fromEntries([...measures, ...derived, ...columns])
}

/** How far values of the measure can be from the exact ones; null: they are exact, or the nearest double. */
function boundOf({ kind, exactness }: CompiledMeasure): string | null {
  if (exactness.kind === 'bounded') return `±${exactness.relativeError * 100} %`
  if (exactness.kind === 'sketch') return `±${(exactness.relativeSigma * 100).toFixed(1)} % (1 σ)`
  if (exactness.kind !== 'float' || exactness.of === 'value') return null
  if (exactness.of === 'deviations') return DEVIATIONS[kind] ?? `±${exactness.relativeError}`
  return `±${exactness.relativeError} of the ${ADDED[kind] ?? 'absolute values'}`
}

/** null: from the beginning */
function earliestOf({ fromMs, earlier }: AnswerRange): number | undefined {
  return earlier === undefined || fromMs === undefined ? fromMs : Math.min(fromMs, earlier.fromMs)
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}

function iso(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString()
}
