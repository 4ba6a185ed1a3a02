/** A tally answers as the engine does from the same states, and is of no other moment than the one that its tables were told to be of. */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledView } from '#core/compiled.ts'
import {
  avg,
  count,
  countDistinct,
  defineDataset,
  first,
  latest,
  lookup,
  max,
  min,
  ratio,
  sliding,
  sum,
} from '#core/definition.ts'
import type { FilterOperator, ViewQuery } from '#core/query.ts'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { type Answer, answerStates } from '../answers/merged-view.ts'
import { NewestPane } from '../answers/newest-pane.ts'
import { QueryError } from '../answers/query-error.ts'
import { planQuery, type QueryPlan } from '../answers/query-plan.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { tallyAnswer } from './tally-answer.ts'
import { tallyPlan } from './tally-plan.ts'
import { heldNames, type TallyShape, tallyShape } from './tally-shape.ts'
import { ViewTally } from './view-tally.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const snapshot: Snapshot = {
  ...{ generation: null, segments: [], markers: new Map(), open: new Map(), gaps: [] },
  partitions: [
    { partition: 0, boundary: 0, closedEnd: 0, position: 0, asOfMs: NOW, ahead: null, behind: null, missing: null },
  ],
}

/** key → name, as the engine has it and as a tally */
const TOWNS = { a: 'Zug', B: 'Aa', '3': 'Åre', '-1': 'Zug', '😀': '\uffee', '0': 'null' }
const relations = new Map([['towns', 'towns']])
const dictionaries = new Map([['towns', new Map(Object.entries(TOWNS).map(([key, name]) => [key, { name }]))]])

let engine: DuckDbEngine
let connection: EngineConnection
let views: ReadonlyMap<string, CompiledView>

beforeAll(async () => {
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  connection = await engine.connect()
  const definition = defineDataset({
    name: 'sales',
    time: 't',
    key: 'k',
    columns: {
      k: { type: 'BIGINT', path: '$.k', required: true },
      t: { type: 'TIMESTAMP', path: '$.t', required: true },
      shop: { type: 'VARCHAR', path: '$.shop' },
      floor: { type: 'INTEGER', path: '$.floor' },
      size: { type: 'DOUBLE', path: '$.size' },
      open: { type: 'BOOLEAN', path: '$.open' },
      amount: { type: 'INTEGER', path: '$.amount' },
      large: { type: 'BIGINT', path: '$.large' },
      price: { type: 'DECIMAL(9,2)', path: '$.price' },
      seen: { type: 'TIMESTAMP', path: '$.seen' },
      tags: { type: 'VARCHAR[]', path: '$.tags' },
    },
    views: {
      timed: {
        dimensions: { shop: 'shop', floor: 'floor', open: 'open' },
        time: ['minute', 'hour', 'week'],
        measures: {
          n: count(),
          dear: count({ where: 'amount > 2' }),
          total: sum('amount'),
          all: sum('large'),
          top: max('amount'),
          weight: sum('size'),
          price: sum('price'),
          mean: avg('amount'),
          mean_price: avg('price'),
          share: ratio('price', 'amount'),
          least: min('price'),
          widest: max('size'),
          seen: max('seen'),
          last: latest('shop'),
          begun: first('size'),
          tags: latest('tags'),
          serial: latest('large'),
          shops: countDistinct('shop'),
          amounts: countDistinct('amount', { exact: true }),
        },
        enrich: {
          town: lookup('towns', 'shop', 'name'),
          storey: lookup('towns', 'floor', 'name'),
          last_town: lookup('towns', 'last', 'name'),
          tag_towns: lookup('towns', 'tags', 'name'),
          serial_town: lookup('towns', 'serial', 'name'),
          absent: lookup('towns', 'shop', 'constructor'),
          absent_of_tags: lookup('towns', 'tags', 'toString'),
        },
      },
      ever: {
        dimensions: { size: 'size', shop: 'shop' },
        measures: {
          n: count(),
          total: sum('amount'),
          seen: latest('seen'),
          open: first('open'),
          early: min('seen'),
          shops: countDistinct('shop', { exact: true }),
        },
      },
      tagged: { unnest: { tag: 'tags' }, dimensions: { tag: 'tag' }, measures: { n: count(), last: latest('tag') } },
      trend: {
        dimensions: { shop: 'shop', floor: 'floor' },
        window: sliding({ size: '2m', every: '1m' }),
        measures: { n: count() },
        rank: { by: 'n', limit: 3, dimensions: ['shop'], having: 'n > 1' },
      },
    },
  })
  views = (await compileDataset(definition, connection)).views
  const towns = Object.entries(TOWNS).map(([key, name]) => `('${key}', MAP {'name': '${name}'})`)
  await connection.run(`CREATE TABLE towns AS FROM (VALUES ${towns.join(', ')}) AS towns("key", attributes)`)
  await connection.run(
    'CREATE TABLE sales (o INTEGER, p INTEGER, t BIGINT, shop VARCHAR, floor INTEGER, size DOUBLE, open BOOLEAN, amount INTEGER, large BIGINT, seen TIMESTAMP, tags VARCHAR[])',
  )
})

