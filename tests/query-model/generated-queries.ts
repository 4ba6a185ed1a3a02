/** Generated questions about sales, as a GET and as a POST ask them, and how their answers are compared with plain code. */
import fc from 'fast-check'
import { expect } from 'vitest'
import {
  DIMENSIONS,
  type Dimension,
  FIRST_MS,
  MEASURES,
  type Measure,
  type PlainComparison,
  type PlainFilter,
  type PlainPeriod,
  type PlainQuery,
  type Row,
} from './plain-sales.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const LIMIT = 10_000

/** Midnights of the zone: the clocks of Berlin change on 2026-03-29, those of New York before. */
const ZONES = { UTC: 0, 'Europe/Berlin': -1, 'America/New_York': 4 } as const

/** In one of so many cases. */
function oneIn<T>(cases: number, some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 1, arbitrary: some }, { weight: cases - 1, arbitrary: fc.constant(undefined) })
}

/** Texts and numbers that the sales have, and some that they have not. */
const VALUES: Readonly<Record<Dimension, readonly (string | number)[]>> = {
  country: ['de', 'us', 'xx', ''],
  kind: ['web', 'shop', 'Web'],
  size: [-1, 0, 2, 7],
}

/** Often null among other values: such a filter leaves the group without a value, as few others do. */
export function comparisonsOf(dimension: Dimension): fc.Arbitrary<PlainComparison> {
  const value = fc.constantFrom(...VALUES[dimension])
  const some = fc.array(value, { minLength: 1, maxLength: 2 })
  const others = ['ne', 'gt', 'gte', 'lt', 'lte', ...(dimension === 'size' ? [] : ['contains' as const])] as const
  const isIn = { operator: fc.constant('in' as const) }
  return fc.oneof(
    { weight: 1, arbitrary: fc.record({ operator: fc.constant('eq' as const), value }) },
    { weight: 1, arbitrary: fc.record({ ...isIn, values: some }) },
    { weight: 3, arbitrary: fc.record({ ...isIn, values: some.map((values) => [...values, null]) }) },
    { weight: 1, arbitrary: fc.record({ operator: fc.constantFrom(...others), value }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom({ operator: 'null' }, { operator: 'notnull' }, { operator: 'in', values: [null] }),
    },
  )
}

/** On dimensions that rows have, rather than on others. */
function filtersOf(shown: readonly Dimension[]): fc.Arbitrary<PlainFilter> {
  const leaves: fc.Arbitrary<PlainFilter> = fc
    .constantFrom(...DIMENSIONS, ...shown, ...shown, ...shown)
    .chain((dimension) => comparisonsOf(dimension).map((comparison) => ({ dimension, ...comparison })))
  const two = fc.array(leaves, { minLength: 2, maxLength: 2 })
  return fc.oneof(
    { weight: 5, arbitrary: leaves },
    { weight: 1, arbitrary: fc.record({ not: leaves }) },
    { weight: 1, arbitrary: fc.record({ or: two }) },
    { weight: 1, arbitrary: fc.record({ not: fc.record({ and: two }) }) },
  )
}

/** Not of lists, and of a quantile only whether there is one. */
const having: fc.Arbitrary<NonNullable<PlainQuery['having']>> = fc.oneof(
  fc.record({
    measure: fc.constantFrom<Measure>('n', 'buyers'),
    operator: fc.constantFrom('eq' as const, 'gte' as const, 'lt' as const, 'ne' as const),
    value: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({
    measure: fc.constantFrom<Measure>('total', 'most', 'mean'),
    operator: fc.constantFrom('gt' as const, 'lte' as const, 'ne' as const),
    value: fc.constantFrom(-1, 0, 20),
  }),
  fc.record({
    measure: fc.constantFrom<Measure>('n', 'total', 'most'),
    operator: fc.constant('in' as const),
    values: fc.constantFrom([0, null], [1, 2], [null, 1, 20]),
  }),
  fc.record({
    measure: fc.constantFrom<Measure>('last', 'best'),
    operator: fc.constantFrom('gte' as const, 'ne' as const),
    value: fc.constantFrom('b2', 'web'),
  }),
  fc.record({
    measure: fc.constantFrom(...MEASURES),
    operator: fc.constantFrom('null' as const, 'notnull' as const),
  }),
)

const RANKING: readonly string[] = ['n', 'buyers', 'total', 'most', 'mean', 'last', 'best', ...DIMENSIONS, 'time']

/** One key of all that there are. */
const ofOneKey = fc.tuple(
  ...DIMENSIONS.map((dimension) =>
    fc.constantFrom<PlainFilter>(
      { dimension, operator: 'null' },
      ...VALUES[dimension].map((value) => ({ dimension, operator: 'eq' as const, value })),
    ),
  ),
)

const selections = fc.subarray([...DIMENSIONS]).chain((dimensions) =>
  fc.record({
    dimensions: fc.constant(dimensions),
    filters: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 5, arbitrary: fc.array(filtersOf(dimensions), { minLength: 1, maxLength: 2 }) },
      { weight: 1, arbitrary: ofOneKey },
    ),
  }),
)

export const queries: fc.Arbitrary<PlainQuery> = fc
  .record({
    selection: selections,
    measures: fc.subarray([...MEASURES], { minLength: 1 }),
    timezone: fc.constantFrom(...(Object.keys(ZONES) as (keyof typeof ZONES)[])),
    day: fc.integer({ min: 6, max: 9 }),
    days: fc.integer({ min: 1, max: 4 }),
    // Within a day, where it is not midnight.
    hours: fc.constantFrom([0, 0], [0, 0], [5, 0], [13, 13]),
    grain: oneIn(2, fc.constantFrom('hour' as const, 'day' as const, 'month' as const)),
    fill: oneIn(2, fc.constantFrom('zero' as const, 'null' as const, 'previous' as const)),
    totals: fc.boolean(),
    shift: oneIn(3, fc.constantFrom('1d', '5d', '24h', 'previous')),
    shares: oneIn(3, fc.subarray(['n' as const, 'total' as const, 'buyers' as const], { minLength: 1 })),
    having: oneIn(2, having),
    ranked: oneIn(
      2,
      fc.record({
        by: fc.constantFrom(...RANKING),
        direction: fc.constantFrom('asc' as const, 'desc' as const),
        limit: fc.constantFrom(1, 2, 5, LIMIT),
        per: fc.boolean(),
      }),
    ),
  })
  .map(({ selection, day, days, hours, fill, shift, ranked, ...more }) => {
    const query = { ...selection, ...more }
    const { timezone, grain } = query
    const [fromHours, toHours] = shift === 'previous' ? [0, 0] : (hours as [number, number])
    const fromMs = midnight(day, timezone) + fromHours * HOUR_MS
    const toMs = midnight(day + days, timezone) + toHours * HOUR_MS
    const isCompared = shift !== undefined && grain !== 'month' && !(shift === '24h' && grain === 'day')
    return {
      ...query,
      ...{ fromMs, toMs },
      fill: grain === undefined ? undefined : fill,
      earlier: isCompared ? earlier(shift, fromMs, toMs, days, timezone) : undefined,
      totals: query.totals && (!isCompared || query.having === undefined),
      ...(ranked === undefined ? {} : rankedBy(ranked, query)),
    }
  })

interface Ranked {
  readonly by: string
  readonly direction: 'asc' | 'desc'
  readonly limit: number
  readonly per: boolean
}

function rankedBy(
  { by, direction, limit, per }: Ranked,
  { dimensions, grain }: Pick<PlainQuery, 'dimensions' | 'grain'>,
): Pick<PlainQuery, 'order' | 'limit' | 'per'> {
  const keys = [...(grain === undefined ? [] : ['time' as const]), ...dimensions]
  const isAsked = MEASURES.includes(by as Measure) || keys.includes(by as Dimension)
  if (!isAsked) return { limit }
  return { order: [{ by, direction }], limit, per: per ? keys.slice(0, 1) : undefined }
}

function earlier(shift: string, fromMs: number, toMs: number, days: number, timezone: string): PlainPeriod {
  if (shift === '24h') return { shift, fromMs: fromMs - DAY_MS, toMs: toMs - DAY_MS, back: { ms: DAY_MS } }
  const back = shift === 'previous' ? days : Number.parseInt(shift, 10)
  return {
    shift,
    fromMs: sameClock(fromMs, back, timezone),
    toMs: sameClock(toMs, back, timezone),
    back: { days: back },
  }
}

/** So many days before, at the same hour of the zone's clock. */
function sameClock(atMs: number, days: number, timezone: string): number {
  const clock = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, timeStyle: 'short', hourCycle: 'h23' })
  const near = [-1, 0, 1].map((hours) => atMs - days * DAY_MS + hours * HOUR_MS)
  return near.find((each) => clock.format(each) === clock.format(atMs))!
}

