/** The answers of both layers together, against plain code over the same flights: generated ones with airlines, and the real sample. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import definition from './definition.ts'
import { FlightGenerator } from './flight-generator.ts'
import { packagedFlights, SAMPLE_FILE, sampleText } from './sample-2001.ts'

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
/** nearest rank */
const quantile = (values: readonly number[], q: number): number | null =>
  values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * values.length)) - 1] ?? null

/** Within 1 % of the value, as quantiles promise. */
function expectNear(value: unknown, wanted: number | null, relative: number): void {
  if (wanted === null) expect(value).toBeNull()
  else expect(Math.abs((value as number) - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * relative + 1e-9)
}

describe('generated flights', () => {
  interface Flight {
    readonly YEAR: number
    readonly MONTH: number
    readonly DAY: number
    readonly AIRLINE: string
    readonly ORIGIN_AIRPORT: string
    readonly SCHEDULED_DEPARTURE: string
    readonly DEPARTURE_DELAY: number | null
    readonly ARRIVAL_DELAY: number | null
    readonly CANCELLED: number
    readonly CANCELLATION_REASON: string | null
  }
  const generator = new FlightGenerator({ seed: 3, startMs: Date.UTC(2015, 1, 1), eventsPerSecond: 0.01 })
  const lines = Array.from({ length: 5_000 }, () => generator.next())
  const flights = lines.map((line) => JSON.parse(line) as Flight)
  const dayOf = ({ YEAR, MONTH, DAY }: Flight): string =>
    `${YEAR}-${String(MONTH).padStart(2, '0')}-${String(DAY).padStart(2, '0')}`
  const given = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null)

  let layers: BothLayers
  beforeAll(async () => {
    layers = await BothLayers.of(definition, lines)
  })
  afterAll(() => layers.close())

  test.each([
    ['airlines', 'airline', ({ AIRLINE }: Flight) => AIRLINE],
    ['airports', 'origin', ({ ORIGIN_AIRPORT }: Flight) => ORIGIN_AIRPORT],
  ])('%s per day: delays and cancellations', async (view, dimension, keyOf) => {
    const wanted = Map.groupBy(flights, (flight) => `${dayOf(flight)} ${keyOf(flight)}`)
    const rows = await layers.ask(`${view}?grain=day&limit=10000`)
    expect(rows.length).toBe(wanted.size)
    for (const row of rows) {
      const own = wanted.get(`${String(row.time).slice(0, 10)} ${row[dimension]}`)!
      const [departures, arrivals] = [own.map((one) => one.DEPARTURE_DELAY), own.map((one) => one.ARRIVAL_DELAY)].map(
        given,
      )
      const cancelled = own.filter((one) => one.CANCELLED === 1).length
      expect(row).toMatchObject({ flights: own.length, cancelled })
      expectNear(row.cancelled_share, cancelled / own.length, 1e-12)
      expectNear(row.departure_delay, mean(departures!), 1e-12)
      expectNear(row.median_departure_delay, quantile(departures!, 0.5), 0.01)
      expectNear(row.p90_departure_delay, quantile(departures!, 0.9), 0.01)
      expectNear(row.arrival_delay, mean(arrivals!), 1e-12)
      expectNear(row.on_time, mean(arrivals!.map((delay) => (delay < 15 ? 1 : 0))), 1e-12)
    }
  })

  test('cancelled flights by reason', async () => {
    const cancelled = flights.filter((one) => one.CANCELLED === 1)
    const wanted = [...Map.groupBy(cancelled, (one) => one.CANCELLATION_REASON)].map(([reason, own]) => [
      reason,
      own.length,
    ])
    const rows = await layers.ask('cancellations?dimensions=reason')
    expect(rows.map(({ reason, flights }) => [reason, flights]).toSorted()).toEqual(wanted.toSorted())
  })

  test('airports with late departures within three hours', async () => {
    const toMs = Date.UTC(2015, 1, 3, 21)
    const within = flights.filter((one) => {
      const time = one.SCHEDULED_DEPARTURE
      const ms = Date.parse(`${dayOf(one)}T${time.slice(0, 2)}:${time.slice(2)}:00Z`)
      return ms >= toMs - 3 * 3_600_000 && ms < toMs && (one.DEPARTURE_DELAY ?? 0) >= 15
    })
    const wanted = [...Map.groupBy(within, (one) => one.ORIGIN_AIRPORT)]
      .map(([origin, own]) => [origin, own.length] as const)
      .toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    const rows = await layers.ask(`delayed_airports?at=${toMs}&limit=10000`)
    expect(rows.map(({ origin, late }) => [origin, late])).toEqual(wanted)
    expect(wanted.length).toBeGreaterThan(3)
  })
})

describe('the real flights of 2001', () => {
  test('the shipped file is what the package says', () => {
    expect(readFileSync(SAMPLE_FILE, 'utf8')).toBe(sampleText())
  })

  test('delays by airport and month', async () => {
    const [head, ...rows] = readFileSync(SAMPLE_FILE, 'utf8').trim().split('\n')
    const names = head!.split(',')
    const lines = rows.map((row) =>
      JSON.stringify(Object.fromEntries(row.split(',').map((field, at) => [names[at], field]))),
    )
    const layers = await BothLayers.of(definition, lines)
    try {
      const wanted = Map.groupBy(
        packagedFlights(),
        ({ date, origin }) => `${date.slice(0, 7).replace('/', '-')} ${origin}`,
      )
      const answered = await layers.ask('airports?grain=month&limit=10000')
      expect(answered.length).toBe(wanted.size)
      for (const row of answered) {
        const own = wanted.get(`${String(row.time).slice(0, 7)} ${row.origin}`)!
        expect(row.flights).toBe(own.length)
        expectNear(row.arrival_delay, mean(own.map(({ delay }) => delay)), 1e-12)
      }
    } finally {
      await layers.close()
    }
  })
})
