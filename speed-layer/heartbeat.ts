/**
 * The sign of life of a worker: any marker that it writes is one for all of its partitions. So a partition without news and without an
 * open segment writes its marker again only if no other partition of the worker has written one for a while.
 */
export class Heartbeat {
  readonly #elapsed: () => number
  /** monotonic */
  #atMs = Number.NEGATIVE_INFINITY

  /** @param elapsed monotonic ms */
  constructor(elapsed: () => number = () => performance.now()) {
    this.#elapsed = elapsed
  }

  /** A marker is about to be written. Before that, so that of many partitions only one writes it. */
  beat(): void {
    this.#atMs = this.#elapsed()
  }

  /** How long until the next one is due, if one is due every `everyMs`. */
  dueInMs(everyMs: number): number {
    return this.#atMs + everyMs - this.#elapsed()
  }
}
