/** From the log to merged answers while the real speed store fails in every way that it can: the naive recount is always equal. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from '../servers/elasticsearch-server.ts'
import { RsvpSite } from './rsvp-site.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000
const START = 1_700_000_000_000
type Counts = Record<string, { responses: number; yes: number; guests: number }>

describe.skipIf(missing !== null)('the stream role on a real server', () => {
  let server: ElasticsearchServer
  let site: RsvpSite
  let generator: RsvpGenerator
  let lines: string[]
  beforeAll(async () => {
    server = await startElasticsearch()
  }, SERVER_MS_MAX)
  afterAll(() => server?.stop())
  beforeEach(async () => {
    site = await RsvpSite.open(server, START)
    generator = new RsvpGenerator({ seed: 3, startMs: START, eventsPerSecond: 50, malformedShare: 0.02 })
    lines = []
  })
  afterEach(() => site?.close())

  /** Some to each partition, without waiting for anybody. */
  async function append(count: number): Promise<void> {
    for (const partition of [0, 1]) {
      const more = Array.from({ length: count / 2 }, () => generator.next())
      lines.push(...more)
      await site.append(more, partition)
    }
  }

  function recount(): Counts {
    const counts: Counts = {}
    for (const line of lines) {
      if (site.dataset.explain(line, Date.now()) !== null) continue
      const {
        response,
        guests = 0,
        group,
      } = JSON.parse(line) as { response: string; guests?: number; group: { group_country: string } }
      const place = counts[group.group_country] ?? { responses: 0, yes: 0, guests: 0 }
      counts[group.group_country] = place
      place.responses++
      place.guests += guests
      if (response === 'yes') place.yes++
    }
    return counts
  }

  async function answered(): Promise<Counts> {
    const { rows, meta } = await site.ask('responses_by_country', { measures: 'responses,yes,guests', limit: '10000' })
    expect(meta).toMatchObject({ exact: true, gapFree: true, ahead: [], behind: 0 })
    return Object.fromEntries(
      rows.map(({ country, responses, yes, guests }) => [country, { responses, yes, guests }]),
    ) as Counts
  }

  test('killed with -9 during flushes, and started again', async () => {
    await append(1_000)
    await site.caughtUp()
    expect(await answered()).toEqual(recount())
    const appended = append(1_200)
    await server.kill9()
    await appended
    await server.restart()
    await append(400)
    await site.caughtUp()
    expect(await answered()).toEqual(recount())
  })

  test('frozen for a while: the log goes on taking events, nothing is lost', async () => {
    await append(600)
    await site.caughtUp()
    server.pause()
    await append(2_000)
    server.resume()
    await site.caughtUp()
    expect(await answered()).toEqual(recount())
  })

  test('its indices deleted under the owners: the open segments are folded again', async () => {
    await append(1_000)
    await site.caughtUp()
    const found = await fetch(`${server.node}/site*/_alias?expand_wildcards=all`)
    const indices = Object.keys((await found.json()) as object)
    expect(indices.length).toBeGreaterThan(0)
    await fetch(`${server.node}/${indices.join(',')}`, { method: 'DELETE' })
    await append(200)
    await site.caughtUp()
    expect(await answered()).toEqual(recount())
    expect(site.events.some(({ name, message }) => name === 'stream-fault' && /folded again/.test(message))).toBe(true)
  })

  test('answers asked all the time count exactly what their positions say', async () => {
    const running = { yes: true }
    const appending = (async () => {
      for (let round = 0; round < 12; round++) await append(200)
      await site.caughtUp()
    })().finally(() => {
      running.yes = false
    })
    let whole = 0
    do {
      const { rows, meta } = await site.ask('responses_by_country', { dimensions: '', measures: 'responses' })
      const counted = Number(rows[0]?.responses ?? 0)
      const told = meta.rows.batch + meta.rows.closed + meta.rows.open
      if (meta.ahead.length === 0) expect(counted).toBe(told)
      else expect(counted).toBeGreaterThanOrEqual(told)
      if (meta.ahead.length === 0) whole++
    } while (running.yes)
    await appending
    expect(whole).toBeGreaterThan(0)
    expect(await answered()).toEqual(recount())
  })
})
