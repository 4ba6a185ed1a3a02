/** A tally is of no other moment than the one that its tables were told to be of. */
import { setImmediate as turn } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { planQuery } from '../answers/query-plan.ts'
import {
  connection,
  event,
  LIMITS,
  NOW,
  openSales,
  snapshot,
  statesSql,
  tallyOf,
  views,
  wholeShape,
} from './sales-fixture.ts'
import { tallyAnswer } from './tally-answer.ts'
import { tallyPlan } from './tally-plan.ts'
import { ViewTally } from './view-tally.ts'

beforeAll(openSales)

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

test('what was told counts from the next commit on, and all of it then', async () => {
  const tally = await tallyOf(views.get('timed')!, [[event(0, 1)], [event(1, 2)]], (index) => index === 0)
  expect(totalOf(tally)).toEqual([{ n: 1, total: 1 }])
  tally.tail().forgotten([0])
  expect(totalOf(tally)).toEqual([{ n: 1, total: 1 }])
  expect(tally.commit()).toBe(true)
  expect(totalOf(tally)).toEqual([{ n: 1, total: 2 }])
})

test('adding many rows lets other work run in between; answers keep showing the previous moment until the commit', async () => {
  const view = views.get('timed')!
  const tally = await tallyOf(view, [[event(0, 1)]])
  const { items } = tally.tail()
  const many = `SELECT * REPLACE (pane + 60000 * r AS pane) FROM (${statesSql(view)}), range(20000) t(r)`
  const chunks = await connection.returned(`SELECT ${items.join(', ')} FROM (${many})`)
  const adding = tally.tail().added(chunks)
  let [turns, isAdded] = [0, false]
  void adding.then(() => {
    isAdded = true
  })
  for (; !isAdded; turns++) {
    expect(totalOf(tally)).toEqual([{ n: 1, total: 1 }])
    await turn()
  }
  expect(turns).toBeGreaterThan(2)
  expect(tally.commit()).toBe(true)
  expect(totalOf(tally)).toEqual([{ n: 20_001, total: 20_001 }])
})

test('a partition that is folded anew counts only what came after it was forgotten', async () => {
  const view = views.get('timed')!
  const tally = await tallyOf(view, [[event(0, 1), event(1, 2)]])
  tally.tail().forgotten([0])
  await tally
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
  await small
    .tail()
    .added(await connection.returned(`SELECT ${small.tail().items.join(', ')} FROM (${statesSql(view)})`))
  small.commit()
  await small.tidy()
  expect(small.fault).toMatch(/^more than 0 keys/)
})

test('a tally that gets too large gives up its oldest panes; late events of these do not come back, and questions of them end it', async () => {
  const view = views.get('timed')!
  const minutes = Array.from({ length: 30 }, (_, at) => ({ ...event(0, 1), t: NOW - at * 60_000 }))
  const late = [{ ...event(1, 1), t: NOW - 20 * 60_000 }]
  const tally = await tallyOf(view, [minutes.toReversed(), late], undefined, { ...LIMITS, tallyRowsMax: 20 })
  expect(tally.sinceMs).toBe(NOW - 9 * 60_000)
  expect([...tally.panesWithin({})].map(([pane]) => pane)).toHaveLength(10)
  for (let asked = 0; asked < 16; asked++) expect(tally.covers({})).toBe(false)
  for (let asked = 0; asked < 2; asked++) expect(tally.covers({ fromMs: tally.sinceMs })).toBe(true)
  expect(tally.covers({ fromMs: tally.sinceMs - 1 })).toBe(false)
  await tally.tidy()
  expect(tally.fault).toBeNull()
  for (let asked = 0; asked < 17; asked++) tally.covers({})
  await tally.tidy()
  expect(tally.commit()).toBe(false)
  expect(tally.fault).toBe('questions are of earlier panes')
})

test('a tally that gets too large keeps the panes of recent queries if they fit', async () => {
  const view = views.get('timed')!
  const minutes = Array.from({ length: 18 }, (_, at) => ({ ...event(0, 1), t: NOW - at * 60_000 }))
  const limits = { ...LIMITS }
  const tally = await tallyOf(view, [minutes.toReversed()], undefined, limits)
  const queried = { fromMs: NOW - 13 * 60_000 }
  limits.tallyRowsMax = 17
  await tally.tidy([queried.fromMs, NOW - 16 * 60_000])
  expect(tally.fault).toBeNull()
  expect(tally.covers(queried)).toBe(true)
  expect(tally.sinceMs).toBe(queried.fromMs)
  limits.tallyRowsMax = 10
  await tally.tidy([queried.fromMs])
  expect([tally.fault, tally.sinceMs]).toEqual([null, NOW - 4 * 60_000])
})
