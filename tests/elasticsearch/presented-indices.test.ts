/** What Elasticsearch's own users find is what the product answers: recounted row by row on a real server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import { ElasticsearchPresentedStore } from '#storage/presented-store/elasticsearch/elasticsearch-presented-store.ts'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from '../servers/elasticsearch-server.ts'
import { KeptRows, keepingRows } from './kept-rows.ts'
import { RsvpSite } from './rsvp-site.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000
const MINUTE = 60_000
type Row = Record<string, unknown>

describe.skipIf(missing !== null)('presented indices', () => {
  const startMs = Math.floor(Date.now() / MINUTE) * MINUTE - 20 * MINUTE
  let server: ElasticsearchServer
  let site: RsvpSite
  let store: ElasticsearchPresentedStore
  let nowMs = startMs
  const make = (): Presenter =>
    new Presenter({
      served: site.served,
      store,
      emit: (event) => site.events.push(event),
      eventRetentionMs: 30 * 86_400_000,
      clock: () => nowMs,
    })
  beforeAll(async () => {
    server = await startElasticsearch()
    site = await RsvpSite.open(server, startMs)
    store = await ElasticsearchPresentedStore.open({ node: server.node, replicas: 0 })
  }, SERVER_MS_MAX)
  afterAll(async () => {
    await store?.close()
    await site?.close()
    await server?.stop()
  })

  const search = async (index: string, body: object): Promise<{ hits: { hits: { _source: Row }[] } } & Row> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${server.node}/${index}/_search`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    expect(answer.status).toBe(200)
    return (await answer.json()) as { hits: { hits: { _source: Row }[] } }
  }
  const found = async (index: string, query: object = { match_all: {} }): Promise<Row[]> =>
    (await search(`meetup_rsvps-${index}`, { query, size: 10_000 })).hits.hits.map(({ _source }) => _source)
  const indices = async (): Promise<string[]> =>
    Object.keys((await (await fetch(`${server.node}/meetup_rsvps-*/_alias`)).json()) as object).sort()
  /** what both sides tell, as text: places are only presented, and what is not known is null or left out */
  const bare = (rows: readonly Row[]): string[] =>
    rows
      .map((row) => Object.entries(row).filter(([name, value]) => !name.endsWith('location') && value !== null))
      .map((entries) => JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1))))
      .sort()
  const changes = async (presenter: Presenter) =>
    Object.fromEntries((await presenter.presentOnce()).map(({ index, change }) => [index.slice(13), change]))
  const errors = () => site.events.filter(({ level }) => level === 'error').map(({ message }) => message.slice(-300))

  async function expectEqual(): Promise<void> {
    for (const [view, texts] of [
      ['responses_by_country', { grain: 'minute' }],
      ['responses_by_city', { grain: 'hour' }],
      ['responses_map', { grain: 'hour' }],
    ] as const) {
      const { rows } = await site.ask(view, { ...texts, limit: '10000' })
      expect(rows.length).toBeGreaterThan(10)
      expect(bare(await found(view))).toEqual(bare(rows))
    }
  }

  async function expectRankings(endMs: number): Promise<number> {
    const at = new Date(endMs).toISOString()
    const lists = [
      ['global', {}],
      ['country', { per: 'country', dimensions: 'country,topic', limit: '10' }],
    ] as const
    let count = 0
    for (const [scope, texts] of lists) {
      const { rows } = await site.ask('trending_topics', { ...texts, at: String(endMs) }, endMs)
      const filter = [{ term: { window_end: at } }, { term: { scope } }]
      const shown = await found('trending_topics', { bool: { filter } })
      const pick = ({ topic, country, mentions, category }: Row) =>
        JSON.stringify([topic, country ?? null, mentions, category ?? null])
      expect(shown.map(pick).sort()).toEqual(rows.map(pick).sort())
      if (scope === 'global')
        expect(shown.sort((a, b) => Number(a.rank) - Number(b.rank)).map((row) => row.topic)).toEqual(
          rows.map((row) => row.topic),
        )
      count += shown.length
    }
    return count
  }

  test('the first round presents everything, before and after a generation', async () => {
    await site.take(3_000)
    nowMs = startMs + 6 * MINUTE
    const presenter = make()
    const first = await changes(presenter)
    expect(errors()).toEqual([])
    expect(first).toEqual({
      responses_by_country: 'all',
      responses_by_city: 'all',
      responses_map: 'all',
      activity: 'all',
      trending_topics: 'all',
      topics: 'all',
      group_summary: 'all',
      event_summary: 'all',
      events: 'some',
    })
    await expectEqual()
    expect(await expectRankings(startMs + 5 * MINUTE)).toBeGreaterThan(0)
    expect(new Set(Object.values(await changes(presenter)))).toEqual(new Set(['none']))
    await site.batch('full')
    nowMs += 10_000
    await changes(presenter)
    expect(errors()).toEqual([])
    const { rows } = await site.ask('group_summary', { limit: '10000' })
    expect(bare(await found('group_summary'))).toEqual(bare(rows))
    await expectEqual()
  })

  test('later rounds change only what events touched, also late ones, and end in the same rows', async () => {
    const presenter = make()
    await presenter.presentOnce()
    const before = await indices()
    await site.take(600)
    nowMs = startMs + 7 * MINUTE
    expect(await changes(presenter)).toMatchObject({
      responses_by_country: 'some',
      trending_topics: 'some',
      group_summary: 'none',
    })
    await expectEqual()
    for (let end = startMs + 2 * MINUTE; end <= nowMs; end += MINUTE) await expectRankings(end)
    expect(await indices()).toEqual(before)
    expect(errors()).toEqual([])
  })

  test('summaries are swapped as a whole after a generation: searches meanwhile see all of the old or all of the new', async () => {
    const presenter = make()
    await presenter.presentOnce()
    await site.take(2_000)
    const before = (await found('group_summary')).length
    await site.batch('incremental')
    const running = { yes: true }
    const round = presenter.presentOnce().finally(() => {
      running.yes = false
    })
    const seen = new Set<number>()
    do {
      const answer = await search('meetup_rsvps-group_summary', { size: 0, track_total_hits: true })
      seen.add((answer.hits as unknown as { total: { value: number } }).total.value)
    } while (running.yes)
    await round
    const after = (await found('group_summary')).length
    expect(after).toBeGreaterThan(before)
    expect([...seen].every((count) => count === before || count === after)).toBe(true)
    for (const view of ['group_summary', 'event_summary'])
      expect(bare(await found(view))).toEqual(bare((await site.ask(view, { limit: '10000' })).rows))
    expect((await indices()).filter((name) => name.includes('group_summary'))).toHaveLength(1)
  })

  test('every usable event of closed segments is in the index of raw events, once', async () => {
    const presenter = make()
    await presenter.presentOnce()
    const chains = await site.served.lake.chains(site.served.partitions)
    const rows = chains.flatMap(({ segments }) => segments).reduce((sum, segment) => sum + segment.rows, 0)
    expect(rows).toBeGreaterThan(2_500)
    const answer = await search('meetup_rsvps-events', {
      size: 1,
      track_total_hits: true,
      aggs: { ends: { terms: { field: '@partition' }, aggs: { last: { max: { field: '@offset' } } } } },
    })
    expect(answer.hits).toMatchObject({ total: { value: rows } })
    expect(answer.hits.hits[0]!._source).toMatchObject({
      topics: expect.any(Array),
      group_location: { lat: expect.any(Number) },
    })
  })

  test('an index that somebody deleted comes back whole; foreign fields and foreign indices are refused', async () => {
    await fetch(`${server.node}/${(await indices()).find((name) => name.includes('responses_map'))}`, {
      method: 'DELETE',
    })
    expect((await changes(make())).responses_map).toBe('all')
    const headers = { 'content-type': 'application/json' }
    const row = await fetch(`${server.node}/meetup_rsvps-responses_map/_doc`, {
      method: 'POST',
      headers,
      body: '{"who":1}',
    })
    expect([row.status, await row.text()]).toEqual([400, expect.stringContaining('strict_dynamic_mapping_exception')])
    const foreign = { name: 'somebodys', fields: [], daily: false }
    await fetch(`${server.node}/somebodys`, { method: 'PUT' })
    await expect(store.progress(foreign)).rejects.toThrow(/not created by this platform/)
  })

  test('rows of old panes are merged or removed as a generation says, at the cost of what became old', async () => {
    const kept = await KeptRows.open(server.node, store)
    const { batch } = kept
    try {
      await kept.landDays(9)
      expect(await kept.present()).toMatchObject({ merged: ['all', expect.any(Number)] })
      await kept.expectAnswered()
      // The whole past at once: hours and days for minutes.
      await batch.run({ mode: 'full' })
      const first = await kept.present()
      const before = await kept.expectAnswered()
      expect(first.merged).toEqual(['some', before['merged hour']! + before['merged day']!])
      expect(Math.min(...Object.values(before).filter((rows) => rows !== 0))).toBeGreaterThan(4)
      expect((await kept.present()).merged).toEqual(['none', 0])
      // A day became old, of minutes and of hours, and late events came for merged panes and removed ones.
      await kept.landDays(1)
      await batch.land(1, 20)
      await batch.run({ mode: 'incremental' })
      const next = await kept.present()
      const after = await kept.expectAnswered()
      expect(after['merged day']).toBeGreaterThan(before['merged day']!)
      // What is new and late, the hours of what was minutes, and the days of what was hours.
      expect(next.merged![1]).toBeLessThan((after['merged minute']! + after['merged hour']!) / 2)
      // What is kept for longer is there again.
      await batch.redefine(keepingRows('2d'))
      await batch.run({ mode: 'full' })
      expect(await kept.present()).toMatchObject({ merged: ['all', expect.any(Number)] })
      expect((await kept.expectAnswered())['merged minute']).toBeGreaterThan(after['merged minute']!)
    } finally {
      await batch.close()
    }
  })

  test('several processes that fill the same index at once leave one whole filling', async () => {
    const index = { name: 'shared', fields: [{ name: 'n', type: 'long' }], daily: false } as const
    const progress = { definition: 'd', generation: null, positions: [], throughMs: null }
    const fill = (by: number) =>
      store.replace(
        index,
        [Array.from({ length: 50 }, (_, at) => ({ id: `${at}`, json: `{"n":${by}}`, version: 1 }))],
        progress,
      )
    await Promise.all([1, 2, 3, 4].map(fill))
    const rows = (await search('shared', { size: 1_000 })).hits.hits.map(({ _source }) => _source.n)
    expect([rows.length, new Set(rows).size]).toEqual([50, 1])
    const behind = await (await fetch(`${server.node}/shared*/_alias`)).json()
    expect(Object.keys(behind as object)).toHaveLength(1)
  })

  test('days that are older than the retention are dropped', async () => {
    const index = { name: 'kept', fields: [{ name: 'n', type: 'long' }], daily: true } as const
    const progress = { definition: 'd', generation: null, positions: [3], throughMs: 9 }
    const day = 86_400_000
    const rows = [0, 1, 2].map((at) => ({
      id: `${at}`,
      json: `{"n":${at}}`,
      version: 1,
      dayMs: (20_000 + at) * day + 5,
    }))
    await store.update(index, [rows], progress)
    expect(await store.dropDays(index, 20_002 * day)).toBe(2)
    expect((await search('kept', {})).hits.hits.map(({ _source }) => _source)).toEqual([{ n: 2 }])
    expect(await store.progress(index)).toEqual(progress)
  })

  test('a refused row leaves the rows that were there', async () => {
    const index = { name: 'whole', fields: [{ name: 'n', type: 'long' }], daily: false } as const
    const progress = { definition: 'd', generation: null, positions: [], throughMs: null }
    await store.replace(index, [[{ id: 'a', json: '{"n":1}', version: 1 }]], progress)
    const bad = store.replace(index, [[{ id: 'a', json: '{"n":"many"}', version: 2 }]], progress)
    await expect(bad).rejects.toThrow(
      /refuses row a: \{"n":"many"\} \(400, document_parsing_exception.*the existing rows are kept/,
    )
    expect((await search('whole', {})).hits.hits.map(({ _source }) => _source)).toEqual([{ n: 1 }])
  })
})
