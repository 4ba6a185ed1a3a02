/**
 * What the lake holds now: the current generation first, then the chains of closed segments. Whatever is derived from them is made
 * once per change, not per answer. The speed store's markers tell whether the lake has lost manifests.
 */
import { endsWithin } from '#core/ends-within.ts'
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import {
  contentFault,
  type Gap,
  gapsOf,
  lakeFault,
  openFault,
  refusalFault,
  type ServedDataset,
  SNAPSHOT_TRIES_MAX,
  SnapshotError,
  segmentsBehind,
} from '../answers/snapshot.ts'

export interface LakeState {
  readonly generation: GenerationManifest | null
  readonly chains: readonly SegmentChain[]
  /** partition → end of its last closed segment */
  readonly ends: ReadonlyMap<number, Offset>
  /** closed segments behind the boundary */
  readonly segments: readonly SegmentManifest[]
  readonly gaps: readonly Gap[]
}

export interface FollowedLake extends Pick<ServedDataset, 'lake' | 'partitions'> {
  readonly dataset: Pick<ServedDataset['dataset'], 'name'>
  readonly store: Pick<SpeedStore, 'markers'>
  readonly log?: ServedDataset['log']
}

/** markers are compared with the lake when it changed, and at least this often */
const MARKERS_EVERY_MS = 1_000
/** a refresh waits no longer for a speed store that does not answer */
const MARKERS_MS_MAX = 1_000

export class LakeLook {
  readonly #served: FollowedLake
  #state: LakeState | null = null
  #markedAtMs = Number.NEGATIVE_INFINITY
  #marked = 0
  #asking: Promise<ReadonlyMap<number, Marker> | null> | null = null

  constructor(served: FollowedLake) {
    this.#served = served
  }

  /** The same object as long as nothing changed. @throws SnapshotError when the parts disagree; LakeError */
  async look(): Promise<LakeState> {
    let why = ''
    for (let attempt = 0; attempt < SNAPSHOT_TRIES_MAX; attempt++) {
      const state = await this.#read()
      if (state === this.#state && performance.now() - this.#markedAtMs < MARKERS_EVERY_MS) return state
      const fault = await this.#markerFault(state)
      if (fault === null) {
        this.#markedAtMs = performance.now()
        this.#state = state
        return state
      }
      why = fault
    }
    throw new SnapshotError(this.#served.dataset.name, why)
  }

  async #read(): Promise<LakeState> {
    const { lake, log, partitions, dataset } = this.#served
    const generation = await lake.current()
    const chains = await lake.chains(Math.max(partitions, generation?.boundary.length ?? 0, this.#marked))
    if (this.#state !== null && this.#state.generation === generation && this.#state.chains === chains)
      return this.#state
    const wrong = lakeFault(log?.identity, generation, chains)
    if (wrong !== null) throw new SnapshotError(dataset.name, wrong)
    const segments = segmentsBehind(generation, chains)
    return {
      generation,
      chains,
      ends: new Map(chains.map(({ partition, end }) => [partition, end])),
      segments,
      gaps: gapsOf(generation, segments),
    }
  }

  /** A store that cannot be read says nothing: the answers do not need it. */
  async #markerFault({ chains }: LakeState): Promise<string | null> {
    const { lake, log } = this.#served
    const lost = refusalFault(await lake.refusals())
    if (lost !== null) return lost
    const newest = await this.#markers()
    // The tail is read from the log itself: what the speed store counts is not part of the answers.
    const other = await contentFault(log, chains, new Map())
    if (other !== null || newest === null) return other
    this.#marked = 1 + Math.max(-1, ...newest.keys())
    if (this.#marked > chains.length)
      return `the speed store has ${this.#marked} partitions, but the lake was read for ${chains.length}`
    return openFault(newest.values(), chains)
  }

  /** A store that does not answer is waited for once, and then no more until it does. */
  async #markers(): Promise<ReadonlyMap<number, Marker> | null> {
    const waited = this.#asking !== null
    this.#asking ??= this.#served.store
      .markers()
      .catch(() => null)
      .finally(() => {
        this.#asking = null
      })
    const newest = this.#asking
    return (await endsWithin(newest, waited ? 0 : MARKERS_MS_MAX)) ? newest : null
  }
}
