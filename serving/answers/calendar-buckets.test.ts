/**
 * Roll-ups to days, weeks, months, quarters and years in zones with odd clocks: the engine's buckets of panes, counted, equal a recount of
 * single minutes by the calendar of Intl and plain arithmetic. Local times in `from` are the starts of the same buckets.
 */
import { afterAll, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { timeBucketSql } from './time-bucket.ts'
import { zonedTextMs } from './zone-time.ts'

const connection = await testConnection()
afterAll(() => connection.close())

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const GRAINS = ['day', 'week', 'month', 'quarter', 'year'] as const
type CalendarGrain = (typeof GRAINS)[number]

class LocalCalendar {
  readonly #clock: Intl.DateTimeFormat
  readonly #starts = new Map<string, number>()

  constructor(timeZone: string) {
    this.#clock = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  }

  /** local date: 2026-01-31 */
  date(at: number): string {
    return this.#clock.format(at)
  }

  /** the first date of the period that holds the local date of an instant */
  period(grain: CalendarGrain, at: number): string {
    const date = this.date(at)
    const [year, month] = date.split('-').map(Number) as [number, number]
    if (grain === 'day') return date
    if (grain === 'year') return `${year}-01-01`
    if (grain === 'month') return `${date.slice(0, 7)}-01`
    if (grain === 'quarter') return `${year}-${String(month - ((month - 1) % 3)).padStart(2, '0')}-01`
    const midnight = Date.parse(`${date}T00:00Z`)
    const sinceMonday = (new Date(midnight).getUTCDay() + 6) % 7
    return new Date(midnight - sinceMonday * DAY).toISOString().slice(0, 10)
  }

  /** the first minute of all whose local date is in the period or after it */
  start(first: string): number {
    const known = this.#starts.get(first)
    if (known !== undefined) return known
    let at = Date.parse(`${first}T00:00Z`) - 26 * HOUR
    while (this.date(at) < first) at += 15 * MINUTE
    while (this.date(at - MINUTE) >= first) at -= MINUTE
    this.#starts.set(first, at)
    return at
  }
}

/** Where clocks change at odd times or by odd amounts, midnights are skipped or repeated, or a day does not exist. */
const CHANGES = [
  ['America/Moncton', '2006-10-29T03:01Z', MINUTE],
  ['America/Moncton', '2006-04-02T04:01Z', MINUTE],
  ['America/St_Johns', '2006-10-29T02:31Z', MINUTE],
  ['America/St_Johns', '2026-03-08T05:30Z', 15 * MINUTE],
  ['Australia/Lord_Howe', '2020-04-04T15:00Z', 15 * MINUTE],
  ['Australia/Lord_Howe', '2020-10-03T15:30Z', 15 * MINUTE],
  ['Pacific/Chatham', '2020-04-04T14:00Z', 15 * MINUTE],
  ['Pacific/Chatham', '2020-09-26T14:00Z', 15 * MINUTE],
  ['Asia/Kathmandu', '1985-12-31T18:30Z', 15 * MINUTE],
  ['Asia/Kathmandu', '2026-12-31T18:15Z', 15 * MINUTE],
  ['Pacific/Apia', '2011-12-30T10:00Z', 15 * MINUTE],
  ['Pacific/Kwajalein', '1993-08-21T12:00Z', HOUR],
  ['Africa/Cairo', '2026-04-23T22:00Z', HOUR],
  ['America/Havana', '2026-11-01T05:00Z', HOUR],
  ['Atlantic/Azores', '2020-10-25T01:00Z', HOUR],
  ['Europe/Berlin', '2025-12-31T23:00Z', HOUR],
  ['Pacific/Auckland', '2027-01-03T11:00Z', HOUR],
] as const

test.each(CHANGES)('%s, around %s: every roll-up counts what the calendar counts', async (timezone, change, paneMs) => {
  const calendar = new LocalCalendar(timezone)
  const middle = Math.floor(Date.parse(change) / paneMs) * paneMs
  const near = Array.from({ length: 200 }, (_, index) => middle + (index - 100) * paneMs)
  const far = Array.from({ length: 300 }, (_, index) => middle + (index - 150) * 59 * HOUR)
  const panes = [...new Set([...near, ...far])]
  for (const grain of GRAINS) {
    const bucket = timeBucketSql(grain, timezone, paneMs, { bind: (value) => `'${value}'` })
    const rows = await connection.rows<{ start: number; n: number }>(
      `SELECT ${bucket} AS "start", count(*) AS n FROM (SELECT unnest([${panes}]::BIGINT[]) AS pane) GROUP BY 1 ORDER BY 1`,
    )
    const periods = Map.groupBy(panes, (pane) => calendar.period(grain, pane))
    const counted = [...periods]
      .map(([first, members]) => ({ start: calendar.start(first), n: members.length }))
      .sort((a, b) => a.start - b.start)
    expect(
      rows.map(({ start, n }) => ({ start: Number(start), n: Number(n) })),
      grain,
    ).toEqual(counted)
    // A pane's last minute is in the bucket of its first one.
    for (const pane of near) expect(calendar.period(grain, pane + paneMs - MINUTE)).toBe(calendar.period(grain, pane))
    for (const first of periods.keys()) expect(zonedTextMs(first, timezone), first).toBe(calendar.start(first))
  }
})

test('a pane of a day fits UTC only', async () => {
  const months = (timezone: string) => {
    const bucket = timeBucketSql('month', timezone, DAY, { bind: (value) => `'${value}'` })
    return connection.rows(`SELECT ${bucket} AS "start" FROM (SELECT ${Date.UTC(2026, 2, 15)}::BIGINT AS pane)`)
  }
  expect(await months('UTC')).toEqual([{ start: Date.UTC(2026, 2, 1) }])
  await expect(months('Europe/Berlin')).rejects.toThrow(/cut by offset/)
})
