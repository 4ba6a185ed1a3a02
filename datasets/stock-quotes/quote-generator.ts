/**
 * A seeded stream of quotes that go on where the real prices end: prices walk at random, some symbols are quoted much more often than
 * others, a few quotes are wildly wrong, and some arrive late. Until they are all sent, every second event is one of the real prices, the
 * newest of each symbol first: the quotes of today always follow the prices that they go on from, and averages over both make sense
 * from the first minute on.
 */
import type { EventGenerator, EventGeneratorOptions } from '#datasets/event-generator.ts'
import { Random } from '#datasets/random.ts'
import { priceHistory } from './price-history.ts'

interface Quoted {
  readonly symbol: string
  price: number
}

/** share of quotes that are late, and that are wrong */
const LATE_SHARE = 0.01
const WRONG_SHARE = 0.0005
const STEP = 0.0004

/** What the real prices end with. */
const LAST: readonly (readonly [string, number])[] = [
  ['SPX', 2_874.56],
  ['AAPL', 223.02],
  ['MSFT', 28.8],
  ['IBM', 125.55],
  ['AMZN', 128.82],
  ['GOOG', 560.19],
]

/** The newest price of each symbol, then the one before it of each, and so on: no symbol waits for the others. */
function newestFirst(history: readonly string[]): readonly string[] {
  const bySymbol = Map.groupBy(history.toReversed(), (line) => (JSON.parse(line) as { symbol: string }).symbol)
  const longest = Math.max(...[...bySymbol.values()].map(({ length }) => length))
  return Array.from({ length: longest }, (_, nth) => [...bySymbol.values()].flatMap((lines) => lines[nth] ?? [])).flat()
}

export class QuoteGenerator implements EventGenerator {
  readonly #random: Random
  readonly #history: readonly string[]
  readonly #startMs: number
  readonly #eventsPerSecond: number
  readonly #quoted: readonly Quoted[] = LAST.map(([symbol, price]) => ({ symbol, price }))
  #made = 0

  static async of(options: EventGeneratorOptions): Promise<QuoteGenerator> {
    return new QuoteGenerator(await priceHistory(), options)
  }

  private constructor(
    history: readonly string[],
    { seed, startMs = Date.now(), eventsPerSecond = 100 }: EventGeneratorOptions,
  ) {
    this.#random = new Random(seed)
    this.#history = newestFirst(history)
    this.#startMs = startMs
    this.#eventsPerSecond = eventsPerSecond
  }

  next(nowMs = this.#startMs + Math.floor((this.#made * 1_000) / this.#eventsPerSecond)): string {
    const nth = this.#made++
    const past = nth % 2 === 0 ? this.#history[nth / 2] : undefined
    return past ?? this.#quote(nowMs)
  }

  #quote(nowMs: number): string {
    const random = this.#random
    const quoted = random.pickSkewed(this.#quoted)
    quoted.price *= 1 + STEP * (random.next() + random.next() - 1)
    const isWrong = random.chance(WRONG_SHARE)
    return JSON.stringify({
      symbol: quoted.symbol,
      at: new Date(random.chance(LATE_SHARE) ? nowMs - random.below(5 * 60_000) : nowMs).toISOString(),
      price: (isWrong ? quoted.price * 10 : quoted.price).toFixed(2),
      size: 1 + random.belowSkewed(500),
    })
  }
}
