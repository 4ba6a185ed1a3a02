/** Answers while the speed store on a real server is killed, or frozen: exact at their own position, and they say what is missing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Offset } from '#core/offsets.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { FILE_DAYS, ofToday } from '../by-day.ts'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from '../servers/elasticsearch-server.ts'
import { until } from '../until.ts'
import { RsvpSite } from './rsvp-site.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000
const START = 1_700_000_000_000
const PARTITIONS = [0, 1]
const VIEW = 'responses_by_country'
type Counts = Record<string, number>

describe.skipIf(missing !== null)('answers without the speed store on a real server', () => {
  let server: ElasticsearchServer
  let site: RsvpSite
  let generator: RsvpGenerator
  /** by partition */
  let lines: string[][]
  beforeAll(async () => {
    server = await startElasticsearch()
  }, SERVER_MS_MAX)
  afterAll(() => server?.stop())
  beforeEach(async () => {
    site = await RsvpSite.open(server, START)
    generator = new RsvpGenerator({ seed: 5, startMs: START, eventsPerSecond: 50, malformedShare: 0.02 })
    lines = [[], []]
    // A generation, closed segments behind it, and open ones.
    await append(3_400)
    await site.caughtUp()
    await site.batch('full')
    await append(3_600)
    await site.caughtUp()
  }, SERVER_MS_MAX)
  afterEach(() => site?.close())

  async function append(count: number): Promise<void> {
    for (const partition of PARTITIONS) {
      const more = Array.from({ length: count / 2 }, () => generator.next())
      lines[partition]!.push(...more)
      await site.append(more, partition)
    }
  }

  /** Of the events before the position. */
  function recount(position: readonly Offset[]): Counts {
    const counts: Counts = {}
    for (const line of PARTITIONS.flatMap((partition) => lines[partition]!.slice(0, position[partition]))) {
      if (site.dataset.explain(line, Date.now()) !== null) continue
      const { group } = JSON.parse(line) as { group: { group_country: string } }
      counts[group.group_country] = (counts[group.group_country] ?? 0) + 1
    }
    return counts
  }

  const countsOf = (rows: readonly Record<string, unknown>[]): Counts =>
    Object.fromEntries(rows.map(({ country, responses }) => [country, responses])) as Counts

  const ask = () => site.ask(VIEW, { measures: 'responses', limit: '10000' })

  async function closedEnds(): Promise<Offset[]> {
    return (await site.served.lake.chains(PARTITIONS.length)).map(({ end }) => end)
  }

  /** Exact at the end of what is closed, which is not all. */
  async function expectClosedOnly(): Promise<void> {
    const { rows, meta } = await ask()
    expect(meta.liveMissing).toMatch(/^the speed store cannot be read: /)
    expect(meta).toMatchObject({ exact: true, gapFree: true, ahead: [], position: await closedEnds() })
    expect(meta.rows).toMatchObject({ open: 0, batch: expect.any(Number) })
    expect(meta.rows.closed).toBeGreaterThan(0)
    expect(meta.behind).toBe(lines.flat().length - meta.position.reduce((sum, offset) => sum + offset, 0))
    expect(meta.behind).toBeGreaterThan(0)
    expect(countsOf(rows)).toEqual(recount(meta.position))
  }

  async function expectWholeAgain(): Promise<void> {
    await until('the live part is there again', async () => (await ask()).meta.liveMissing === null, {
      withinMs: SERVER_MS_MAX,
    })
    await site.caughtUp()
    const { rows, meta } = await ask()
    expect(meta).toMatchObject({ behind: 0, liveMissing: null, exact: true })
    expect(countsOf(rows)).toEqual(recount(lines.map(({ length }) => length)))
  }

  type Fault = readonly [string, () => Promise<void> | void, () => Promise<void> | void]
  const killed: Fault = ['killed', () => server.kill9(), () => server.restart()]
  const frozen: Fault = ['frozen', () => server.pause(), () => server.resume()]

  test.each(ofToday('faults of the store under answers from stores', [killed, frozen], FILE_DAYS))(
    '%s: closed segments are counted, and everything when it is back',
    async (_name, end, begin) => {
      expect((await ask()).meta).toMatchObject({ behind: 0, liveMissing: null })
      await end()
      try {
        await append(20)
        for (let answer = 0; answer < 10; answer++) await expectClosedOnly()
      } finally {
        await begin()
      }
      await expectWholeAgain()
    },
    SERVER_MS_MAX,
  )

  test.each(ofToday('faults of the store under resident answers', [frozen, killed], FILE_DAYS))(
    '%s: resident answers count everything all the time',
    async (_name, end, begin) => {
      const folder = mkdtempSync(join(tmpdir(), 'watershed-resident-'))
      const engine = await DuckDbEngine.open({ folders: [tmpdir()], threads: 1 })
      const log = site.served.log as EventLog
      const live = new LiveDataset({ ...site.served, log, engine, scratchFolder: folder })
      const answers = new LiveAnswers(live)
      const asked = answers.asked({ dataset: site.dataset.name, view: VIEW, measures: ['responses'], limit: 10_000 })
      const all = (): ReadonlyMap<number, Offset> => new Map(lines.map(({ length }, partition) => [partition, length]))
      const run = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => work(new AbortController().signal)
      const atEnd = async () => {
        const atLeast = { position: all(), waitMsMax: SERVER_MS_MAX }
        const kept = await answers.answerAtLeast(asked, atLeast, { signal: new AbortController().signal, run })
        expect(answers.whyMissing(kept)).toBeNull()
        expect(countsOf(JSON.parse(kept.rowsJson))).toEqual(recount(kept.meta.position))
      }
      live.start()
      try {
        await atEnd()
        await end()
        try {
          for (let round = 0; round < 5; round++) {
            await append(20)
            await atEnd()
          }
        } finally {
          await begin()
        }
        await append(20)
        await atEnd()
      } finally {
        await live.stop()
        engine.close()
        rmSync(folder, { recursive: true })
      }
    },
    SERVER_MS_MAX,
  )
})