/** After FIRST_MS. */
function midnight(day: number, timezone: keyof typeof ZONES): number {
  const isSummer = timezone === 'Europe/Berlin' && FIRST_MS + day * DAY_MS > Date.UTC(2026, 2, 29, 1)
  return FIRST_MS + day * DAY_MS + (ZONES[timezone] - (isSummer ? 1 : 0)) * HOUR_MS
}

export function bodyOf(query: PlainQuery): object {
  const { filters = [], fromMs, toMs, grain, timezone, earlier, order, several: _several, ...more } = query
  return {
    view: 'sold',
    ...(filters.length === 0 ? {} : { filter: { and: filters } }),
    time: { from: fromMs, to: toMs, grain, timezone },
    ...(earlier === undefined ? {} : { compare: { shift: earlier.shift } }),
    ...(order === undefined ? {} : { order: order.map(orderText) }),
    limit: LIMIT,
    ...defined(more),
  }
}

/** As a GET has them; null: its filters have no such form. */
export function parametersOf(query: PlainQuery): [name: string, text: string][] | null {
  const { filters = [], having, fromMs, toMs, earlier, order, ...more } = query
  const filter = filters.map((one) => ('dimension' in one ? comparisonText(one.dimension, one) : null))
  if (filter.includes(null)) return null
  const members = {
    ...{ having: having && comparisonText(having.measure, having), from: fromMs, to: toMs },
    ...{ compare: earlier?.shift, order: order?.map(orderText), limit: LIMIT },
    ...defined(more),
  }
  return [
    ...filter.map((text): [string, string] => ['filter', text!]),
    ...Object.entries(defined(members)).map(([name, value]): [string, string] => [name, String(value)]),
  ]
}

