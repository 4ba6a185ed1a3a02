/** Bounds of taking events in. Messages name the setting that each comes from. */
export interface IngestLimits {
  /** one event */
  readonly recordBytesMax: number
  /** events of one offer: requestRowsMax */
  readonly rowsMax: number
  /** events of one dataset offered and not yet durable, over all offers; beyond it IntakeBusyError */
  readonly inFlightBytesMax: number
}

export const DEFAULT_INGEST_LIMITS: IngestLimits = {
  recordBytesMax: 1024 * 1024,
  rowsMax: 50_000,
  inFlightBytesMax: 128 * 1024 * 1024,
}

/** Bounds of one request's body. */
export interface BodyLimits {
  /** requestBytesMax */
  readonly bodyBytesMax: number
  /** requestRowsMax */
  readonly rowsMax: number
}

export const DEFAULT_BODY_LIMITS: BodyLimits = {
  bodyBytesMax: 32 * 1024 * 1024,
  rowsMax: DEFAULT_INGEST_LIMITS.rowsMax,
}

/** More than can ever be taken at once, however often it is tried: make it smaller. */
export class OfferTooLargeError extends RangeError {
  /** name of the setting */
  readonly limit: string
  constructor(where: string, amount: number, unit: 'bytes' | 'events', limit: string, max: number) {
    super(`${where}: ${amount} ${unit} at once, the limit ${limit} is ${max}; send it in smaller parts`)
    this.name = 'OfferTooLargeError'
    this.limit = limit
  }
}

/** Too much is on its way to the log: try again a little later. */
export class IntakeBusyError extends Error {
  readonly retryAfterMs = 1_000
  constructor(dataset: string, bytes: number, limit: number) {
    super(
      `dataset '${dataset}': ${bytes} bytes would be on their way to the log, the limit inFlightBytesMax is ${limit}; send them again in a second`,
    )
    this.name = 'IntakeBusyError'
  }
}
