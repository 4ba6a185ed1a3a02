/**
 * A seeded stream of flights with the column names of the 2015 files: airlines of different size and punctuality, delays that grow
 * over the day, stormy days with many cancellations, diverted flights. Made up; the airlines' codes are real, their figures are not.
 */
import type { EventGenerator, EventGeneratorOptions } from '#datasets/event-generator.ts'
import { Random } from '#datasets/random.ts'

/** code, mean delay in minutes; early ones have more flights */
const AIRLINES = [
  ['WN', 9],
  ['DL', 4],
  ['AA', 8],
  ['OO', 7],
  ['EV', 10],
  ['UA', 11],
  ['MQ', 12],
  ['B6', 13],
  ['US', 6],
  ['AS', 1],
  ['NK', 16],
  ['F9', 14],
  ['HA', 0],
  ['VX', 9],
] as const

const AIRPORTS =
  'ATL ORD DFW DEN LAX SFO PHX IAH LAS MSP MCO SEA DTW BOS EWR CLT LGA SLC JFK BWI MDW MIA PHL SAN DCA HNL PDX ABQ'
const REASONS = ['B', 'B', 'A', 'A', 'C', 'D']
const DAY_MS = 86_400_000

export class FlightGenerator implements EventGenerator {
  readonly #random: Random
  readonly #airports = AIRPORTS.split(' ')
  readonly #seed: number
  readonly #startMs: number
  readonly #eventsPerSecond: number
  #made = 0

  constructor({ seed, startMs = Date.now(), eventsPerSecond = 100 }: EventGeneratorOptions) {
    this.#random = new Random(seed)
    this.#seed = seed
    this.#startMs = startMs
    this.#eventsPerSecond = eventsPerSecond
  }

  next(nowMs = this.#startMs + Math.floor((this.#made * 1_000) / this.#eventsPerSecond)): string {
    const random = this.#random
    this.#made++
    const at = new Date(nowMs)
    const [airline, meanDelay] = random.pickSkewed(AIRLINES)
    const origin = random.pickSkewed(this.#airports)
    const destination = random.pick(this.#airports.filter((airport) => airport !== origin))
    const isCancelled = random.chance(this.#isStormy(nowMs) ? 0.12 : 0.012)
    const delay = isCancelled ? null : this.#delay(meanDelay, at.getUTCHours())
    const isDiverted = !isCancelled && random.chance(0.003)
    return JSON.stringify({
      YEAR: at.getUTCFullYear(),
      MONTH: at.getUTCMonth() + 1,
      DAY: at.getUTCDate(),
      DAY_OF_WEEK: at.getUTCDay() || 7,
      AIRLINE: airline,
      FLIGHT_NUMBER: 1 + random.below(6_000),
      TAIL_NUMBER: `N${100 + random.below(800)}${airline}`,
      ORIGIN_AIRPORT: origin,
      DESTINATION_AIRPORT: destination,
      SCHEDULED_DEPARTURE: at.toISOString().slice(11, 16).replace(':', ''),
      DEPARTURE_DELAY: delay,
      DISTANCE: 150 + random.below(2_500),
      ARRIVAL_DELAY: delay === null || isDiverted ? null : delay - 5 + random.below(12) - random.below(6),
      DIVERTED: isDiverted ? 1 : 0,
      CANCELLED: isCancelled ? 1 : 0,
      CANCELLATION_REASON: isCancelled ? random.pick(REASONS) : null,
    })
  }

  /** Most leave a few minutes early; the late ones have a long tail, which grows over the day. */
  #delay(mean: number, hour: number): number {
    const random = this.#random
    if (random.chance(0.6)) return -random.below(8)
    return Math.round(-Math.log(1 - random.next()) * (mean + hour) * 1.8)
  }

  /** The same for all flights of a day. */
  #isStormy(nowMs: number): boolean {
    return new Random(this.#seed + Math.floor(nowMs / DAY_MS)).chance(0.1)
  }
}
