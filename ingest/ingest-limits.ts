/** Bounds of taking events in, by name. */
export interface IngestLimits {
  /** one event */
  readonly recordBytesMax: number
  /** events of one request */
  readonly rowsMax: number
  /** events offered and not yet durable, over all requests; beyond it IntakeBusyError */
  readonly inFlightBytesMax: number
}

export const DEFAULT_INGEST_LIMITS: IngestLimits = {
  recordBytesMax: 1024 * 1024,
  rowsMax: 50_000,
  inFlightBytesMax: 128 * 1024 * 1024,
}
