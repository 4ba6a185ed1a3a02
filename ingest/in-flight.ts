/** Bounds the bytes of a dataset's events that are being received, or were offered and are not yet durable. */
import { type Emit, silent } from '#telemetry/emit.ts'
import { IntakeBusyError, OfferTooLargeError } from './ingest-limits.ts'

/** What one request takes of the limit. */
export interface BodyRoom {
  /**
   * Sets how many bytes it takes.
   * @throws OfferTooLargeError for more than the limit; IntakeBusyError when too many others are in flight; it takes as many as before then
   */
  take(bytes: number): void
  /** It takes none any more. */
  free(): void
}

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

  /** For a request whose bytes arrive one after the other: they count from the first one on. */
  room(): BodyRoom {
    let taken = 0
    const take = (bytes: number): void => {
      this.#enter(bytes, taken)
      taken = bytes
    }
    const free = (): void => {
      this.#bytes -= taken
      taken = 0
    }
    return { take, free }
  }

  /**
   * Runs `work` while its bytes count.
   * @throws OfferTooLargeError for more than the limit; IntakeBusyError when too many others are in flight; what `work` throws
   */
  async during<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    const room = this.room()
    room.take(bytes)
    try {
      return await work()
    } finally {
      room.free()
    }
  }

  /** @param taken bytes of the same request that count already */
  #enter(bytes: number, taken: number): void {
    const [dataset, max] = [this.#dataset, this.#bytesMax]
    if (bytes > max) throw new OfferTooLargeError(`dataset '${dataset}'`, bytes, 'bytes', 'inFlightBytesMax', max)
    const others = this.#bytes - taken
    if (others + bytes > max) {
      const busy = new IntakeBusyError(dataset, others + bytes, max)
      this.#emit({ name: 'intake-busy', level: 'warn', message: busy.message, dataset, fields: { bytes } })
      throw busy
    }
    this.#bytes = others + bytes
  }
}