const SHOPS = ['a', 'B', '\x1f\\u001f', 'ab', '', 'é', 'e\u0301', '\uffee', '😀', '"\\', '\n\u0001', null]
const row = fc.record({
  p: fc.nat({ max: 2 }),
  t: fc.nat({ max: 200 }).map((minutes) => NOW - 100 * 60_000 + minutes * 60_000),
  shop: fc.constantFrom(...SHOPS),
  floor: fc.option(fc.integer({ min: -2, max: 10 })),
  size: fc.option(fc.constantFrom(0, -0, 1, 2.5, 1e21, -1.5e300, 1e-7, -3)),
  open: fc.option(fc.boolean()),
  amount: fc.option(fc.integer({ min: -5, max: 5 })),
  large: fc.option(fc.bigInt({ min: -(2n ** 45n), max: 2n ** 45n })),
  seenUs: fc.option(fc.constantFrom(0, -1, 1_780_000_000_000_000, 1_780_000_000_000_001, -6_000_000_000_000_500)),
})
type Row = typeof row extends fc.Arbitrary<infer R> ? R : never

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
/** @param from offset of the first */
const valuesOf = (rows: readonly Row[], from: number): string =>
  rows
    .map(({ p, t, shop, floor, size, open, amount, large, seenUs }, at) => {
      const seen = seenUs === null ? 'NULL' : `make_timestamp(${seenUs})`
      const tags = `[${[shop, floor === null ? null : String(floor)].map(literal).join(', ')}]`
      return `(${[from + at, p, t, shop, floor, size, open, amount, large].map(literal).join(', ')}, ${seen}, ${tags})`
    })
    .join(', ')

/** State rows of the given events, of each partition by itself. */
const statesSql = (view: CompiledView): string =>
  view.partialByPartitionSql(
    `(SELECT p AS _partition, o AS _offset, t AS _time, t AS _arrival, 0 AS k, epoch_ms(t) AS t, amount::DECIMAL(9,2) / 4 AS price, * EXCLUDE (o, p, t) FROM sales)`,
  )

