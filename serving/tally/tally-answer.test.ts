/** A tally answers as the engine does from the same states. */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { CompiledView } from '#core/compiled.ts'
import type { FilterOperator, ViewQuery } from '#core/query.ts'
import { QueryError } from '../answers/query-error.ts'
import { planQuery, type QueryPlan } from '../answers/query-plan.ts'
import {
  dictionaries,
  engineAnswer,
  event,
  LIMITS,
  NOW,
  openSales,
  type Row,
  row,
  SHOPS,
  snapshot,
  tallyOf,
  views,
  wholeShape,
} from './sales-fixture.ts'
import { tallyAnswer } from './tally-answer.ts'
import { tallyPlan } from './tally-plan.ts'
import { heldNames, type TallyShape, tallyShape } from './tally-shape.ts'

beforeAll(openSales)

const FILTERS: Readonly<Record<string, readonly [FilterOperator[], string[]]>> = {
  shop: [
    ['eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'contains', 'null', 'notnull'],
    ['a', 'A', 'é', '\uffee', '😀', ''],
  ],
  floor: [
    ['eq', 'ne', 'in', 'gt', 'lte', 'null'],
    ['3', '-1', '00', '-0', '3.0'],
  ],
  size: [
    ['eq', 'ne', 'in', 'gt', 'lte'],
    ['0', '-0', '2.50', '1e21', '.5'],
  ],
  open: [
    ['eq', 'ne', 'in', 'notnull'],
    ['true', 'false'],
  ],
}

function queryOf(view: CompiledView): fc.Arbitrary<ViewQuery> {
  const names = view.dimensions.map(({ name }) => name)
  const all = view.measures.map(({ name }) => name)
  const measures = [...heldNames(view)]
  const leaf = fc
    .constantFrom(...names)
    .chain((dimension) => {
      const [operators, texts] = FILTERS[dimension]!
      return fc.record({
        dimension: fc.constant(dimension),
        operator: fc.constantFrom(...operators),
        value: fc.constantFrom(...texts),
        other: fc.constantFrom(...texts),
        orNull: fc.boolean(),
      })
    })
    .map(({ dimension, operator, value, other, orNull }) => ({
      dimension,
      operator,
      values: operator.endsWith('null') ? [] : operator === 'in' ? [value, other] : [value],
      ...(operator === 'in' && { orNull }),
    }))
  const condition = fc.oneof(leaf, fc.record({ not: leaf }), fc.record({ or: fc.array(leaf, { maxLength: 2 }) }))
  const having = fc
    .record({
      measure: fc.constantFrom(...measures),
      operator: fc.constantFrom<FilterOperator>('gt', 'ne', 'lte', 'null'),
      value: fc.integer({ min: -2, max: 3 }),
    })
    .map(({ measure, operator, value }) => ({ measure, operator, values: operator === 'null' ? [] : [String(value)] }))
  return fc
    .record({
      dataset: fc.constant('sales'),
      view: fc.constant(view.name),
      dimensions: fc.option(fc.subarray(names), { nil: undefined }),
      measures: fc.oneof(
        { weight: 4, arbitrary: fc.subarray(measures, { minLength: 1 }) },
        { weight: 1, arbitrary: fc.subarray(all, { minLength: 1 }) },
      ),
      filters: fc.array(condition, { maxLength: 2 }),
      having: fc.array(having, { maxLength: 1 }),
      limit: fc.constantFrom(1, 3, 1_000),
      at:
        view.name === 'trend' ? fc.constantFrom('latest' as const, 'now' as const, undefined) : fc.constant(undefined),
      time:
        view.name === 'timed'
          ? fc.constantFrom(
              {},
              { grain: 'minute' as const },
              { grain: 'hour' as const },
              { fromMs: NOW - 600_000, toMs: NOW + 600_000 },
            )
          : fc.constant({}),
      ranked: fc.option(
        fc.record({
          by: fc.constantFrom(...measures),
          per: fc.boolean(),
          direction: fc.constantFrom('asc' as const, 'desc' as const),
        }),
      ),
    })
    .map(({ time, ranked, ...query }) => ({
      ...query,
      ...time,
      ...(ranked === null
        ? {}
        : {
            order: [{ by: ranked.by, direction: ranked.direction }],
            per: ranked.per ? (query.dimensions ?? []).slice(0, 1) : [],
          }),
    }))
}

/** null: the query asks for what the measure's type has not, such as an order of truths */
function planOrNull(view: CompiledView, query: ViewQuery): QueryPlan | null {
  try {
    return planQuery(view, query)
  } catch (error) {
    if (error instanceof QueryError) return null
    throw error
  }
}

test('exact counts and sums are held at once, others when they are asked for', () => {
  const held = [...views].map(([name, view]) => {
    const namesOf = (shape: TallyShape | null): string[] => shape!.measures.map(({ measure }) => measure.name)
    const base = namesOf(tallyShape(view, new Set()))
    return [name, base, namesOf(wholeShape(view)).filter((measure) => !base.includes(measure))]
  })
  const asked = [
    'top',
    'mean',
    'mean_price',
    'share',
    'least',
    'widest',
    'seen',
    'last',
    'begun',
    'tags',
    'serial',
    'amounts',
  ]
  expect(held).toEqual([
    ['timed', ['n', 'dear', 'total', 'all', 'price'], asked],
    ['ever', ['n', 'total'], ['seen', 'open', 'early', 'shops']],
    ['tagged', ['n'], []],
    ['trend', ['n'], []],
  ])
})

test.each(['timed', 'ever', 'trend'])('view %s: every answer of a tally is the engine’s', async (name) => {
  const view = views.get(name)!
  let answered = 0
  const check = async (pieces: Row[][], query: ViewQuery): Promise<void> => {
    const plan = planOrNull(view, query)
    const tallied = plan && tallyPlan(plan, wholeShape(view))
    if (plan === null || tallied === null) return
    const tally = await tallyOf(view, pieces)
    const found = tallyAnswer(tallied, tally, { snapshot, dictionaries }, { nowMs: NOW })
    if (found === null) return
    answered++
    const wanted = await engineAnswer(view, pieces, plan)
    // Live answers compare rows as texts.
    expect(found.rowsJson).toBe(wanted.rowsJson)
    expect({ ...found.meta, asOf: null, freshnessMs: null }).toEqual({ ...wanted.meta, asOf: null, freshnessMs: null })
    expect(found.columns).toEqual(wanted.columns)
  }
  const pieces = fc.array(fc.array(row, { maxLength: 12 }), { minLength: 1, maxLength: 3 })
  await fc.assert(fc.asyncProperty(pieces, queryOf(view), check), { numRuns: 60 })
  expect(answered).toBeGreaterThan(8)
})

test.each(['timed', 'trend'])(
  'view %s: of its newest panes, a tally that has no others answers as the engine',
  async (name) => {
    const view = views.get(name)!
    const seen = { answered: 0, left: 0 }
    const check = async (drawn: Row[][], query: ViewQuery, minutes: number): Promise<void> => {
      const fromMs = name === 'timed' ? NOW - minutes * 60_000 : undefined
      const plan = planOrNull(view, { ...query, fromMs, toMs: undefined })
      const tallied = plan && tallyPlan(plan, wholeShape(view))
      if (plan === null || tallied === null) return
      // All within 20 minutes, a few of them still to come; of few keys.
      const minuteOf = (t: number): number => NOW - Math.floor((NOW - t) / 600_000 + 8) * 60_000
      const pieces = drawn.map((rows) =>
        rows.map((each) => ({ ...each, t: minuteOf(each.t), floor: each.floor && 1, open: each.p > 0 })),
      )
      const tally = await tallyOf(view, pieces, undefined, { ...LIMITS, tallyRowsMax: 16 }).catch(() => null)
      if (tally === null || !Number.isFinite(tally.sinceMs)) return
      expect(tally.sources().reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(16)
      const found = tallyAnswer(tallied, tally, { snapshot, dictionaries }, { nowMs: NOW })
      if (name === 'timed') expect(found !== null && fromMs! < tally.sinceMs).toBe(false)
      seen[found === null ? 'left' : 'answered']++
      if (found === null) return
      const wanted = await engineAnswer(view, pieces, plan)
      expect([found.rowsJson, found.meta.from]).toEqual([wanted.rowsJson, wanted.meta.from])
    }
    const pieces = fc.array(fc.array(row, { minLength: 4, maxLength: 20 }), { minLength: 2, maxLength: 5 })
    await fc.assert(fc.asyncProperty(pieces, queryOf(view), fc.nat(20), check), { numRuns: 60 })
    expect(Math.min(seen.answered, seen.left)).toBeGreaterThan(3)
  },
)

test('the first rows of each combination of `per` are the engine’s, also where there are many others', async () => {
  const view = views.get('timed')!
  const sold = fc.record({
    shop: fc.constantFrom('a', 'b', 'c', 'd', null),
    floor: fc.nat(24),
    open: fc.boolean(),
    amount: fc.oneof({ weight: 3, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.constant(null) }),
  })
  const asked = fc.record({
    by: fc.constantFrom('total', 'top', 'mean', 'n'),
    direction: fc.constantFrom('asc' as const, 'desc' as const),
    per: fc.constantFrom(['shop'], ['open'], ['shop', 'open'], ['open', 'shop']),
    limit: fc.integer({ min: 1, max: 4 }),
    filters: fc.constantFrom([], [{ dimension: 'floor', operator: 'gt' as const, values: ['2'] }]),
  })
  const check = fc.asyncProperty(fc.array(sold, { minLength: 60, maxLength: 250 }), asked, async (sales, query) => {
    const pieces = [sales.map((sale, index) => ({ ...event(index, index), ...sale }))]
    const { by, direction, ...rest } = query
    const asked = { dimensions: ['shop', 'floor', 'open'], measures: ['n', 'total', 'top', 'mean'] }
    const plan = planQuery(view, { dataset: 'sales', view: 'timed', ...asked, order: [{ by, direction }], ...rest })
    const tally = await tallyOf(view, pieces)
    const tallied = tallyPlan(plan, wholeShape(view))!
    const found = tallyAnswer(tallied, tally, { snapshot, dictionaries }, { nowMs: NOW })
    expect(found!.rowsJson).toBe((await engineAnswer(view, pieces, plan)).rowsJson)
  })
  await fc.assert(check, { numRuns: 25 })
})

test('a group without a value is among those asked for, also where its measures are read in a second pass', async () => {
  const pieces: Row[][] = [
    [
      { ...event(0, 1), size: null },
      { ...event(0, 1), size: 2.5 },
    ],
  ]
  const view = views.get('ever')!
  for (const dimension of ['size', 'shop'] as const) {
    const values = dimension === 'size' ? ['0', '2.5'] : ['a']
    const filters = [{ dimension, operator: 'in' as const, values, orNull: true }]
    const query = { dataset: 'sales', view: 'ever', dimensions: ['size'], measures: ['shops'], filters }
    const found = await engineAnswer(view, pieces, planQuery(view, query))
    expect(JSON.parse(found.rowsJson)).toEqual([
      { size: 2.5, shops: 1 },
      { size: null, shops: 1 },
    ])
  }
})

test('zero divided by a negative number is 0 without a sign', async () => {
  const view = views.get('timed')!
  const dayMs = 86_400_000
  const pieces = [
    [
      { ...event(0, 0), floor: -1 },
      { ...event(0, -1), floor: -1, open: false },
      { ...event(0, -1), floor: -1, t: NOW - dayMs },
    ],
  ]
  const query = { dataset: 'sales', view: 'timed', dimensions: ['open'], fromMs: NOW, toMs: NOW + dayMs, limit: 1 }
  const plan = planQuery(view, { ...query, measures: ['share'], order: [{ by: 'open', direction: 'desc' }] })
  const wanted = '[{"open":true,"share":0.0}]'
  expect((await engineAnswer(view, pieces, plan)).rowsJson).toBe(wanted)
  const tally = await tallyOf(view, pieces)
  expect(tallyAnswer(tallyPlan(plan, tally.shape)!, tally, { snapshot, dictionaries }, {})!.rowsJson).toBe(wanted)
  for (const more of [{ shares: ['total'] }, { compare: '1d' }]) {
    const asked = { ...query, measures: ['total'], order: [{ by: 'total', direction: 'desc' as const }], ...more }
    const { rowsJson } = await engineAnswer(view, pieces, planQuery(view, asked))
    expect(rowsJson).toMatch(/"total_(share|ratio)":0\.0\}/)
  }
})

test('many states of a key are put together, and all of their measures stay the engine’s', async () => {
  const view = views.get('timed')!
  const many = (from: number): Row[] =>
    fc.sample(row, { numRuns: 200, seed: from }).map((each) => ({ ...each, p: 0, t: NOW, floor: 1, large: 0n }))
  const pieces = Array.from({ length: 12 }, (_, seed) => many(seed))
  const tally = await tallyOf(view, pieces)
  const states = tally.sources().reduce((sum, { rows }) => sum + rows, 0)
  // Each piece has nearly all shops, open, closed and unknown.
  expect(states).toBeLessThan(pieces.length * SHOPS.length * 2)
  for (const dimensions of [['shop'], ['open'], []]) {
    const plan = planQuery(view, { dataset: 'sales', view: 'timed', dimensions, measures: [...heldNames(view)] })
    const found = tallyAnswer(tallyPlan(plan, tally.shape)!, tally, { snapshot, dictionaries }, { nowMs: NOW })
    expect(JSON.parse(found!.rowsJson)).toEqual(JSON.parse((await engineAnswer(view, pieces, plan)).rowsJson))
  }
})

test('groups in buckets beyond what one answer may keep are left to the engine; filters leave few', async () => {
  const view = views.get('timed')!
  const sparse = Array.from({ length: 700 }, (_, at) => ({
    ...event(0, 1),
    shop: `shop ${at}`,
    t: NOW - at * 60_000,
  }))
  const tally = await tallyOf(view, [sparse])
  const answer = (more: Partial<ViewQuery>): unknown => {
    const query = { dataset: 'sales', view: 'timed', dimensions: ['shop'], measures: ['n'], ...more }
    const plan = tallyPlan(planQuery(view, query), tally.shape)!
    const given = tallyAnswer(plan, tally, { snapshot, dictionaries }, { nowMs: NOW })
    return given && JSON.parse(given.rowsJson)
  }
  expect(answer({ grain: 'minute' })).toBeNull()
  expect(answer({ grain: 'hour' })).toHaveLength(700)
  const filters = [{ dimension: 'shop', operator: 'eq' as const, values: ['shop 7'] }]
  expect(answer({ grain: 'minute', filters })).toMatchObject([{ shop: 'shop 7', n: 1 }])
})
