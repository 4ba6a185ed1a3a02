/** What a sink delivers, and the port that delivers it. */

/** One record per row that changed. */
export interface SinkRecord {
  /** JSON object of the row's key */
  readonly key: string
  /** JSON object of the row; null: it is gone */
  readonly value: string | null
}

export interface Delivery {
  /** of the answer that the receiver has after it, whose position it begins with: the idempotency key */
  readonly id: string
  /** of the answer that the receiver has before it; null: none */
  readonly after: string | null
  /** JSON object */
  readonly body: string
  readonly records: readonly SinkRecord[]
}

export interface SinkTarget {
  /** Resolves when the receiver has taken it. The same delivery may be made again. @throws SinkFault */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** A delivery was not taken; it is made again. */
export class SinkFault extends Error {
  /** how long the receiver asks to wait; null: it does not say */
  readonly retryAfterMs: number | null
  constructor(message: string, retryAfterMs: number | null = null, options: ErrorOptions = {}) {
    super(message, options)
    this.name = 'SinkFault'
    this.retryAfterMs = retryAfterMs
  }
}
