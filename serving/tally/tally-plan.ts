/** Which queries a tally answers, and what it needs to know of them. Whatever is not surely the same there is left to the engine. */
import type { CompiledLookup, SqlColumn } from '#core/compiled.ts'
import { leavesOf } from '#core/condition.ts'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import type { FilterOperator, ViewQuery } from '#core/query.ts'
import { answerColumns } from '../answers/answer-columns.ts'
import { lookupsShown } from '../answers/lookup-sql.ts'
import type { PlannedHaving, QueryPlan } from '../answers/query-plan.ts'
import { allOf, comparisonTest } from './tally-condition.ts'
import type { TallyValue } from './tally-keys.ts'
import { isWholeType, type TallyShape } from './tally-shape.ts'

/** A finished row: its values by the places that the plan gives them. */
export interface TallyRow {
  readonly bucket: number
  /** by dimension of the plan: numbers of values */
  readonly places: readonly number[]
  /** by measure of the shape; NaN: none. Only those that are needed are summed */
  readonly sums: readonly number[]
}

/** What a row is ordered or restricted by: its bucket, a dimension of the plan, or a measure of the shape. */
export type RowPart =
  | { readonly kind: 'bucket' }
  | { readonly kind: 'dimension'; readonly index: number }
  | { readonly kind: 'measure'; readonly index: number }

export interface TallyLookup {
  readonly lookup: CompiledLookup
  /** in the dimensions of the plan */
  readonly key: number
}

export interface TallyPlan {
  readonly plan: QueryPlan
  /** dimensions of the plan, as places in the shape */
  readonly dimensions: readonly number[]
  /** null: the query has no buckets */
  readonly bucketMs: number | null
  /** measures of the shape that are summed */
  readonly needed: readonly number[]
  readonly order: readonly { readonly part: RowPart; readonly sign: 1 | -1 }[]
  readonly holds: (row: TallyRow) => boolean
  /** dimensions of the plan that `per` names */
  readonly per: readonly number[]
  /** whether it names the time as well */
  readonly perBucket: boolean
  /** what is shown of a row, lookups apart */
  readonly shown: readonly { readonly name: string; readonly part: RowPart }[]
}

/** What a tally knows of a query. A member that is added to queries is the engine's until it is added here. */
const KNOWN: ReadonlySet<string> = new Set<keyof ViewQuery>([
  ...(['dataset', 'view', 'measures', 'dimensions', 'filters', 'having', 'fromMs', 'toMs'] as const),
  ...(['grain', 'timezone', 'order', 'limit', 'at', 'per'] as const),
])

function isPlain(query: ViewQuery): boolean {
  return Object.entries(query).every(([member, value]) => value === undefined || value === false || KNOWN.has(member))
}

/** null: the engine has to answer it. */
export function tallyPlan(plan: QueryPlan, shape: TallyShape): TallyPlan | null {
  const { view, series, buckets, timezone } = plan
  if (series !== null || !isPlain(plan.query) || (buckets !== null && timezone !== 'UTC')) return null
  const bucketMs = buckets === null ? null : (GRAIN_MS[buckets.grain as FixedGrain] as number | undefined)
  if (bucketMs === undefined) return null
  const measure = (name: string): number => shape.measures.findIndex((held) => held.name === name)
  const partOf = (name: string): RowPart | null => {
    if (name === 'time' && buckets !== null) return { kind: 'bucket' }
    const dimension = plan.dimensions.indexOf(name)
    if (dimension >= 0) return { kind: 'dimension', index: dimension }
    const index = measure(name)
    return index < 0 ? null : { kind: 'measure', index }
  }
  const holds = havingOf(plan, measure)
  const columns = answerColumns(plan, [])
  const shown = columns.map(({ name }) => ({ name, part: partOf(name) }))
  const order = plan.order.map(({ by, direction }) => ({ part: partOf(by), sign: direction === 'asc' ? 1 : -1 }))
  if (holds === null || [...shown, ...order].some(({ part }) => part === null)) return null
  const parts = [...shown, ...order].map(({ part }) => part!)
  const summed = [...parts, ...holds.reads].flatMap((part) => (part.kind === 'measure' ? [part.index] : []))
  return {
    plan,
    dimensions: plan.dimensions.map((name) => view.dimensions.findIndex((dimension) => dimension.name === name)),
    bucketMs,
    needed: [...new Set(summed)],
    order: order as TallyPlan['order'],
    holds: holds.test,
    per: plan.per.map((name) => plan.dimensions.indexOf(name)).filter((index) => index >= 0),
    perBucket: buckets !== null && plan.per.includes('time'),
    shown: shown as TallyPlan['shown'],
  }
}

/** The lookups that the answer shows; null: the engine has to join one of them. */
export function tallyLookups(
  plan: QueryPlan,
  dictionaries: ReadonlyMap<string, unknown>,
): readonly TallyLookup[] | null {
  const lookups = lookupsShown(plan, dictionaries).map((lookup) => ({
    lookup,
    key: plan.dimensions.indexOf(lookup.key),
  }))
  const isText = ({ lookup, key }: TallyLookup): boolean => {
    const type = plan.view.dimensions.find(({ name }) => name === lookup.key)?.type ?? ''
    return key >= 0 && !lookup.list && (type === 'VARCHAR' || isWholeType(type))
  }
  return lookups.every(isText) ? lookups : null
}

interface Having {
  readonly test: (row: TallyRow) => boolean
  readonly reads: readonly RowPart[]
}

const RANK_HAVING = /^\s*(?:"(\w+)"|(\w+))\s*(>=|<=|>|<|=)\s*(-?\d{1,15})\s*$/
const OPERATORS: Readonly<Record<string, FilterOperator>> = {
  '>=': 'gte',
  '<=': 'lte',
  '>': 'gt',
  '<': 'lt',
  '=': 'eq',
}

/** What the view's ranking and the query demand of a row. */
function havingOf(plan: QueryPlan, measure: (name: string) => number): Having | null {
  const ranked = plan.rank?.having === undefined ? [] : [rankHaving(plan.rank.having, plan)]
  const conditions = [...ranked, ...plan.having]
  if (conditions.includes(null)) return null
  const asked = conditions as QueryPlan['having'][number][]
  const columns = leavesOf<PlannedHaving>(asked).map(({ column }) => measure(column.name))
  if (columns.includes(-1)) return null
  const test = allOf<PlannedHaving, TallyRow>(asked, ({ column, filter }) => {
    const index = measure(column.name)
    const holds = comparisonTest(column, filter)
    return holds && ((row) => holds(sumOrNull(row.sums[index]!)))
  })
  return test && { test, reads: columns.map((index) => ({ kind: 'measure', index })) }
}

function sumOrNull(sum: number): TallyValue {
  return Number.isNaN(sum) ? null : sum
}

/** A comparison of a measure with an integer, which is what most of them are. */
function rankHaving(text: string, { view }: QueryPlan): PlannedHaving | null {
  const match = RANK_HAVING.exec(text)
  const name = match?.[1] ?? match?.[2]?.toLowerCase()
  const column: SqlColumn | undefined = view.measures.find((held) => held.name === name)
  if (match === null || column === undefined) return null
  return { column, filter: { measure: column.name, operator: OPERATORS[match[3]!]!, values: [match[4]!] } }
}
