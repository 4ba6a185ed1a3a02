/** The dashboards: the saved objects are what the panels say, and every panel's search finds rows in a real Elasticsearch. Kibana itself is not run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kibanaNdjson, type SavedObject } from '#dashboards/kibana-objects.ts'
import type { Panel } from '#dashboards/panel.ts'
import { panelQuery, TEST_INTERVAL, TEST_PRECISION } from '#dashboards/panel-query.ts'
import { shippedKibana } from '#dashboards/shipped-kibana.ts'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import { ElasticsearchPresentedStore } from '#storage/presented-store/elasticsearch/elasticsearch-presented-store.ts'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from '../servers/elasticsearch-server.ts'
import { lensQuery, mapQuery, vegaQuery } from './lens-query.ts'
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
/** of whichever dataset */
const drawn = (shape: Panel['shape']): Panel =>
  shipped.flatMap(({ panels }) => panels).find((panel) => panel.shape === shape)!
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
    if (type === 'visualization') {
      expect(vegaQuery(attributes, chosen)).toEqual({ index: `${name}-${panel.view}`, body: panelQuery(panel) })
      return
    }
    expect(type === 'map' ? mapQuery(attributes, chosen) : lensQuery(attributes, chosen)).toEqual(panelQuery(panel))
    const data = objects.find((object) => object.id === references[0]!.id)!.attributes as { title: string }
    expect(data.title).toBe(`${name}-${panel.view}`)
  })
})

describe.skipIf(missing !== null)('on a real server', () => {
  let server: ElasticsearchServer
  let site: RsvpSite
  const startMs = Math.floor(Date.now() / MINUTE) * MINUTE - 10 * MINUTE
  beforeAll(async () => {
    server = await startElasticsearch()
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

  async function send(method: string, path: string, body: string): Promise<unknown> {
    const headers = { 'content-type': path.includes('_bulk') ? 'application/x-ndjson' : 'application/json' }
    const answer = await fetch(`${server.node}/${path}`, { method, headers, body })
    expect([answer.status, answer.status === 200 ? '' : await answer.text()]).toEqual([200, ''])
    return answer.json()
  }

  async function search(index: string, body: object): Promise<Found> {
    return (await send('POST', `${index}/_search`, JSON.stringify(body))) as Found
  }

  async function fill(index: string, properties: object, rows: readonly object[]): Promise<void> {
    const settings = { number_of_replicas: 0 }
    await send('PUT', index, JSON.stringify({ settings, mappings: { properties } }))
    const lines = rows.flatMap((row) => ['{"index":{}}', JSON.stringify(row)])
    await send('POST', `${index}/_bulk?refresh=true`, `${lines.join('\n')}\n`)
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

  test('candles are made of the bars of their time, and a histogram of the lists of all rows', async () => {
    const bars = [
      ['A', 1, 10, 12, 9, 11],
      ['A', 0, 8, 20, 7, 9],
      ['A', 70, 11, 13, 4, 5],
      ['B', 0, 1, 1, 1, 1],
    ].map(([symbol, seconds, open, high, low, close]) => {
      return { time: startMs + Number(seconds) * 1_000, symbol, open, high, low, close }
    })
    const lists = [
      [3, 0, 1],
      [2, 5, 0],
    ].map((minutes, at) => ({ time: startMs + at, minutes }))
    await fill('bars', { time: { type: 'date' }, symbol: { type: 'keyword' } }, bars)
    await fill('lists', { time: { type: 'date' }, minutes: { type: 'long' } }, lists)
    const { aggregations } = await search('bars', panelQuery(drawn('candles')))
    const [most] = (aggregations.b0 as { buckets: { key: string; b1: { buckets: Record<string, Hit>[] } }[] }).buckets
    const price = ({ m0, m1, m2, m3 }: Record<string, Hit>) => [first(m0!), m1!.value, m2!.value, first(m3!)]
    expect([most!.key, ...most!.b1.buckets.map(price)]).toEqual(['A', [8, 20, 7, 11], [11, 13, 4, 5]])
    const { hits } = await search('lists', panelQuery(drawn('histogram')))
    expect(hits.hits.map(({ _source }) => _source)).toEqual([{ minutes: [2, 5, 0] }, { minutes: [3, 0, 1] }])
  })

  test('every field that a time range filters is a date of its index', async () => {
    for (const { view, time } of dataViews) {
      const answer = await fetch(`${server.node}/${DATASET}-${view}/_field_caps?fields=${time}`)
      expect(await answer.json()).toMatchObject({ fields: { [time]: { date: { aggregatable: true } } } })
    }
  })
})

interface Hit {
  readonly value?: number
  readonly hits?: { readonly hits: readonly { readonly _source: Readonly<Record<string, number>> }[] }
}

interface Found {
  readonly aggregations: Record<string, unknown>
  readonly hits: { readonly hits: readonly { readonly _source: object }[] }
}

/** The one value that a search for the first or last row gives. */
const first = ({ hits }: Hit): number => Object.values(hits!.hits[0]!._source)[0]!

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
