/** The dashboards: the saved objects are what the panels say, and every panel's search finds rows in a real Elasticsearch. Kibana itself is not run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kibanaNdjson, type SavedObject } from '#dashboards/kibana-objects.ts'
import type { Panel } from '#dashboards/panel.ts'
import { panelQuery, TEST_INTERVAL, TEST_PRECISION } from '#dashboards/panel-query.ts'
import { shippedKibana } from '#dashboards/shipped-kibana.ts'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import { ElasticsearchPresentedStore } from '#storage/presented-store/elasticsearch/elasticsearch-presented-store.ts'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from '../servers/elasticsearch-server.ts'
import { lensQuery, mapQuery } from './lens-query.ts'
import { RsvpSite } from './rsvp-site.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000
const MINUTE = 60_000
/** whose events are presented here */
const DATASET = 'meetup_rsvps'
const shipped = (await shippedKibana()).map(({ dataset: { name }, dataViews, dashboards }) => {
  const lines = kibanaNdjson(name, dataViews, dashboards).trimEnd().split('\n')
  const panels: Panel[] = dashboards.flatMap((dashboard) => dashboard.panels)
  return { name, dataViews, panels, objects: lines.map((line) => JSON.parse(line) as SavedObject) }
})
const { panels, dataViews } = shipped.find(({ name }) => name === DATASET)!

test('every shipped dataset has dashboards', () => {
  const titles = ({ objects }: (typeof shipped)[number]) =>
    objects.filter(({ type }) => type === 'dashboard').map(({ id }) => id.split('-').at(-1))
  expect(titles(shipped.find(({ name }) => name === DATASET)!)).toEqual(['responses', 'trending', 'groups', 'events'])
  expect(shipped.filter((one) => titles(one).length === 0)).toEqual([])
})

describe.each(shipped)('$name', ({ name, objects, panels: own }) => {
  test('every reference leads to an object that comes before, and no panel covers another', () => {
    const seen = new Set<string>()
    for (const { type, id, references } of objects) {
      for (const reference of references) expect(seen).toContain(`${reference.type} ${reference.id}`)
      expect(seen).not.toContain(`${type} ${id}`)
      seen.add(`${type} ${id}`)
    }
    for (const dashboard of objects.filter(({ type }) => type === 'dashboard')) {
      const placed = JSON.parse((dashboard.attributes as { panelsJSON: string }).panelsJSON) as {
        panelRefName: string
        panelIndex: string
        gridData: { x: number; y: number; w: number; h: number }
      }[]
      const names = dashboard.references.map(({ name }) => name)
      expect(placed.map(({ panelIndex, panelRefName }) => `${panelIndex}:${panelRefName}`)).toEqual(names)
      for (const [at, { gridData: a }] of placed.entries()) {
        expect(a.x + a.w).toBeLessThanOrEqual(48)
        for (const { gridData: b } of placed.slice(at + 1))
          expect(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y).toBe(true)
      }
    }
  })

  test.each(own.map((panel) => [panel.id, panel] as const))('%s asks what its panel says', (id, panel) => {
    const { type, attributes, references } = objects.find((object) => object.id === `watershed-${name}-${id}`)!
    const chosen = { interval: TEST_INTERVAL, precision: TEST_PRECISION }
    expect(type === 'map' ? mapQuery(attributes, chosen) : lensQuery(attributes, chosen)).toEqual(panelQuery(panel))
    const data = objects.find((object) => object.id === references[0]!.id)!.attributes as { title: string }
    expect(data.title).toBe(`${name}-${panel.view}`)
  })
})

describe.skipIf(missing !== null)('on a real server', () => {
  let server: ElasticsearchServer
  let site: RsvpSite
  beforeAll(async () => {
    server = await startElasticsearch()
    const startMs = Math.floor(Date.now() / MINUTE) * MINUTE - 10 * MINUTE
    site = await RsvpSite.open(server, startMs)
    await site.take(4_000)
    await site.batch('full')
    const store = await ElasticsearchPresentedStore.open({ node: server.node, replicas: 0 })
    await new Presenter({ served: site.served, store, emit: (event) => site.events.push(event) }).presentOnce()
    await store.close()
    expect(site.events.filter(({ level }) => level === 'error')).toEqual([])
  }, SERVER_MS_MAX)
  afterAll(async () => {
    await site?.close()
    await server?.stop()
  })

  async function search(index: string, body: object): Promise<{ aggregations: Record<string, unknown> }> {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${server.node}/${index}/_search`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    expect([answer.status, answer.status === 200 ? '' : await answer.text()]).toEqual([200, ''])
    return (await answer.json()) as { aggregations: Record<string, unknown> }
  }

  test.each(panels.map((panel) => [panel.id, panel] as const))('%s finds rows', async (_, panel) => {
    const { aggregations } = await search(`${DATASET}-${panel.view}`, panelQuery(panel))
    const rows = rowsOf(aggregations)
    expect(rows.length).toBeGreaterThan(0)
    for (const metric of panel.show.keys()) {
      const values = rows.map((row) => row[`m${metric}`]!)
      expect(values.some((value) => value > 0)).toBe(true)
    }
  })

  test('the numbers of a panel are the product’s own: top countries by attendees', async () => {
    const panel = panels.find(({ title }) => title === 'Top 10 countries by attendees')!
    const { aggregations } = await search(`${DATASET}-${panel.view}`, panelQuery(panel))
    const { rows } = await site.ask('responses_by_country', { order: '-attendees', limit: '10' })
    expect(rowsOf(aggregations).map(({ m0 }) => m0)).toEqual(rows.map(({ attendees }) => attendees))
  })

  test('every field that a time range filters is a date of its index', async () => {
    for (const { view, time } of dataViews) {
      const answer = await fetch(`${server.node}/${DATASET}-${view}/_field_caps?fields=${time}`)
      expect(await answer.json()).toMatchObject({ fields: { [time]: { date: { aggregatable: true } } } })
    }
  })
})

interface Level {
  readonly buckets?: Readonly<Record<string, Record<string, unknown>>> | readonly Record<string, unknown>[]
  readonly value?: number
}

/** The innermost groups with their metrics. */
function rowsOf(aggregations: Record<string, unknown>): Record<string, number>[] {
  const levels = Object.entries(aggregations) as [string, Level][]
  const group = levels.find(([name]) => name.startsWith('b'))?.[1]
  if (group?.buckets !== undefined) return Object.values(group.buckets).flatMap(rowsOf)
  return [
    Object.fromEntries(levels.filter(([name]) => name.startsWith('m')).map(([name, { value }]) => [name, value ?? 0])),
  ]
}
