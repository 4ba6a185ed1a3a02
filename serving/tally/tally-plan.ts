/** Which queries a tally answers, and what it needs to know of them. Whatever is not surely the same there is left to the engine. */
import type { CompiledLookup, SqlColumn } from '#core/compiled.ts'
import { leavesOf } from '#core/condition.ts'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import type { FilterOperator, ViewQuery } from '#core/query.ts'
import { answerColumns } from '../answers/answer-columns.ts'
import { lookupsShown } from '../answers/lookup-sql.ts'
import type { PlannedHaving, QueryPlan } from '../answers/query-plan.ts'
import { isWholeType } from './held-measures.ts'
import { allOf, comparisonTest } from './tally-condition.ts'
import type { TallyField } from './tally-fields.ts'
import type { TallyValue } from './tally-keys.ts'
import { heldNames, type TallyShape, tallyShape } from './tally-shape.ts'

/** A finished row: its values by the places that the plan gives them. */
export interface TallyRow {
  readonly bucket: number
  readonly group: number
  /** by dimension of the plan: numbers of values */
  readonly places: readonly number[]
  /** by measure of the shape, as `measureValue` gives them; NaN: none, not needed, or a set that is not counted */
  readonly values: number[]
}

/** What a row is ordered or restricted by: its bucket, a dimension of the plan, or a measure of the shape. */
export type RowPart =
  | { readonly kind: 'bucket' }
  | { readonly kind: 'dimension'; readonly index: number }
  | { readonly kind: 'measure'; readonly index: number }

export interface TallyLookup {
  readonly lookup: CompiledLookup
  readonly key: RowPart
}

export interface TallyPlan {
  readonly plan: QueryPlan
  /** dimensions of the plan, as places in the shape */
  readonly dimensions: readonly number[]
  /** null: the query has no buckets */
  readonly bucketMs: number | null
  /** measures of the shape that are merged */
  readonly needed: readonly number[]
  /** what they are made of, sets apart */
  readonly fields: readonly TallyField[]
  /** those that are sets: what rows are ordered or restricted by, and what is only shown of them */
  readonly sets: { readonly ranking: readonly number[]; readonly shown: readonly number[] }
  readonly order: readonly { readonly part: RowPart; readonly sign: 1 | -1 }[]
  readonly holds: (row: TallyRow) => boolean
  /** whether `holds` reads anything */
  readonly restricts: boolean
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

/** A query that tallies of its view can answer, whichever measures they hold. */
export class TalliedQuery {
  /** measures that it needs */
  readonly measures: readonly string[]
  readonly #plan: QueryPlan
  #last: { readonly shape: TallyShape; readonly plan: TallyPlan | null } | null = null

  private constructor(plan: QueryPlan, measures: readonly string[]) {
    this.#plan = plan
    this.measures = measures
  }

  /** null: the engine has to answer it. */
  static of(plan: QueryPlan): TalliedQuery | null {
    if (plan.grouping !== null) return null
    const shape = tallyShape(plan.view, heldNames(plan.view))
    const own = shape && tallyPlan(plan, shape)
    return (
      own &&
      new TalliedQuery(
        plan,
        own.needed.map((index) => shape.measures[index]!.measure.name),
      )
    )
  }

