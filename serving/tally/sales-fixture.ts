/** Sales in shops: views of every kind of measure that a tally holds, their events, and what tally and engine make of them. */
import fc from 'fast-check'
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
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { type Answer, answerStates } from '../answers/merged-view.ts'
import { NewestPane } from '../answers/newest-pane.ts'
import type { QueryPlan } from '../answers/query-plan.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { heldNames, type TallyShape, tallyShape } from './tally-shape.ts'
import { ViewTally } from './view-tally.ts'

export const NOW = Date.UTC(2026, 5, 1, 12)
export const snapshot: Snapshot = {
  ...{ generation: null, segments: [], markers: new Map(), open: new Map(), gaps: [] },
  partitions: [
    { partition: 0, boundary: 0, closedEnd: 0, position: 0, asOfMs: NOW, ahead: null, behind: null, missing: null },
  ],
}

/** key → name, as the engine has it and as a tally */
const TOWNS = { a: 'Zug', B: 'Aa', '3': 'Åre', '-1': 'Zug', '😀': '\uffee', '0': 'null' }
const relations = new Map([['towns', 'towns']])
export const dictionaries = new Map([['towns', new Map(Object.entries(TOWNS).map(([key, name]) => [key, { name }]))]])

let engine: DuckDbEngine
export let connection: EngineConnection
export let views: ReadonlyMap<string, CompiledView>

/** Opens the engine with the views and the dictionary. */
export async function openSales(): Promise<void> {
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
          share: ratio('price', 'floor'),
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
}

export const SHOPS = ['a', 'B', '\x1f\\u001f', 'ab', '', 'é', 'e\u0301', '\uffee', '😀', '"\\', '\n\u0001', null]
export const row = fc.record({
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
export type Row = typeof row extends fc.Arbitrary<infer R> ? R : never

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
export const statesSql = (view: CompiledView): string =>
  view.partialByPartitionSql(
    `(SELECT p AS _partition, o AS _offset, t AS _time, t AS _arrival, 0 AS k, epoch_ms(t) AS t, amount::DECIMAL(9,2) / 4 AS price, * EXCLUDE (o, p, t) FROM sales)`,
  )

export const LIMITS = { tallyRowsMax: 1_000_000, tallyBytesMax: 1_000_000_000 }
export const wholeShape = (view: CompiledView): TallyShape => tallyShape(view, heldNames(view))!

/** The tally of the events, told in pieces. */
export async function tallyOf(
  view: CompiledView,
  rows: readonly (readonly Row[])[],
  isLast = (_: number): boolean => true,
  limits = LIMITS,
): Promise<ViewTally> {
  const tally = new ViewTally(wholeShape(view), view.time.kind === 'panes', limits)
  let offset = 0
  for (const [index, some] of rows.entries()) {
    await connection.run('DELETE FROM sales')
    if (some.length > 0) await connection.run(`INSERT INTO sales VALUES ${valuesOf(some, offset)}`)
    offset += some.length
    const feed = tally.tail()
    await feed.added(await connection.returned(`SELECT ${feed.items.join(', ')} FROM (${statesSql(view)})`))
    if (!isLast(index)) continue
    if (tally.commit()) await tally.tidy()
    if (tally.fault !== null) throw new Error(`the tally was given up: ${tally.fault}`)
  }
  return tally
}

/** The engine's answer from the states of all events. */
export async function engineAnswer(
  view: CompiledView,
  pieces: readonly (readonly Row[])[],
  plan: QueryPlan,
): Promise<Answer> {
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

export const event = (p: number, amount: number, large = 0n): Row => ({
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
