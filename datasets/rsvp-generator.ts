/**
 * A seeded stream of RSVPs in the shape of the real one: skewed countries, topic bursts that come and go, late and
 * repeated answers, venues that are missing, and a share of lines that can not be used.
 */
import { Random } from './random.ts'
import { type Group, makeWorld, type World, type WorldEvent } from './rsvp-world.ts'

export interface RsvpGeneratorOptions {
  readonly seed: number
  /** event time of the first answer, epoch ms; part of what the seed decides: give both to repeat a stream */
  readonly startMs: number
  /** how far event time goes on per answer; a live stream gives the clock to `next` instead */
  readonly eventsPerSecond?: number
  readonly malformedShare?: number
  /** answers dated seconds to hours before the stream's time */
  readonly lateShare?: number
  /** answers dated three days ahead, by a wrong clock */
  readonly futureShare?: number
  /** answers that change an earlier one of the same member */
  readonly repeatedShare?: number
}

interface Given {
  readonly rsvpId: number
  readonly group: Group
  readonly event: WorldEvent
  readonly member: string
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
      eventsPerSecond: 100,
      malformedShare: 0.01,
      lateShare: 0.02,
      futureShare: 0.0005,
      repeatedShare: 0.05,
      ...options,
    }
  }

  /** The next line, without a line end. `nowMs`: the stream's time; default: start plus what eventsPerSecond makes of the count so far. */
  next(nowMs = this.#options.startMs + Math.floor((this.#made * 1_000) / this.#options.eventsPerSecond)): string {
    const line = this.#answer(nowMs)
    this.#made++
    return this.#random.chance(this.#options.malformedShare) ? this.#spoil(line) : line
  }

  #answer(nowMs: number): string {
    const repeated = this.#given.length > 0 && this.#random.chance(this.#options.repeatedShare)
    const given = repeated ? this.#random.pick(this.#given) : this.#fresh(nowMs)
    const yes = this.#random.chance(0.72)
    const guests = this.#random.chance(0.1) ? 1 + this.#random.below(3) : 0
    const venue = given.event.venue === null ? '' : `"venue":${given.event.venue},`
    const event = `"event":{"event_name":${JSON.stringify(given.event.name)},"event_id":"${given.event.id}","time":${this.#options.startMs + given.event.afterMs},"event_url":"${given.event.url}"}`
    return `{${venue}"visibility":"public","response":"${yes ? 'yes' : 'no'}","guests":${guests},"member":${given.member},"rsvp_id":${given.rsvpId},"mtime":${this.#time(nowMs)},${event},"group":${given.group.json}}`
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
      member: this.#random.pickSkewed(group.members),
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
    switch (this.#random.below(5)) {
      case 0:
        return line.slice(0, 1 + this.#random.below(line.length - 2))
      case 1:
        return 'HTTP/1.1 502 Bad Gateway'
      case 2:
        return line.replace(/"rsvp_id":\d+/, '"rsvp_id":null')
      case 3:
        return line.replace(/"mtime":\d+/, '"mtime":"yesterday"')
      default:
        return line.replace('"response":', '"respnse":')
    }
  }
}
