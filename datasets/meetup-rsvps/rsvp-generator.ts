/**
 * A seeded stream of RSVPs in the shape of the real one: skewed countries, topic bursts that come and go, late and
 * repeated answers, venues that are missing, and a share of lines that cannot be used.
 * Event time follows the clock that is given to `next`: with the wall clock the stream is live, without one it is a
 * repeatable past that advances by 1/eventsPerSecond per answer. Same seed, start and clock: same bytes on every machine.
 */
import { Random } from '#datasets/random.ts'
import { type Group, makeWorld, memberJson, type World, type WorldEvent } from './rsvp-world.ts'

export interface RsvpGeneratorOptions {
  readonly seed: number
  /** event time of the first answer, epoch ms; give it and the seed to repeat a stream. Default: now */
  readonly startMs?: number
  /** how far event time advances per answer; a live stream passes the current time to `next` instead */
  readonly eventsPerSecond?: number
  readonly malformedShare?: number
  /** answers dated seconds to hours before the stream's time */
  readonly lateShare?: number
  /** answers dated three days ahead, by a wrong clock */
  readonly futureShare?: number
  /** answers that change an earlier one of the same member */
  readonly repeatedShare?: number
}

/** A line, and what a test or a demo may want to know of how it was made. */
export interface GeneratedLine {
  /** without a line end */
  readonly line: string
  /** true: spoiled on purpose; an event of this stream must not be made of it */
  readonly malformed: boolean
  /** true: changes an earlier answer, under the same rsvp_id */
  readonly repeated: boolean
  /** event time, epoch ms */
  readonly timeMs: number
}

interface Given {
  readonly rsvpId: number
  readonly group: Group
  readonly event: WorldEvent
  readonly member: string
  yes: boolean
}

const BURST_GROUPS = 40
const BURST_MS = 120_000
const REMEMBERED_MAX = 2_000
const FUTURE_MS = 3 * 86_400_000

export class RsvpGenerator {
  readonly #random: Random
  readonly #world: World
  readonly #options: Required<RsvpGeneratorOptions>
  readonly #given: Given[] = []
  #burst: readonly Group[] = []
  #burstUntilMs = 0
  #made = 0

  constructor(options: RsvpGeneratorOptions) {
    this.#random = new Random(options.seed)
    this.#world = makeWorld(new Random(options.seed ^ 0x5eed))
    this.#options = {
      startMs: options.startMs ?? Date.now(),
      eventsPerSecond: 100,
      malformedShare: 0.01,
      lateShare: 0.02,
      futureShare: 0.0005,
      repeatedShare: 0.05,
      ...stated(options),
    }
  }

  /** The next line, without a line end. `nowMs`: the stream's time; default: start plus what eventsPerSecond makes of the count so far. */
  next(nowMs?: number): string {
    return this.nextLine(nowMs).line
  }

  /** The same stream as `next`, with what is known of each line. */
  nextLine(
    nowMs = this.#options.startMs + Math.floor((this.#made * 1_000) / this.#options.eventsPerSecond),
  ): GeneratedLine {
    const repeated = this.#given.length > 0 && this.#random.chance(this.#options.repeatedShare)
    const given = repeated ? this.#random.pick(this.#given) : this.#fresh(nowMs)
    // Most who answer again have changed their mind; some only bring another number of guests.
    if (repeated && this.#random.chance(0.8)) given.yes = !given.yes
    const timeMs = this.#time(nowMs)
    const line = this.#answer(given, timeMs)
    this.#made++
    const malformed = this.#random.chance(this.#options.malformedShare)
    return { line: malformed ? this.#spoil(line) : line, malformed, repeated, timeMs }
  }

  #answer({ event, group, member, rsvpId, yes }: Given, timeMs: number): string {
    const guests = this.#random.chance(0.1) ? 1 + this.#random.below(3) : 0
    const venue = event.venue === null ? '' : `"venue":${event.venue},`
    const at = this.#options.startMs + event.afterMs
    const eventText = `"event":{"event_name":${JSON.stringify(event.name)},"event_id":"${event.id}","time":${at},"event_url":"${event.url}"}`
    return `{${venue}"visibility":"public","response":"${yes ? 'yes' : 'no'}","guests":${guests},"member":${member},"rsvp_id":${rsvpId},"mtime":${timeMs},${eventText},"group":${group.json}}`
  }

  #fresh(nowMs: number): Given {
    if (nowMs >= this.#burstUntilMs) {
      const topic = this.#random.pick(this.#world.groups).topics[0]
      this.#burst = this.#world.groups
        .filter((group) => topic !== undefined && group.topics.includes(topic))
        .slice(0, BURST_GROUPS)
      this.#burstUntilMs = nowMs + BURST_MS / 2 + this.#random.below(BURST_MS)
    }
    const group =
      this.#burst.length > 0 && this.#random.chance(0.25)
        ? this.#random.pick(this.#burst)
        : this.#random.pickSkewed(this.#world.groups)
    const given = {
      rsvpId: 1_600_000_000 + this.#made,
      group,
      event: this.#random.pickSkewed(group.events),
      member: memberJson(group, this.#random.belowSkewed(group.memberCount)),
      yes: this.#random.chance(0.72),
    }
    if (this.#given.length < REMEMBERED_MAX) this.#given.push(given)
    else this.#given[this.#random.below(REMEMBERED_MAX)] = given
    return given
  }

  #time(nowMs: number): number {
    const { lateShare, futureShare } = this.#options
    const u = this.#random.next()
    if (u < futureShare) return nowMs + FUTURE_MS
    if (u < futureShare + lateShare) return nowMs - Math.floor(10 ** (3 + 4 * this.#random.next()))
    return nowMs - this.#random.below(400)
  }

  #spoil(line: string): string {
    switch (this.#random.below(7)) {
      case 0:
        return line.slice(0, 1 + this.#random.below(line.length - 2))
      case 1:
        return 'HTTP/1.1 502 Bad Gateway'
      case 2:
        return line.replace(/"rsvp_id":\d+/, '"rsvp_id":null')
      case 3:
        return line.replace(/"mtime":\d+/, '"mtime":"yesterday"')
      case 4:
        return line.replace(/"rsvp_id":\d+/, '"rsvp_id":{"id":1}')
      case 5:
        return `[${line}]`
      default:
        return line.replace('"response":', '"respnse":')
    }
  }
}

/** Options that were given, without those that are undefined. */
function stated(options: RsvpGeneratorOptions): RsvpGeneratorOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  // Only values were left out; Object.fromEntries does not keep the names in its type.
  return Object.fromEntries(given) as unknown as RsvpGeneratorOptions
}
