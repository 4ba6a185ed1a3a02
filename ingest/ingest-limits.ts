/** Limits of ingestion. Messages name the setting of each limit. */
export interface IngestLimits {
  /** one event */
  readonly recordBytesMax: number
  /** events of one offer: requestRowsMax */
  readonly rowsMax: number
  /** events of one dataset that are offered and not yet durable, over all offers; beyond it IntakeBusyError */
  readonly inFlightBytesMax: number
}

export const DEFAULT_INGEST_LIMITS: IngestLimits = {
  recordBytesMax: 1024 * 1024,
  rowsMax: 50_000,
  inFlightBytesMax: 128 * 1024 * 1024,
}

/** Limits of one request body. */
export interface BodyLimits {
  /** requestBytesMax */
  readonly bodyBytesMax: number
  /** requestRowsMax */
  readonly rowsMax: number
  /** a larger element of a JSON array is not parsed; the intake rejects it */
  readonly recordBytesMax: number
}

export const DEFAULT_BODY_LIMITS: BodyLimits = {
  bodyBytesMax: 32 * 1024 * 1024,
  rowsMax: DEFAULT_INGEST_LIMITS.rowsMax,
  recordBytesMax: DEFAULT_INGEST_LIMITS.recordBytesMax,
}

/** The offer exceeds a limit; retrying does not help, it must be split. */
export class OfferTooLargeError extends RangeError {
  /** name of the setting */
  readonly limit: string
  constructor(where: string, amount: number, unit: 'bytes' | 'events', limit: string, max: number) {
    super(`${where}: ${amount} ${unit} in one request, but the limit ${limit} is ${max}; send it in smaller parts`)
    this.name = 'OfferTooLargeError'
    this.limit = limit
  }
}

/** Too many bytes are in flight to the log; retry later. */
export class IntakeBusyError extends Error {
  readonly retryAfterMs = 1_000
  constructor(dataset: string, bytes: number, limit: number) {
    super(
      `dataset '${dataset}': ${bytes} bytes would be in flight to the log, but the limit inFlightBytesMax is ${limit}; retry in a second`,
    )
    this.name = 'IntakeBusyError'
  }
}
