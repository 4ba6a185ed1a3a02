/** One stream of events, cut anywhere between generation, closed segments and open ones, always gives the naive answer. */
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { QueryTexts } from '#serving/http/queries/parse-query.ts'
import {
  ask,
  close,
  connection,
  definition,
  EVENTS,
  type Event,
  open,
  publish,
  START,
  serve,
  store,
  useTalks,
} from './talks-fixture.ts'

useTalks()

test('having selects merged rows, by measures that need not be shown, before the limit', async () => {
  await close(EVENTS.slice(0, 50), 0)
  await open(EVENTS.slice(50), 50)
  const having = async (filters: string[], more: QueryTexts = {}): Promise<(string | null)[]> => {
    const { rows } = await ask('by_topic', { having: filters, measures: 'ids', order: 'topic', ...more })
    return rows.map(({ topic, ...values }: Record<string, unknown>) => {
      expect(Object.keys(values)).toEqual(['ids'])
      return topic
    })
  }
  const sizes = new Map([...Map.groupBy(EVENTS, (e) => e.topic)].map(([topic, group]) => [topic, group.length]))
  const least = Math.min(...sizes.values())
  const large = [...sizes].flatMap(([topic, n]) => (n > least && topic !== null ? [topic] : [])).sort()
  expect(large.length).toBeGreaterThan(1)
  expect(await having([`n:gt:${least}`], { filter: 'topic:notnull' })).toEqual(large)
  expect(await having([`n:gt:${least}`], { filter: 'topic:notnull', limit: '1' })).toEqual([large[0]])
  expect(await having([`n:gt:${least}`, 'ids:gte:1000'])).toEqual([])
  expect(await having(['last:gt:2026-01-31T22:00:00Z', 'price:in:9999999999999100.99,1.00'])).toEqual([])
  await expect(having(['n:gt:5.5'])).rejects.toThrow(/having: n:gt: '5.5' is not an integer/)
  await expect(having(['topic:eq:a'])).rejects.toThrow(/having: 'topic' is unknown/)
  await expect(having(['n'])).rejects.toThrow(/having: 'n' does not have the form measure:operator:value/)
  await expect(having(['n:gtt:1'])).rejects.toThrow(/having: 'n:gtt:1': operator 'gtt' is unknown \(did you mean 'gt'/)
})

test('partials are read of the panes that are asked for, and of no others', async () => {
  await open(EVENTS, 0)
  let read = 0
  const counting = new Proxy(store, {
    get: (_, name) => {
      const own = Reflect.get(store, name)
      if (name !== 'read') return typeof own === 'function' ? own.bind(store) : own
      return async (...asked: Parameters<typeof store.read>) => {
        const found = await store.read(...asked)
        read = [...found.rows.values()].flat().length
        return found
      }
    },
  })
  serve({ store: counting })
  const [from, to] = [START + 120_000, START + 240_000]
  const inside = EVENTS.filter(({ at }) => at >= from && at < to)
  const keysOf = (events: readonly Event[]): number =>
    new Set(events.map(({ at, topic }) => `${Math.floor(at / 60_000)} ${topic}`)).size
  const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  const { rows } = await ask('by_topic', range)
  expect((rows as { n: number }[]).reduce((sum, { n }) => sum + n, 0)).toBe(inside.length)
  expect([read, keysOf(inside) > 0]).toEqual([keysOf(inside), true])
  await ask('by_topic', {})
  expect(read).toBe(keysOf(EVENTS))
})

test('having is added to the condition of a ranking', async () => {
  await open(EVENTS, 0)
  const { rows } = await ask('trending', {})
  expect(rows).toHaveLength(2)
  const [first] = rows as { topic: string | null; n: number }[]
  const { rows: others } = await ask('trending', { having: `n:lt:${first!.n}` })
  expect((others as { n: number }[]).every(({ n }) => n > 1 && n < first!.n)).toBe(true)
  expect(others.length).toBeGreaterThan(0)
})

test('a row for which the condition of a ranking fails is not in it', async () => {
  await open(EVENTS, 0)
  const ranked = async (having: string): Promise<readonly { n: number }[]> => {
    const { trending } = definition.views
    const views = { ...definition.views, trending: { ...trending!, rank: { by: 'n', limit: 10, having } } }
    serve({ dataset: await compileDataset({ ...definition, views }, connection) })
    return (await ask('trending', {})).rows
  }
  const all = await ranked('n > 0')
  const least = Math.min(...all.map(({ n }) => n))
  // ln(0) is an error.
  expect(await ranked(`ln(n - ${least}) >= 0`)).toEqual(all.filter(({ n }) => n > least))
})

test.each([
  [0, 0],
  [40, 40],
  [40, 90],
  [0, 90],
  [120, 120],
  [30, 119],
])('a generation of %i events, segments to %i, the rest open', async (boundary, closed) => {
  await close(EVENTS.slice(0, boundary), 0)
  await close(EVENTS.slice(boundary, closed), boundary)
  if (boundary > 0) await publish(EVENTS.slice(0, boundary))
  if (closed < EVENTS.length) await open(EVENTS.slice(closed), closed)
  const { rows, json, meta } = await ask('by_topic', {})
  const naive = [...Map.groupBy(EVENTS, (e) => e.topic)].map(([topic, group]) => ({
    topic,
    n: group.length,
    ids: new Set(group.map((e) => e.id)).size,
    last: new Date(group.reduce((a, b) => (b.at >= a.at ? b : a)).at).toISOString(),
  }))
  const byTopic = (a: { topic: string | null }, b: { topic: string | null }): number =>
    String(a.topic).localeCompare(String(b.topic))
  expect(
    rows.map(({ topic, n, ids, last }: Record<string, unknown>) => ({ topic, n, ids, last })).sort(byTopic),
  ).toEqual(naive.sort(byTopic))
  for (const [, group] of Map.groupBy(EVENTS, (e) => e.topic)) {
    expect(json).toContain(`"total":${group.reduce((sum, e) => sum + e.big, 0n)}`)
    expect(json).toContain(`"price":${group.reduce((a, b) => (b.at >= a.at ? b : a)).price}`)
  }
  expect(meta).toMatchObject({
    boundary: [boundary],
    position: [120],
    rows: { batch: boundary, closed: closed - boundary, open: 120 - closed },
    exact: true,
    gapFree: true,
  })
})

test('local days, ranges, filters and limits', async () => {
  await open(EVENTS, 0)
  const days = await ask('by_topic', { dimensions: '', grain: 'day', timezone: 'Europe/Berlin', measures: 'n' })
  const midnight = Date.UTC(2026, 0, 31, 23)
  expect(days.rows).toEqual([
    { time: '2026-01-30T23:00:00.000Z', n: EVENTS.filter((e) => e.at < midnight).length },
    { time: '2026-01-31T23:00:00.000Z', n: EVENTS.filter((e) => e.at >= midnight).length },
  ])
  const some = await ask('by_topic', {
    filter: ["topic:in:a,c'; DROP TABLE x"],
    from: '2026-01-31T23:00:00Z',
    to: String(midnight + 300_000),
    order: '-n',
    limit: '1',
  })
  const wanted = EVENTS.filter(
    (e) => e.at >= midnight && e.at < midnight + 300_000 && (e.topic === 'a' || e.topic?.startsWith('c')),
  )
  const best = Math.max(...[...Map.groupBy(wanted, (e) => e.topic).values()].map((group) => group.length))
  expect(some.rows).toHaveLength(1)
  expect(some.rows[0].n).toBe(best)
  expect(some.meta.truncated).toBe(true)
})

test('a window merges first and ranks last', async () => {
  await close(EVENTS.slice(0, 60), 0)
  await open(EVENTS.slice(60), 60)
  const { rows, meta } = await ask('trending', {}, START + 400_001)
  const to = START + 410_000
  const counts = [
    ...Map.groupBy(
      EVENTS.filter((e) => e.at >= to - 300_000 && e.at < to),
      (e) => e.topic,
    ),
  ].map(([topic, group]) => [topic, group.length] as const)
  const top = counts
    .filter(([, n]) => n > 1)
    .map(([, n]) => n)
    .sort((a, b) => b - a)
    .slice(0, 2)
  expect(rows.map(({ n }: { n: number }) => n)).toEqual(top)
  expect(meta.window).toEqual({
    from: new Date(to - 300_000).toISOString(),
    to: new Date(to).toISOString(),
    ended: false,
  })
})
