/** How one dataset does, from its sources to its answers. Reads only; nothing that cannot be read keeps the rest from being told. */
import { sumByColumn } from '#core/conversion-failures.ts'
import { unconvertedOf } from '#storage/lake/segment-manifest.ts'
import { type Snapshot, takeSnapshot } from '../answers/snapshot.ts'
import { limited } from '../answers/time-limit.ts'
import { deadLetterReasons } from '../dead-letters/dead-letter-reasons.ts'
import type { AnsweredDataset } from '../live/live-answers.ts'
import { type EventRates, RateMeter } from './event-rates.ts'
import { type HealthFacts, known, read } from './health-facts.ts'

/** many who ask at once share one look */
const LOOK_AGAIN_MS = 1_000
const LOOK_MS_MAX = 3_000

type Fed = Pick<HealthFacts, 'sources' | 'demoEventsPerSecond'>

export class DatasetHealth {
  readonly #served: AnsweredDataset
  readonly #meter = new RateMeter()
  #looked: { readonly atMs: number; readonly facts: Promise<HealthFacts> } | null = null

  constructor(served: AnsweredDataset) {
    this.#served = served
  }

  /** Takes a sample for the rates; never throws. Only where states are resident: elsewhere a snapshot costs too much. */
  async sample(): Promise<void> {
    if (this.#served.live === undefined) return
    const snapshot = await this.#served.live.snapshot().catch(() => null)
    if (snapshot !== null) this.#meter.add(sampleOf(snapshot))
  }

  rates(): EventRates {
    return this.#meter.rates()
  }

  /** Never rejects. Dead letter counts may be up to a second old. @param fed what feeds this dataset */
  facts(fed: Fed, nowMs = Date.now()): Promise<HealthFacts> {
    const atMs = performance.now()
    if (this.#looked !== null && atMs - this.#looked.atMs < LOOK_AGAIN_MS) return this.#looked.facts
    const facts = this.#look(fed, nowMs)
    this.#looked = { atMs, facts }
    return facts
  }

  async #look(fed: Fed, nowMs: number): Promise<HealthFacts> {
    const { live, lake, store, partitions, dataset } = this.#served
    const timed = <T>(reading: (signal: AbortSignal) => Promise<T>) =>
      read(() => limited(LOOK_MS_MAX, undefined, reading))
    const generation = await timed(() => lake.current())
    const counted = known(generation)?.boundary
    const chains = await timed(() => lake.chains(partitions, { counted, after: counted }))
    const [snapshot, markers, run, verification, reasons] = await Promise.all([
      timed(() => live?.snapshot() ?? takeSnapshot(this.#served, { views: [] })),
      timed(() => store.markers()),
      timed(() => lake.run()),
      timed(() => lake.verification()),
      timed((signal) => deadLetterReasons(this.#served).count(known(generation), signal)),
    ])
    if ('value' in snapshot) this.#meter.add(sampleOf(snapshot.value))
    const name = dataset.name
    const rates = this.rates()
    return { dataset: name, nowMs, ...fed, snapshot, markers, chains, generation, run, verification, reasons, rates }
  }
}

function sampleOf({ partitions }: Snapshot): { atMs: number; appended: number | null; counted: number } {
  const counted = partitions.reduce((sum, { position }) => sum + position, 0)
  const behind = partitions.reduce<number | null>(
    (sum, place) => (sum === null || place.behind === null ? null : sum + place.behind),
    0,
  )
  return { atMs: performance.now(), appended: behind === null ? null : counted + behind, counted }
}

/** Column → events in which its value could not be converted, in the generation and in closed segments after it. */
export function unconvertedIn({ generation, segments }: Snapshot): Record<string, number> {
  return sumByColumn([generation?.unconverted ?? {}, unconvertedOf(segments).unconverted ?? {}])
}