  /** Its plan for tallies of this shape; null: they lack some of its measures. */
  planFor(shape: TallyShape): TallyPlan | null {
    if (this.#last?.shape !== shape) this.#last = { shape, plan: tallyPlan(this.#plan, shape) }
    return this.#last.plan
  }
}

/** null: the engine has to answer it. */
export function tallyPlan(plan: QueryPlan, shape: TallyShape): TallyPlan | null {
  const { view, series, buckets, timezone } = plan
  if (series !== null || !isPlain(plan.query) || (buckets !== null && timezone !== 'UTC')) return null
  const bucketMs = buckets === null ? null : (GRAIN_MS[buckets.grain as FixedGrain] as number | undefined)
  if (bucketMs === undefined) return null
  const measure = (name: string): number => shape.measures.findIndex((held) => held.measure.name === name)
  const partOf = (name: string): RowPart | null => {
    if (name === 'time' && buckets !== null) return { kind: 'bucket' }
    const dimension = plan.dimensions.indexOf(name)
    if (dimension >= 0) return { kind: 'dimension', index: dimension }
    const index = measure(name)
    return index < 0 ? null : { kind: 'measure', index }
  }
  const holds = havingOf(plan, shape, measure)
  const columns = answerColumns(plan, [])
  const shown = columns.map(({ name }) => ({ name, part: partOf(name) }))
  const order = plan.order.map(({ by, direction }) => ({ part: partOf(by), sign: direction === 'asc' ? 1 : -1 }))
  if (holds === null || [...shown, ...order].some(({ part }) => part === null)) return null
  // Texts have no order here.
  const isOrdered = ({ part }: { readonly part: RowPart | null }): boolean =>
    part!.kind !== 'measure' || shape.measures[part!.index]!.jsonOf !== null
  if (!order.every(isOrdered)) return null
  const parts = [...shown, ...order].map(({ part }) => part!)
  const read = [...parts, ...holds.reads].flatMap((part) => (part.kind === 'measure' ? [part.index] : []))
  const needed = [...new Set(read)]
  const ranking = new Set(
    [...order.map(({ part }) => part!), ...holds.reads].flatMap((part) =>
      part.kind === 'measure' ? [part.index] : [],
    ),
  )
  const sets = needed.filter((index) => shape.measures[index]!.set !== null)
  return {
    plan,
    dimensions: plan.dimensions.map((name) => view.dimensions.findIndex((dimension) => dimension.name === name)),
    bucketMs,
    needed,
    sets: { ranking: sets.filter((index) => ranking.has(index)), shown: sets.filter((index) => !ranking.has(index)) },
    fields: needed.filter((index) => !sets.includes(index)).flatMap((index) => shape.measures[index]!.places),
    order: order as TallyPlan['order'],
    holds: holds.test,
    restricts: holds.reads.length > 0,
    per: plan.per.map((name) => plan.dimensions.indexOf(name)).filter((index) => index >= 0),
    perBucket: buckets !== null && plan.per.includes('time'),
    shown: shown as TallyPlan['shown'],
  }
}

/** The lookups that the answer shows; null: the engine has to join one of them. */
export function tallyLookups(
  plan: QueryPlan,
  shape: TallyShape,
  dictionaries: ReadonlyMap<string, unknown>,
): readonly TallyLookup[] | null {
  const isKey = (type: string): boolean => type === 'VARCHAR' || isWholeType(type)
  const keyOf = (name: string): RowPart | null => {
    const dimension = plan.dimensions.indexOf(name)
    const own = plan.view.dimensions.find((each) => each.name === name)
    if (dimension >= 0) return isKey(own!.type) ? { kind: 'dimension', index: dimension } : null
    const index = shape.measures.findIndex(({ measure }) => measure.name === name)
    const held = shape.measures[index]
    return held?.jsonOf === null && (isKey(held.measure.type) || held.measure.type === 'VARCHAR[]')
      ? { kind: 'measure', index }
      : null
  }
  const lookups = lookupsShown(plan, dictionaries).map((lookup) => ({ lookup, key: keyOf(lookup.key) }))
  return lookups.every(({ key }) => key !== null) ? (lookups as TallyLookup[]) : null
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
function havingOf(plan: QueryPlan, shape: TallyShape, measure: (name: string) => number): Having | null {
  const ranked = plan.rank?.having === undefined ? [] : [rankHaving(plan.rank.having, plan)]
  const conditions = [...ranked, ...plan.having]
  if (conditions.includes(null)) return null
  const asked = conditions as QueryPlan['having'][number][]
  const columns = leavesOf<PlannedHaving>(asked).map(({ column }) => measure(column.name))
  if (columns.includes(-1)) return null
  const test = allOf<PlannedHaving, TallyRow>(asked, ({ column, filter }) => {
    const index = measure(column.name)
    // Texts are numbers here, in no order.
    if (shape.measures[index]!.jsonOf === null && !filter.operator.endsWith('null')) return null
    const holds = comparisonTest(column, filter)
    return holds && ((row) => holds(valueOrNull(row.values[index]!)))
  })
  return test && { test, reads: columns.map((index) => ({ kind: 'measure', index })) }
}

function valueOrNull(value: number): TallyValue {
  return Number.isNaN(value) ? null : value
}

/** A comparison of a measure with an integer, which is what most of them are. */
function rankHaving(text: string, { view }: QueryPlan): PlannedHaving | null {
  const match = RANK_HAVING.exec(text)
  const name = match?.[1] ?? match?.[2]?.toLowerCase()
  const column: SqlColumn | undefined = view.measures.find((held) => held.name === name)
  if (match === null || column === undefined) return null
  return { column, filter: { measure: column.name, operator: OPERATORS[match[3]!]!, values: [match[4]!] } }
}
