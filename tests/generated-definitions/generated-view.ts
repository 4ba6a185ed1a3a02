/** A view for each choice of parts, with what each part means in plain code. */
import {
  avg,
  boolOr,
  count,
  countDistinct,
  first,
  latest,
  max,
  maxBy,
  min,
  quantile,
  ratio,
  regrSlope,
  stddevSamp,
  sum,
  varPop,
} from '#core/definition.ts'
import type { DatasetDefinition, MeasureDefinition, ViewDefinition } from '#core/definition-parts.ts'
import type { Choice } from './pairwise.ts'
import { KEEPS, keepOf } from './plain-past.ts'
import { ARRIVALS, type Reading } from './reading.ts'

/** One event, or one of its tags. */
export interface Fact extends Reading {
  readonly partition: number
  readonly offset: number
  readonly tag: string | null
}

type Scalar = string | number | null
/** What a value must be: that, or a number as near to it. */
export type Expected = Scalar | boolean | { readonly near: number; readonly within: number }

export interface PlainMeasure {
  readonly definition: MeasureDefinition
  readonly of: (facts: readonly Fact[]) => Expected
}

const given = <T>(facts: readonly Fact[], of: (fact: Fact) => T | null): T[] =>
  facts.map(of).filter((value): value is T => value !== null)
const added = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
const whole = (values: readonly number[]): number | null => (values.length === 0 ? null : added(values))
const absolute = (values: readonly number[]): number => added(values.map(Math.abs))
const near = (value: number, within: number): Expected => ({ near: value, within: Math.abs(within) + 1e-300 })
const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const least = <T>(values: readonly T[], order: (a: T, b: T) => number): T | null => values.toSorted(order)[0] ?? null
const numeric = (a: number, b: number): number => a - b
const byTime = (a: Fact, b: Fact): number => a.atUs - b.atUs || a.partition - b.partition || a.offset - b.offset
const distinct = (values: readonly unknown[]): number => new Set(values).size

/** Doubles are added as exact fractions of 2^-80: no rounding, and no order. */
function exactSum(values: readonly number[]): number {
  let sum = 0n
  for (const value of values) sum += fixedPoint(value)
  return Number(sum) / 2 ** 80
}
function fixedPoint(value: number): bigint {
  const large = Math.trunc(value)
  return BigInt(large) * 2n ** 80n + BigInt(Math.round((value - large) * 2 ** 52)) * 2n ** 28n
}

function rank(values: readonly number[], q: number): Expected {
  const sorted = values.toSorted(numeric)
  const at = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]
  if (at === undefined) return null
  return Number.isInteger(at) && values.every(Number.isInteger) && Math.abs(at) < 50 ? at : near(at, at * 0.01)
}

function ofEnd(facts: readonly Fact[], of: (fact: Fact) => string | number | null, end: 'first' | 'latest'): Scalar {
  const sorted = facts.filter((fact) => of(fact) !== null).toSorted((a, b) => byTime(a, b) || compare(of(a)!, of(b)!))
  const chosen = end === 'first' ? sorted[0] : sorted.at(-1)
  return chosen === undefined ? null : of(chosen)
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'string' ? bytewise(a, b as string) : a - (b as number)
}

const MEASURES: Record<string, PlainMeasure> = {
  count: { definition: count(), of: (facts) => facts.length },
  'count where': {
    definition: count({ where: 'n >= 2' }),
    of: (facts) => facts.filter(({ n }) => n !== null && n >= 2).length,
  },
  'sum of integers': { definition: sum('n'), of: (facts) => whole(given(facts, ({ n }) => n)) },
  'sum of decimals': {
    definition: sum('d', { where: "k <> 'a'" }),
    of: (facts) => {
      const hundredths = whole(
        given(
          facts.filter(({ k }) => k !== null && k !== 'a'),
          ({ d }) => d,
        ),
      )
      return hundredths === null ? null : hundredths / 100
    },
  },
  'sum of doubles': {
    definition: sum('x'),
    of: (facts) => {
      const values = given(facts, ({ x }) => x)
      return values.length === 0 ? null : near(exactSum(values), absolute(values) * 1e-12)
    },
  },
  min: {
    definition: min('k'),
    of: (facts) =>
      least(
        given(facts, ({ k }) => k),
        bytewise,
      ),
  },
  max: {
    definition: max('d'),
    of: (facts) => {
      const most = least(
        given(facts, ({ d }) => d),
        (a, b) => b - a,
      )
      return most === null ? null : most / 100
    },
  },
  avg: {
    definition: avg('x'),
    of: (facts) => {
      const values = given(facts, ({ x }) => x)
      return values.length === 0
        ? null
        : near(exactSum(values) / values.length, (absolute(values) / values.length) * 1e-12)
    },
  },
  ratio: {
    definition: ratio('n', 'id'),
    of: (facts) => {
      const [above, below] = [whole(given(facts, ({ n }) => n)), added(facts.map(({ id }) => id))]
      return above === null || below === 0 ? null : near(above / below, (above / below) * 1e-12)
    },
  },
  first: { definition: first('concat(k, id)'), of: (facts) => ofEnd(facts, ({ k, id }) => `${k ?? ''}${id}`, 'first') },
  latest: { definition: latest('n'), of: (facts) => ofEnd(facts, ({ n }) => n, 'latest') },
  'first where': {
    definition: first('id', { where: 'n < 0' }),
    of: (facts) =>
      ofEnd(
        facts.filter(({ n }) => n !== null && n < 0),
        ({ id }) => id,
        'first',
      ),
  },
  distinct: { definition: countDistinct('k'), of: (facts) => distinct(given(facts, ({ k }) => k)) },
  'exact distinct': {
    definition: countDistinct('n', { exact: true, where: 'id > 0' }),
    of: (facts) =>
      distinct(
        given(
          facts.filter(({ id }) => id > 0),
          ({ n }) => n,
        ),
      ),
  },
  median: {
    definition: quantile('n', 0.5),
    of: (facts) =>
      rank(
        given(facts, ({ n }) => n),
        0.5,
      ),
  },
  'high quantile': {
    definition: quantile('d', 0.95),
    of: (facts) =>
      rank(
        given(facts, ({ d }) => d).map((d) => d / 100),
        0.95,
      ),
  },
}

