/**
 * A seeded stream of posts about cloud marketplaces: some name several clouds, some authors post often, a hashtag becomes popular for a
 * while, some posts name no cloud, and some have no score yet.
 */
import type { EventGenerator, EventGeneratorOptions } from '#datasets/event-generator.ts'
import { Random } from '#datasets/random.ts'
import { annotate } from './annotate-post.ts'

const SUBJECTS = ['AWS Marketplace', 'the Azure Marketplace', 'Google Cloud Marketplace', 'GCP Marketplace']
const VERDICTS = [
  'is a great way to sell software',
  'makes procurement easy, we love it',
  'approved our listing, what a success',
  'rejected our listing without a reason, terrible',
  'is slow and the billing report is wrong again',
  'has a new private offer flow',
  'charges a fee of three percent',
  'is down, nobody can subscribe, this is awful',
  'helped us win a huge customer, amazing support',
]
const HASHTAGS = ['Cloud', 'SaaS', 'marketplace', 'GTM', 'ISV', 'FinOps', 'reInvent', 'AI', 'cosell', 'DevOps']
const LANGUAGES = ['en', 'en', 'en', 'en', 'de', 'pt', 'ja']

const AUTHORS = 4_000
const TREND_MS = 30 * 60_000
const FIRST_ID = 1_900_000_000_000_000_000n

export class PostGenerator implements EventGenerator {
  readonly #random: Random
  readonly #startMs: number
  readonly #eventsPerSecond: number
  #trend = HASHTAGS[0]!
  #trendUntilMs = 0
  #made = 0

  constructor({ seed, startMs = Date.now(), eventsPerSecond = 100 }: EventGeneratorOptions) {
    this.#random = new Random(seed)
    this.#startMs = startMs
    this.#eventsPerSecond = eventsPerSecond
  }

  next(nowMs = this.#startMs + Math.floor((this.#made * 1_000) / this.#eventsPerSecond)): string {
    const random = this.#random
    const tags = this.#hashtags(nowMs)
    const text = `${this.#sentence()}${tags.map((tag) => ` #${tag}`).join('')}`
    // Polled results come in pages, a little after they were posted.
    const atMs = nowMs - random.below(random.chance(0.03) ? 20 * 60_000 : 5_000)
    return JSON.stringify({
      id: String(FIRST_ID + BigInt(this.#made++)),
      text,
      author_id: String(10_000 + random.belowSkewed(AUTHORS)),
      created_at: new Date(atMs).toISOString(),
      lang: random.pick(LANGUAGES),
      ...(tags.length === 0 ? {} : { entities: { hashtags: tags.map((tag) => ({ tag })) } }),
      public_metrics: { like_count: random.belowSkewed(300) },
      ...(random.chance(0.02) ? {} : { annotations: annotate(text) }),
    })
  }

  #sentence(): string {
    const random = this.#random
    if (random.chance(0.05)) return `The marketplace ${random.pick(VERDICTS)}`
    const first = random.pickSkewed(SUBJECTS)
    if (random.chance(0.8)) return `${first} ${random.pick(VERDICTS)}`
    return `${first} ${random.pick(VERDICTS)}, unlike ${random.pick(SUBJECTS)}`
  }

  #hashtags(nowMs: number): string[] {
    const random = this.#random
    if (nowMs >= this.#trendUntilMs) {
      this.#trend = random.pick(HASHTAGS)
      this.#trendUntilMs = nowMs + TREND_MS
    }
    const tags = Array.from({ length: random.below(4) }, () =>
      random.chance(0.3) ? this.#trend : random.pickSkewed(HASHTAGS),
    )
    // The same hashtag is written in several ways.
    return [...new Set(tags)].map((tag) => (random.chance(0.3) ? tag.toLowerCase() : tag))
  }
}
