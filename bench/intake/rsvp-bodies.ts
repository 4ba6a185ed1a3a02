/** NDJSON bodies of made-up RSVPs: the same ones for every server and baseline. */
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'

/** so many that no cache holds them all */
const EVENTS = 60_000

/** @param request events of each body */
export function rsvpBodies(request: number): readonly Buffer[] {
  const generator = new RsvpGenerator({ seed: 1, startMs: Date.now(), eventsPerSecond: 50_000, malformedShare: 0 })
  const body = (): Buffer => Buffer.from(Array.from({ length: request }, () => `${generator.next()}\n`).join(''))
  return Array.from({ length: EVENTS / request }, body)
}
