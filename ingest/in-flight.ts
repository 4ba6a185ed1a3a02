/** Bounds the bytes of a dataset's events that were offered and are not yet durable. */
import { type Emit, silent } from '#telemetry/emit.ts'
import { IntakeBusyError, OfferTooLargeError } from './ingest-limits.ts'

export class InFlight {
  readonly #dataset: string
  readonly #bytesMax: number
  readonly #emit: Emit
  #bytes = 0

  /** @param bytesMax inFlightBytesMax */
  constructor(dataset: string, bytesMax: number, emit: Emit = silent) {
    this.#dataset = dataset
    this.#bytesMax = bytesMax
    this.#emit = emit
  }

  /**
   * Runs `work` while its bytes count.
   * @throws OfferTooLargeError for more than the limit; IntakeBusyError when too many others are in flight; what `work` throws
   */
  async during<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    this.#enter(bytes)
    try {
      return await work()
    } finally {
      this.#bytes -= bytes
    }
  }

  #enter(bytes: number): void {
    const [dataset, max] = [this.#dataset, this.#bytesMax]
    if (bytes > max) throw new OfferTooLargeError(`dataset '${dataset}'`, bytes, 'bytes', 'inFlightBytesMax', max)
    if (this.#bytes + bytes > max) {
      const busy = new IntakeBusyError(dataset, this.#bytes + bytes, max)
      this.#emit({ name: 'intake-busy', level: 'warn', message: busy.message, dataset, fields: { bytes } })
      throw busy
    }
    this.#bytes += bytes
  }
}
