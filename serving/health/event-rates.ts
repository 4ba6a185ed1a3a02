/** Events per second that the log took, and that answers came to count, over the last minute. */

/** samples that are older say nothing about now */
const OVER_MS_MAX = 60_000
/** rates over less time than this are noise */
const OVER_MS_MIN = 1_000

export interface RateSample {
  /** monotonic, ms */
  readonly atMs: number
  /** events in the log so far, of all partitions; null: the log could not be read */
  readonly appended: number | null
  /** events that answers count */
  readonly counted: number
}

export interface EventRates {
  /** the time that the rates are of, ms; 0: there is only one sample */
  readonly overMs: number
  readonly appendedPerSecond: number | null
  readonly countedPerSecond: number | null
}

export class RateMeter {
  #samples: RateSample[] = []

  add(sample: RateSample): void {
    this.#samples = [...this.#samples.filter(({ atMs }) => sample.atMs - atMs <= OVER_MS_MAX), sample]
  }

  /** null rates: not known. After a repair that continues at the lake's end, a rate is never negative. */
  rates(): EventRates {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    const overMs = first === undefined ? 0 : last!.atMs - first.atMs
    if (overMs < OVER_MS_MIN) return { overMs: 0, appendedPerSecond: null, countedPerSecond: null }
    const known = first!.appended !== null && last!.appended !== null
    return {
      overMs: Math.round(overMs),
      appendedPerSecond: known ? perSecond(last!.appended! - first!.appended!, overMs) : null,
      countedPerSecond: perSecond(last!.counted - first!.counted, overMs),
    }
  }
}

function perSecond(events: number, overMs: number): number {
  return Math.max(0, Math.round((events * 10_000) / overMs) / 10)
}
