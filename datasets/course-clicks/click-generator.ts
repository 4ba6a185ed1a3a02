/**
 * A seeded stream of clicks: a few courses are much more popular than others, a promoted one for some minutes; users come back to the
 * courses that they viewed, some buy without a view, and some clicks arrive minutes late.
 */
import type { EventGenerator, EventGeneratorOptions } from '#datasets/event-generator.ts'
import { Random } from '#datasets/random.ts'
import { COUNTRIES, type Course, makeCourses, REFERRERS } from './course-world.ts'

type Action = 'view' | 'play' | 'cart' | 'purchase'

interface Interest {
  readonly user: number
  readonly course: Course
  stage: number
}

const USERS = 20_000
const REMEMBERED_MAX = 3_000
const PROMOTION_MS = 5 * 60_000
const LATE_SHARE = 0.02
const STAGES: readonly Action[] = ['view', 'play', 'cart', 'purchase']

export class ClickGenerator implements EventGenerator {
  readonly #random: Random
  readonly #courses: readonly Course[]
  readonly #startMs: number
  readonly #eventsPerSecond: number
  readonly #interests: Interest[] = []
  #promoted: Course
  #promotedUntilMs = 0
  #made = 0

  constructor({ seed, startMs = Date.now(), eventsPerSecond = 100 }: EventGeneratorOptions) {
    this.#random = new Random(seed)
    this.#courses = makeCourses(new Random(seed ^ 0xc0de))
    this.#promoted = this.#courses[0]!
    this.#startMs = startMs
    this.#eventsPerSecond = eventsPerSecond
  }

  next(nowMs = this.#startMs + Math.floor((this.#made * 1_000) / this.#eventsPerSecond)): string {
    const { user, course, stage } = this.#interest(nowMs)
    const action = STAGES[stage]!
    const country = COUNTRIES[user % COUNTRIES.length]
    return JSON.stringify({
      id: `k${(this.#made++).toString(36)}`,
      at: new Date(this.#timeMs(nowMs)).toISOString(),
      action,
      user: country === null ? { id: user } : { id: user, country },
      course: { id: course.id, title: course.title, category: course.category },
      ...(action === 'purchase' ? { price: course.price } : {}),
      ...(this.#random.chance(0.6) ? { referrer: this.#random.pick(REFERRERS) } : {}),
    })
  }

  /** A new one, or one that goes a step on. */
  #interest(nowMs: number): Interest {
    const random = this.#random
    if (this.#interests.length > 0 && random.chance(0.4)) {
      const known = random.pick(this.#interests)
      if (random.chance(0.55) && known.stage < STAGES.length - 1) known.stage++
      else if (known.stage === STAGES.length - 1) known.stage = 0
      return known
    }
    const made = {
      user: 1 + random.belowSkewed(USERS),
      course: this.#course(nowMs),
      stage: random.chance(0.01) ? 3 : 0,
    }
    if (this.#interests.length < REMEMBERED_MAX) this.#interests.push(made)
    else this.#interests[random.below(REMEMBERED_MAX)] = made
    return made
  }

  #course(nowMs: number): Course {
    if (nowMs >= this.#promotedUntilMs) {
      this.#promoted = this.#random.pick(this.#courses)
      this.#promotedUntilMs = nowMs + PROMOTION_MS
    }
    return this.#random.chance(0.15) ? this.#promoted : this.#random.pickSkewed(this.#courses)
  }

  #timeMs(nowMs: number): number {
    return this.#random.chance(LATE_SHARE) ? nowMs - this.#random.below(10 * 60_000) : nowMs - this.#random.below(500)
  }
}
