/** The test's own record of what was appended where: partition and offset → order. Grows in the order of the acknowledgements. */
import type { Offset } from '#core/offsets.ts'
import type { Order } from './seeded-orders.ts'

export interface Recorded {
  readonly partition: number
  readonly offset: Offset
  /** null: a dead letter */
  readonly order: Order | null
}

const RECORDED_MS_MAX = 10_000

export class Ledger {
  readonly #partitions: Recorded[][]
  #waiting: (() => void)[] = []

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => [])
  }

  get events(): number {
    return this.#partitions.reduce((sum, own) => sum + own.length, 0)
  }

  /** Where the next appends will go. */
  get ends(): readonly Offset[] {
    return this.#partitions.map((own) => own.length)
  }

  record(recorded: Recorded): void {
    const own = this.#partitions[recorded.partition]!
    if (recorded.offset !== own.length) {
      throw new Error(
        `partition ${recorded.partition}: acknowledged at offset ${recorded.offset}, but ${own.length} is next`,
      )
    }
    own.push(recorded)
  }

  /** Lets those go on that wait for what was recorded. */
  settle(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }

  /** Everything before the positions. An answer may count what is durable and not acknowledged yet: waits until it is. */
  async upTo(positions: readonly Offset[]): Promise<readonly Recorded[]> {
    const deadline = performance.now() + RECORDED_MS_MAX
    while (positions.some((position, partition) => position > this.#partitions[partition]!.length)) {
      if (performance.now() > deadline) {
        throw new Error(`an answer counts up to offsets ${positions}, but only ${this.ends} were ever appended`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return positions.flatMap((position, partition) => this.#partitions[partition]!.slice(0, position))
  }
}