const FILTERS: Readonly<Record<string, readonly [FilterOperator[], string[]]>> = {
  shop: [
    ['eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'contains', 'null', 'notnull'],
    ['a', 'A', 'é', '\uffee', '😀', ''],
  ],
  floor: [
    ['eq', 'ne', 'in', 'gt', 'lte', 'null'],
    ['3', '-1', '00', '-0'],
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
      })
    })
    .map(({ dimension, operator, value, other }) => ({
      dimension,
      operator,
      values: operator.endsWith('null') ? [] : operator === 'in' ? [value, other] : [value],
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

const LIMITS = { tallyRowsMax: 1_000_000, tallyBytesMax: 1_000_000_000 }
const wholeShape = (view: CompiledView): TallyShape => tallyShape(view, heldNames(view))!

/** The tally of the events, told in pieces. */
async function tallyOf(
  view: CompiledView,
  rows: readonly (readonly Row[])[],
  isLast = (_: number): boolean => true,
): Promise<ViewTally> {
  const tally = new ViewTally(wholeShape(view), view.time.kind === 'panes', LIMITS)
  let offset = 0
  for (const [index, some] of rows.entries()) {
    await connection.run('DELETE FROM sales')
    if (some.length > 0) await connection.run(`INSERT INTO sales VALUES ${valuesOf(some, offset)}`)
    offset += some.length
    const feed = tally.tail()
    feed.added(await connection.returned(`SELECT ${feed.items.join(', ')} FROM (${statesSql(view)})`))
    if (isLast(index)) expect(tally.commit()).toBe(true)
  }
  return tally
}

/** The engine's answer from the states of all events. */
async function engineAnswer(view: CompiledView, pieces: readonly (readonly Row[])[], plan: QueryPlan): Promise<Answer> {
  await connection.run('DELETE FROM sales')
  if (pieces.flat().length > 0) await connection.run(`INSERT INTO sales VALUES ${valuesOf(pieces.flat(), 0)}`)
  const states = {
    sql: `(SELECT * EXCLUDE (_partition) FROM (${statesSql(view)}))`,
    bound: new BoundValues(),
    snapshot,
    dictionaries: relations,
    newestPane: new NewestPane(),
  }
  return answerStates(engine, connection, plan, states, { nowMs: NOW })
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

const event = (p: number, amount: number, large = 0n): Row => ({
  p,
  t: NOW,
  shop: 'a',
  floor: 1,
  size: 1,
  open: true,
  amount,
  large,
  seenUs: null,
})

function totalOf(tally: ViewTally): unknown {
  const plan = planQuery(views.get('timed')!, {
    dataset: 'sales',
    view: 'timed',
    dimensions: [],
    measures: ['n', 'total'],
  })
  const answer = tallyAnswer(
    tallyPlan(plan, tally.shape)!,
    tally,
    { snapshot, dictionaries: new Map() },
    { nowMs: NOW },
  )
  return JSON.parse(answer!.rowsJson)
}

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

test('what was told counts from the next commit on, and all of it then', async () => {
  const tally = await tallyOf(views.get('timed')!, [[event(0, 1)], [event(1, 2)]], (index) => index === 0)
  expect(totalOf(tally)).toEqual([{ n: 1, total: 1 }])
  tally.tail().forgotten([0])
  expect(totalOf(tally)).toEqual([{ n: 1, total: 1 }])
  expect(tally.commit()).toBe(true)
  expect(totalOf(tally)).toEqual([{ n: 1, total: 2 }])
})

test('a partition that is folded anew counts only what came after it was forgotten', async () => {
  const view = views.get('timed')!
  const tally = await tallyOf(view, [[event(0, 1), event(1, 2)]])
  tally.tail().forgotten([0])
  tally
    .tail()
    .added(
      await connection.returned(
        `SELECT ${tally.tail().items.join(', ')} FROM (${statesSql(view)}) WHERE _partition = 0`,
      ),
    )
  tally.commit()
  expect(totalOf(tally)).toEqual([{ n: 2, total: 3 }])
  tally.tail().dropped()
  tally.commit()
  expect(totalOf(tally)).toEqual([])
})

test('a tally ends where closed segments go, where it gets too large, or where its sums are more than a double holds', async () => {
  const view = views.get('timed')!
  const closed = await tallyOf(view, [[event(0, 1)]])
  closed.closed().dropped()
  expect(closed.fault).toBeNull()
  expect(closed.commit()).toBe(false)
  const large = await tallyOf(
    view,
    [Array.from({ length: 9 }, () => event(0, 1, 2n ** 49n)), [event(1, 1, 2n ** 52n)]],
    (at) => at === 0,
  )
  expect(large.commit()).toBe(false)
  expect(large.fault).toMatch(/values of 'all'/)
  const small = new ViewTally(wholeShape(view), true, { ...LIMITS, tallyRowsMax: 0 })
  small.tail().added(await connection.returned(`SELECT ${small.tail().items.join(', ')} FROM (${statesSql(view)})`))
  expect(small.commit()).toBe(false)
})
