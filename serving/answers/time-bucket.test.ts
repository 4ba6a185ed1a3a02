import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { paneCutOf, timeBucketSql } from './time-bucket.ts'

const connection = await testConnection()

const literal = { bind: (value: unknown) => `'${value}'` }
const iso = (ms: unknown): string => new Date(Number(ms)).toISOString()

type TestedGrain = '15m' | 'hour' | 'day' | 'month'

/** Start of the pane's bucket as ISO 8601 text, or what cuts the pane. */
async function bucketOf(grain: TestedGrain, timezone: string, pane: number, paneMs: number): Promise<string> {
  const sql = timeBucketSql(grain, timezone, paneMs, literal)
  try {
    const [row] = await connection.rows<{ start: number }>(
      `SELECT ${sql} AS "start" FROM (SELECT ${pane}::BIGINT AS pane)`,
    )
    return iso(row!.start)
  } catch (error) {
    const cut = paneCutOf((error as Error).message)
    if (cut === null) throw error
    expect(cut.paneStartMs).toBe(pane)
    return cut.by
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const QUARTER = 15 * MINUTE

/** Clocks in the Azores and Havana go back at 1:00, so midnight comes twice: the day begins at the first. */
test.each([
  ['Atlantic/Azores', 'day', '2026-10-25T00:30:00Z', '2026-10-25T00:00:00.000Z'],
  ['Atlantic/Azores', 'day', '2026-10-25T01:30:00Z', '2026-10-25T00:00:00.000Z'],
  ['Atlantic/Azores', 'day', '2026-10-26T00:30:00Z', '2026-10-25T00:00:00.000Z'],
  ['Atlantic/Azores', 'day', '2026-10-26T01:30:00Z', '2026-10-26T01:00:00.000Z'],
  ['America/Havana', 'month', '2026-11-01T04:30:00Z', '2026-11-01T04:00:00.000Z'],
  ['America/Havana', 'month', '2026-11-20T04:30:00Z', '2026-11-01T04:00:00.000Z'],
  ['Europe/Berlin', 'day', '2026-10-25T01:30:00Z', '2026-10-24T22:00:00.000Z'],
  ['Europe/Berlin', 'day', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00.000Z'],
] as const)('in %s, the %s of %s begins at %s', async (timezone, grain, pane, start) => {
  expect(await bucketOf(grain, timezone, Date.parse(pane), QUARTER)).toBe(start)
})

test.each([
  ['America/Moncton', 'day', '2006-10-29T03:00Z', HOUR, 'change'],
  ['America/Moncton', 'hour', '2006-10-29T03:00Z', HOUR, 'change'],
  ['America/Moncton', 'day', '2006-10-29T03:10Z', MINUTE, '2006-10-28T03:00:00.000Z'],
  ['America/Moncton', 'day', '2006-10-29T02:00Z', HOUR, '2006-10-28T03:00:00.000Z'],
  ['America/St_Johns', 'day', '2006-10-29T02:30Z', QUARTER, 'change'],
  ['America/St_Johns', 'day', '2006-10-29T02:32Z', MINUTE, '2006-10-28T02:30:00.000Z'],
  ['Europe/Berlin', 'day', '0001-01-01T00:00Z', QUARTER, 'offset'],
  ['Europe/Berlin', 'day', '2026-11-26T10:00Z', QUARTER, '2026-11-25T23:00:00.000Z'],
] as const)('in %s, the %s of the pane at %s (%d ms): %s', async (timezone, grain, pane, paneMs, expected) => {
  expect(await bucketOf(grain, timezone, Date.parse(pane), paneMs)).toBe(expected)
})

/** The same by walking over minutes with the clocks of JavaScript. */
class NaiveZone {
  readonly #clock: Intl.DateTimeFormat
  readonly #known = new Map<number, string>()
  /** day → its first minute */
  readonly #days = new Map<string, number>()

  constructor(timeZone: string) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const
    this.#clock = new Intl.DateTimeFormat('sv-SE', { timeZone, hourCycle: 'h23', ...parts })
  }

  /** wall clock at an instant: 2026-01-31 12:00 */
  wall(at: number): string {
    const known = this.#known.get(at) ?? this.#clock.format(at)
    this.#known.set(at, known)
    return known
  }

  #offset(at: number): number {
    return Date.parse(`${this.wall(at).replace(' ', 'T')}Z`) - at
  }

  /** Start of the bucket of an instant: hours and quarters are runs of minutes, a day begins with the first of all its minutes. */
  start(grain: '15m' | 'hour' | 'day', at: number): number {
    if (grain === 'day') {
      const day = this.wall(at).slice(0, 10)
      let found = this.#days.get(day) ?? at
      if (found < at) return found
      for (let before = at; before > at - 50 * HOUR; before -= MINUTE)
        if (this.wall(before).startsWith(day)) found = before
      this.#days.set(day, found)
      return found
    }
    const length = grain === 'hour' ? HOUR : QUARTER
    const run = (when: number): string => `${Math.floor((when + this.#offset(when)) / length)} ${this.#offset(when)}`
    let start = at
    while (run(start - MINUTE) === run(at)) start -= MINUTE
    return start
  }

  /** Start of a pane's bucket; null: it is cut. */
  bucket(grain: '15m' | 'hour' | 'day', pane: number, paneMs: number): number | null {
    if (this.#offset(pane) % paneMs !== 0) return null
    const starts = new Set<number>()
    for (let at = pane; at < pane + paneMs; at += MINUTE) starts.add(this.start(grain, at))
    return starts.size > 1 ? null : [...starts][0]!
  }
}

describe('around a clock change, every pane is in the bucket that plain steps over its minutes find, or is cut', () => {
  test.each([
    ['America/Moncton', '2006-10-29T03:01Z'],
    ['America/St_Johns', '2006-10-29T02:31Z'],
    ['Australia/Lord_Howe', '2020-04-04T15:00Z'],
    ['Australia/Lord_Howe', '2020-10-03T15:30Z'],
    ['Pacific/Chatham', '2020-04-04T14:00Z'],
    ['Pacific/Chatham', '2020-09-26T14:00Z'],
    ['Antarctica/Casey', '2010-03-04T15:00Z'],
    ['Antarctica/Casey', '2020-10-03T16:01Z'],
    ['Atlantic/Azores', '2020-10-25T01:00Z'],
    ['America/Sao_Paulo', '2018-11-04T03:00Z'],
    ['Pacific/Apia', '2011-12-30T10:00Z'],
    ['Pacific/Kwajalein', '1993-08-21T12:00Z'],
    ['Asia/Pyongyang', '2015-08-14T15:00Z'],
  ] as const)('%s, %s', async (timezone, change) => {
    const naive = new NaiveZone(timezone)
    for (const paneMs of [5 * MINUTE, QUARTER, HOUR]) {
      const middle = Math.floor(Date.parse(change) / paneMs) * paneMs
      for (const grain of ['15m', 'hour', 'day'] as const) {
        if (grain === '15m' && paneMs > QUARTER) continue
        const panes = Array.from({ length: 13 }, (_, index) => middle + (index - 6) * paneMs)
        panes.push(middle - 12 * HOUR, middle + 12 * HOUR, middle + 24 * HOUR)
        const known = new Map(panes.map((pane) => [pane, naive.bucket(grain, pane, paneMs)]))
        const whole = [...known.keys()].filter((pane) => known.get(pane) !== null)
        const sql = timeBucketSql(grain, timezone, paneMs, literal)
        const [found] = await connection.columns(`SELECT ${sql} FROM (SELECT unnest([${whole}]::BIGINT[]) AS pane)`)
        const told = (start: unknown, index: number) =>
          `${grain} of the ${paneMs / MINUTE} minutes at ${iso(whole[index])}: ${iso(start)}`
        expect(found!.map(told)).toEqual(whole.map((pane) => known.get(pane)).map(told))
        for (const pane of known.keys())
          if (known.get(pane) === null) expect(await bucketOf(grain, timezone, pane, paneMs)).toMatch(/offset|change/)
      }
    }
  })
})
