/**
 * Port: which partitions of a log this process owns. Drivers: all of them (embedded, or a single worker), a Kafka group
 * (several workers share them). Nothing rests on an owner being the only one: one that lost its partition may go on for a
 * while beside the new one, and the lake decides which of them commits. So an assignment may be late, but not forgotten.
 */
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from './event-log.ts'

export interface PartitionAssignment {
  /**
   * From now on `changed` is told the whole set of own partitions, whenever it is another one. Resolves when the first
   * set was told, or when it can not be had at the moment: it will be told when it can.
   */
  start(changed: (partitions: readonly number[]) => void): Promise<void>
  /** How far the owner of a partition is. Only for who watches lag: nothing ever starts from it. */
  progressed(partition: number, position: Offset): void
  /** Gives all partitions up. */
  stop(): Promise<void>
}

const LOOK_EVERY_MS = 1_000

/** Every partition of the log, those included that are added later. */
export class AllPartitions implements PartitionAssignment {
  readonly #log: Pick<EventLog, 'partitions'>
  readonly #lookEveryMs: number
  #told = 0
  #timer: NodeJS.Timeout | null = null

  constructor(log: Pick<EventLog, 'partitions'>, lookEveryMs = LOOK_EVERY_MS) {
    this.#log = log
    this.#lookEveryMs = lookEveryMs
  }

  async start(changed: (partitions: readonly number[]) => void): Promise<void> {
    const look = (): void => {
      const { partitions } = this.#log
      if (partitions === this.#told) return
      this.#told = partitions
      changed(Array.from({ length: partitions }, (_, partition) => partition))
    }
    look()
    this.#timer = setInterval(look, this.#lookEveryMs)
    this.#timer.unref()
  }

  progressed(): void {}

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
  }
}
