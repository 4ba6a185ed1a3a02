/** The answers of both layers together, against plain code over the same lines. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import { ClickGenerator } from './click-generator.ts'
import definition from './definition.ts'

interface Click {
  readonly at: string
  readonly action: string
  readonly user: { readonly id: number; readonly country?: string }
  readonly course: { readonly id: string; readonly title: string; readonly category: string }
  readonly price?: string
}

const START_MS = Date.UTC(2026, 2, 1, 9)
const generator = new ClickGenerator({ seed: 11, startMs: START_MS, eventsPerSecond: 1 })
const lines = Array.from({ length: 6_000 }, () => generator.next())
const clicks = lines.map((line) => JSON.parse(line) as Click)

let layers: BothLayers
beforeAll(async () => {
  layers = await BothLayers.of(definition, lines)
})
afterAll(() => layers.close())

const of = (some: readonly Click[], action: string): Click[] => some.filter((click) => click.action === action)
const usersOf = (some: readonly Click[]): number => new Set(some.map(({ user }) => user.id)).size
const cents = (some: readonly Click[]): number | null =>
  some.length === 0 ? null : some.reduce((sum, { price }) => sum + Math.round(Number(price) * 100), 0) / 100
const last = (some: readonly Click[]): string | null =>
  some
    .map(({ at }) => at)
    .toSorted()
    .at(-1) ?? null
const first = (some: readonly Click[]): string | null => some.map(({ at }) => at).toSorted()[0] ?? null

test('clicks, users, purchases and conversion by course and hour', async () => {
  const wanted = Map.groupBy(clicks, ({ at, course }) => `${at.slice(0, 13)} ${course.id}`)
  const rows = await layers.ask('courses?grain=hour&dimensions=course_id&limit=10000')
  expect(rows.length).toBe(wanted.size)
  for (const row of rows) {
    const own = wanted.get(`${String(row.time).slice(0, 13)} ${row.course_id}`)!
    const [views, purchases] = [of(own, 'view'), of(own, 'purchase')]
    expect(row).toMatchObject({
      clicks: own.length,
      users: usersOf(own),
      views: views.length,
      purchases: purchases.length,
      buyers: usersOf(purchases),
      revenue: cents(purchases),
      title: own[0]!.course.title,
    })
    if (views.length === 0) expect(row.conversion).toBeNull()
    else expect(row.conversion).toBeCloseTo(purchases.length / views.length, 12)
  }
})

test('trending courses within ten minutes', async () => {
  const toMs = START_MS + 3_600_000
  const within = clicks.filter(({ at, action }) => {
    const ms = Date.parse(at)
    return (action === 'view' || action === 'play') && ms >= toMs - 600_000 && ms < toMs
  })
  const wanted = [...Map.groupBy(within, ({ course }) => course.id)]
    .map(([id, own]) => ({ course_id: id, clicks: own.length, users: usersOf(own) }))
    .toSorted((a, b) => b.clicks - a.clicks || (a.course_id < b.course_id ? -1 : 1))
  const rows = await layers.ask(`trending_courses?at=${toMs}&limit=10000`)
  expect(rows.map(({ course_id, clicks, users }) => ({ course_id, clicks, users }))).toEqual(wanted)
})

test('the last activity and the purchases of each user, looked up by key', async () => {
  const users = [...Map.groupBy(clicks, ({ user }) => user.id)]
  for (const [id, own] of users.slice(0, 25)) {
    const purchases = of(own, 'purchase')
    const [row] = await layers.ask(`users?filter=user_id:eq:${id}`)
    expect(row).toMatchObject({
      clicks: own.length,
      first_activity: first(own),
      last_activity: last(own),
      purchases: purchases.length,
      spent: cents(purchases),
      last_purchase: last(purchases),
    })
    const courses = await layers.ask(`user_courses?filter=user_id:eq:${id}&order=course_id`)
    const bought = [...Map.groupBy(own, ({ course }) => course.id)].toSorted(([a], [b]) => (a < b ? -1 : 1))
    expect(courses.map(({ course_id, views, purchases }) => [course_id, views, purchases])).toEqual(
      bought.map(([course, some]) => [course, of(some, 'view').length, of(some, 'purchase').length]),
    )
  }
})

test('who viewed a course and bought it afterwards, whatever the order of arrival', async () => {
  const journeys = Map.groupBy(clicks, ({ user, course }) => `${course.id} ${user.id}`)
  const wanted = [...journeys].flatMap(([key, own]) => {
    const isFollowed = of(own, 'view').some((view) => of(own, 'purchase').some((purchase) => purchase.at > view.at))
    return isFollowed ? [key] : []
  })
  const rows = await layers.ask('viewed_then_bought')
  expect(rows.map(({ course_id, user_id }) => `${course_id} ${user_id}`).toSorted()).toEqual(wanted.toSorted())
  expect(wanted.length).toBeGreaterThan(20)
  const unordered = [...journeys.values()].filter((own) => of(own, 'view').length && of(own, 'purchase').length)
  expect(unordered.length).toBeGreaterThan(wanted.length)
})

test('the funnel: how many users viewed a course, bought it, and did so after a view', async () => {
  const byUser = Map.groupBy(clicks, ({ course, user }) => `${course.id} ${user.id}`)
  const users = [...byUser].map(([key, own]) => {
    const [view, purchase] = [first(of(own, 'view')), last(of(own, 'purchase'))]
    return {
      course: key.split(' ')[0]!,
      view,
      purchase,
      ordered: view !== null && purchase !== null && view < purchase,
    }
  })
  const wanted = [...Map.groupBy(users, ({ course }) => course)].map(([course_id, own]) => {
    const [viewed, ordered] = [own.filter(({ view }) => view !== null).length, own.filter((one) => one.ordered).length]
    const bought = own.filter(({ purchase }) => purchase !== null).length
    return { course_id, viewed, viewed_then_bought: ordered, bought, share: viewed === 0 ? null : ordered / viewed }
  })
  const byCourse = wanted.toSorted((a, b) => (a.course_id < b.course_id ? -1 : 1))
  expect(await layers.ask('funnel?order=course_id&limit=10000')).toEqual(byCourse)
  const most = wanted.toSorted(
    (a, b) => b.viewed_then_bought - a.viewed_then_bought || (a.course_id < b.course_id ? -1 : 1),
  )
  expect(most[0]!.viewed_then_bought).toBeGreaterThan(1)
  expect(await layers.ask('funnel?limit=3')).toEqual(most.slice(0, 3))
  const [all] = await layers.ask('funnel?dimensions=&measures=viewed,viewed_then_bought,bought')
  const total = (name: 'viewed' | 'viewed_then_bought' | 'bought') => wanted.reduce((sum, one) => sum + one[name], 0)
  expect(all).toEqual({
    viewed: total('viewed'),
    viewed_then_bought: total('viewed_then_bought'),
    bought: total('bought'),
  })
})