/** In two passes: mean first, then deviations. */
function deviations(values: readonly number[]): number[] {
  const mean = added(values) / values.length
  return values.map((value) => value - mean)
}

Object.assign(MEASURES, {
  variance: {
    definition: varPop('n'),
    of: (facts) => {
      const apart = deviations(given(facts, ({ n }) => n))
      if (apart.length === 0) return null
      const variance = added(apart.map((one) => one * one)) / apart.length
      return near(variance, variance * 1e-9 + 1e-12)
    },
  },
  'deviation of doubles': {
    definition: stddevSamp('x'),
    of: (facts) => {
      const apart = deviations(given(facts, ({ x }) => x))
      if (apart.length < 2) return null
      const deviation = Math.sqrt(added(apart.map((one) => one * one)) / (apart.length - 1))
      return near(deviation, deviation * 1e-9 + 1e-6 * Math.max(...given(facts, ({ x }) => x).map(Math.abs)))
    },
  },
  slope: {
    definition: regrSlope('id', 'n'),
    of: (facts) => {
      const both = facts.filter(({ n }) => n !== null)
      const [ys, xs] = [deviations(both.map(({ id }) => id)), deviations(both.map(({ n }) => n!))]
      if (new Set(both.map(({ n }) => n)).size < 2) return null
      const slope = added(xs.map((one, at) => one * ys[at]!)) / added(xs.map((one) => one * one))
      return near(slope, Math.abs(slope) * 1e-9 + 1e-9)
    },
  },
  'k of the greatest': {
    definition: maxBy('k', 'n'),
    of: (facts) => {
      const both = facts.filter(({ k, n }) => k !== null && n !== null)
      return both.toSorted((a, b) => b.n! - a.n! || bytewise(b.k!, a.k!))[0]?.k ?? null
    },
  },
  'any above': {
    definition: boolOr('n > 1'),
    of: (facts) => {
      const values = given(facts, ({ n }) => n)
      return values.length === 0 ? null : values.some((n) => n > 1)
    },
  },
} satisfies Record<string, PlainMeasure>)

const WHERES: Readonly<Record<string, { readonly sql?: string; readonly passes: (fact: Fact) => boolean }>> = {
  none: { passes: () => true },
  'n > 0': { sql: 'n > 0', passes: ({ n }) => n !== null && n > 0 },
  'k or even': {
    sql: "k = 'a' OR n % 2 = 0",
    passes: ({ k, n }) => k === 'a' || (n !== null && n % 2 === 0),
  },
}

type Dimension = { readonly sql: string; readonly of: (fact: Fact) => Scalar }
const DIMENSIONS: Readonly<Record<string, Readonly<Record<string, Dimension>>>> = {
  none: {},
  k: { k: { sql: 'k', of: ({ k }) => k } },
  computed: {
    grp: { sql: 'n % 3', of: ({ n }) => (n === null ? null : (n % 3) + 0) },
    small: { sql: 'lower(k)', of: ({ k }) => (k === null ? null : k.toLowerCase()) },
  },
}
const TAG: Readonly<Record<string, Dimension>> = { tag: { sql: 'tag', of: ({ tag }) => tag } }

export const FACTORS = {
  measure: Object.keys(MEASURES),
  other: ['count', 'sum of integers', 'latest', 'distinct'],
  time: ['all', 'minute', 'hour', 'window'],
  grain: ['none', 'hour', 'day'],
  unnest: ['none', 'tags'],
  where: Object.keys(WHERES),
  dimensions: Object.keys(DIMENSIONS),
  rank: ['none', 'top 2', 'having'],
  arrival: [...ARRIVALS],
  segments: ['3', '12', '1000'],
  publish: ['never', 'full', 'full then incremental', 'incremental twice'],
  answers: ['from stores', 'resident'],
  keep: KEEPS,
} as const

export type GeneratedChoice = Choice<typeof FACTORS>

export const WINDOW_MS = 600_000
export const EVERY_MS = 60_000
const RANKED = 2

