/**
 * Port: which partitions of a log this process owns. Drivers: all of them (embedded, or a single worker), a Kafka group
 * (several workers share them). Correctness does not depend on exclusive ownership: a worker that lost its partition may continue for a
 * while beside the new owner, and the lake decides which of them commits. So an assignment may be late, but must not be lost.
 */
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from './event-log.ts'

export interface PartitionAssignment {
  /**
   * Starts to report the complete set of own partitions to `changed` whenever it changes. Resolves when the first set was
   * reported, or if it is not available yet: it is then reported later.
   */
  start(changed: (partitions: readonly number[]) => void): Promise<void>
  /** Reports the position of a partition's owner. Only for lag monitoring: nothing ever resumes from it. */
  progressed(partition: number, position: Offset): void
  /** Releases all partitions. */
  stop(): Promise<void>
}

const LOOK_EVERY_MS = 1_000

/** Every partition of the log, including those that are added later. */
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
