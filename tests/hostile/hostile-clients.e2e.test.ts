/**
 * One bad client that sends everything at once that once stopped the process or filled its memory: the process lives within 1.5 GB, each
 * hostile request is refused, answered or left waiting, and what an honest client sends meanwhile is taken and counted. How long its posts
 * take is measured by bench/hostile.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DATASET } from './definition.ts'
import { HostileSite } from './hostile-site.ts'

const POSTS = 40
const OCCUPIED_MIB_MAX = 1_536
/** a request of brackets once stopped the process for 28 s */
const STOPPED_MS = 25_000

let site: HostileSite
beforeAll(async () => {
  site = await HostileSite.start()
})
afterAll(() => site.stop())

/** What an attack may be answered with; 0: it was not, or its client left. 503: a query that took too long, or too much memory. */
const ANSWERS: Readonly<Record<string, readonly number[]>> = {
  brackets: [0, 400, 429],
  'wide dimensions': [0, 400, 429],
  'wide values': [0, 202, 429],
  'kept values': [0, 202, 429],
  'gzip bombs': [0, 413, 429],
  'quotes without end': [0, 413, 429],
  'large answers': [0, 200, 413, 429, 503],
  exports: [0, 200, 413, 429, 503],
  'clients that leave': [0, 200, 413, 429, 503],
  'clients that leave exports': [0, 200, 413, 429, 503],
  'slow bodies': [],
  'idle connections': [],
}

test('all at once cost the honest client nothing, and the process lives within its memory', async () => {
  const { posts, statuses, occupiedMibMax } = await site.endure(POSTS)
  expect(site.alive, site.said).toBe(true)
  expect(posts.map(({ status, text }) => (status === 202 ? status : text))).toEqual(posts.map(() => 202))
  expect(Math.max(...posts.map(({ tookMs }) => tookMs))).toBeLessThan(STOPPED_MS)
  expect(occupiedMibMax).toBeLessThan(OCCUPIED_MIB_MAX)

  expect(Object.keys(statuses).sort()).toEqual(Object.keys(ANSWERS).sort())
  for (const [name, found] of Object.entries(statuses))
    for (const status of Object.keys(found).map(Number)) expect(ANSWERS[name], name).toContain(status)
  const answered = Object.values(statuses).filter((found) => Object.keys(found).some((status) => status !== '0'))
  expect(answered.length, JSON.stringify(statuses)).toBeGreaterThan(3)

  const { position } = JSON.parse(posts.at(-1)!.text) as { position: string }
  const answer = await site.get(`/v1/datasets/${DATASET}/views/by_who?filter=who:eq:honest&atLeast=${position}`)
  expect(answer.status, answer.text).toBe(200)
  const { data, meta } = JSON.parse(answer.text) as { data: unknown; meta: { exact: boolean } }
  expect([data, meta.exact]).toEqual([[{ who: 'honest', n: site.acknowledged }], true])
  expect(JSON.parse((await site.get('/readyz')).text)).toMatchObject({ status: 'ready' })
})
