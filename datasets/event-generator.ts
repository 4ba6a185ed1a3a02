/** What a dataset's generator of made-up events offers: to the demo source, to `watershed generate`, and to tests. */
export interface EventGenerator {
  /** The next event as one line of JSON, without a line end. `nowMs`: the stream's time, epoch ms; default: start plus what the rate makes of the count so far. */
  next(nowMs?: number): string
}

export interface EventGeneratorOptions {
  /** the same seed, start and clock give the same bytes on every machine */
  readonly seed: number
  /** event time of the first event, epoch ms. Default: now */
  readonly startMs?: number
  /** how far event time advances per event; a live stream passes the current time to `next` instead */
  readonly eventsPerSecond?: number
}