/** The choice as a dataset of one view, `v`. */
export function datasetOf(choice: GeneratedChoice): DatasetDefinition {
  const dimensions = Object.entries(dimensionsOf(choice)).map(([name, { sql }]) => [name, sql] as const)
  const measures = {
    rows: count(),
    one: MEASURES[choice.measure]!.definition,
    other: MEASURES[choice.other]!.definition,
  }
  const { sql } = WHERES[choice.where]!
  const view: ViewDefinition = {
    dimensions: Object.fromEntries(dimensions),
    measures,
    ...(choice.unnest === 'tags' ? { unnest: { tag: 'tags' } } : {}),
    ...(sql === undefined ? {} : { where: sql }),
    ...timeOf(choice),
    ...rankOf(choice),
  }
  return {
    name: 'generated',
    keep: keepOf(choice.keep),
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'INTEGER', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', required: true },
      k: { type: 'VARCHAR', path: '$.k' },
      n: { type: 'INTEGER', path: '$.n' },
      d: { type: 'DECIMAL(9,2)', path: '$.d' },
      x: { type: 'DOUBLE', path: '$.x' },
      tags: { type: 'VARCHAR[]', path: '$.tags' },
    },
    views: { v: view },
  }
}

function dimensionsOf({ dimensions, unnest }: GeneratedChoice): Readonly<Record<string, Dimension>> {
  return { ...DIMENSIONS[dimensions]!, ...(unnest === 'tags' ? TAG : {}) }
}

function timeOf({ time }: GeneratedChoice): Partial<ViewDefinition> {
  if (time === 'all') return {}
  if (time === 'window') return { window: { size: '10m', every: '1m' } }
  return { time: time === 'minute' ? ['minute', 'hour', 'day'] : ['hour', 'day'] }
}

function rankOf({ rank }: GeneratedChoice): Partial<ViewDefinition> {
  if (rank === 'none') return {}
  return { rank: { by: 'rows', limit: RANKED, ...(rank === 'having' ? { having: 'rows > 1' } : {}) } }
}

/** The grain that is asked for: a ranking and a window are asked as they are. */
export function askedGrain({ time, grain, rank }: GeneratedChoice): 'hour' | 'day' | null {
  return grain === 'none' || rank !== 'none' || time === 'all' || time === 'window' ? null : grain
}

export type PlainRow = Readonly<Record<string, Expected>>

/** The answer by plain code: rows in the order of a ranking, or in any order. */
export function plainAnswer(
  choice: GeneratedChoice,
  facts: readonly Fact[],
  range: { fromMs: number; toMs: number } | null,
): PlainRow[] {
  const dimensions = Object.entries(dimensionsOf(choice))
  const grain = askedGrain(choice)
  const counted = facts.filter(WHERES[choice.where]!.passes).filter(({ atUs }) => {
    return range === null || (atUs >= range.fromMs * 1_000 && atUs < range.toMs * 1_000)
  })
  const keysOf = (fact: Fact): Scalar[] => [
    ...(grain === null ? [] : [bucket(grain, fact.atUs)]),
    ...dimensions.map(([, { of }]) => of(fact)),
  ]
  const names = [...(grain === null ? [] : ['time']), ...dimensions.map(([name]) => name)]
  const rows = [...Map.groupBy(counted, (fact) => JSON.stringify(keysOf(fact))).values()].map((own): PlainRow => {
    const keys = keysOf(own[0]!).map((value, at) => [names[at]!, value] as const)
    const measures = {
      rows: own.length,
      one: MEASURES[choice.measure]!.of(own),
      other: MEASURES[choice.other]!.of(own),
    }
    return { ...Object.fromEntries(keys), ...measures }
  })
  return choice.rank === 'none' ? rows : ranked(choice, rows, names)
}

function ranked({ rank }: GeneratedChoice, rows: readonly PlainRow[], names: readonly string[]): PlainRow[] {
  const shown = rank === 'having' ? rows.filter((row) => (row.rows as number) > 1) : rows
  const order = (a: PlainRow, b: PlainRow): number => {
    if (a.rows !== b.rows) return (b.rows as number) - (a.rows as number)
    for (const name of names) {
      const [x, y] = [a[name] as Scalar, b[name] as Scalar]
      if (x === y) continue
      if (x === null || y === null) return x === null ? 1 : -1
      return compare(x, y)
    }
    return 0
  }
  return shown.toSorted(order).slice(0, RANKED)
}

function bucket(grain: 'hour' | 'day', atUs: number): string {
  const length = grain === 'hour' ? 3_600_000 : 86_400_000
  return new Date(Math.floor(atUs / 1_000 / length) * length).toISOString()
}

/** The facts of recorded events. */
export function factsOf(
  { unnest }: GeneratedChoice,
  recorded: readonly { partition: number; offset: number; reading: Reading }[],
): Fact[] {
  return recorded.flatMap(({ reading, partition, offset }) => {
    const tags = unnest === 'tags' ? (reading.tags ?? []) : [null]
    return tags.map((tag) => ({ ...reading, partition, offset, tag }))
  })
}