function defined(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function orderText({ by, direction }: { readonly by: string; readonly direction: 'asc' | 'desc' }): string {
  return direction === 'asc' ? by : `-${by}`
}

/** As a GET has it. */
export function comparisonText(name: string, { operator, value, values }: PlainComparison): string {
  const text = values === undefined ? value : JSON.stringify(values.map((one) => (one === null ? null : String(one))))
  return [name, operator, ...(text === undefined ? [] : [text])].join(':')
}

/** A quantile is within 1 %, and plain code adds and divides doubles. */
function within(name: string, row: Row): number {
  const size = (...names: string[]): number => names.reduce((sum, each) => sum + Math.abs(Number(row[each] ?? 0)), 0)
  const [of, kind] = name.split('_') as [string, string?]
  const relative = of === 'middle' ? 0.0101 : 1e-9
  if (kind === 'difference') return relative * size(of, `${of}_previous`) + 1e-9
  return relative * (kind === 'ratio' ? 2.1 : 1) * size(name)
}

export function expectRows(found: readonly Row[], wanted: readonly Row[]): void {
  const near = (row: Row, at: number): Row =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        const other = wanted[at]?.[name]
        if (typeof value !== 'number' || typeof other !== 'number') return [name, value]
        return [name, Math.abs(value - other) <= within(name, wanted[at]!) ? other : value]
      }),
    )
  expect(found.map(near)).toEqual(wanted)
}
