/** Events of the datasets that the rows ask, dated by the clock. */

import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { Random } from '#datasets/random.ts'
import type { Feeding } from './feeding.ts'

export const STATIONS = 200

/** @returns makes one event, as a line of JSON */
export function eventMaker(dataset: Feeding['dataset']): (nowMs: number) => string {
  if (dataset === 'winds') return windMaker(new Random(1))
  const generator = new RsvpGenerator({ seed: 2, malformedShare: 0 })
  return (nowMs) => generator.next(nowMs)
}

function windMaker(random: Random): (nowMs: number) => string {
  return (nowMs) => {
    const gust = Math.round(random.next() * 1_200) / 10
    return JSON.stringify({ station: `s${random.below(STATIONS)}`, measured_at: nowMs, gust })
  }
}
