/**
 * What the lake holds now: the current generation first, then the chains of closed segments. Whatever is derived from them is made
 * once per change, not per answer. The speed store's markers tell whether the lake has lost manifests.
 */
import { BARRIER_THROUGH } from '#core/log-agreement.ts'
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { BriefLook, type BriefLookLimits } from '../answers/brief-look.ts'
import { contentFault, lakeFault, openFault, refusalFault } from '../answers/layer-faults.ts'
import {
  type Gap,
  gapsOf,
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
/** Without a speed store, answers are exact all the same: a refresh waits for it once, and then no more until it responds. */
const MARKERS_LOOK_LIMITS: BriefLookLimits = { waitMsMax: 1_000, restMs: 5_000 }

export class LakeLook {
  readonly #served: FollowedLake
  #state: LakeState | null = null
  #markedAtMs = Number.NEGATIVE_INFINITY
  #marked = 0
  readonly #markers = new BriefLook<'markers'>(MARKERS_LOOK_LIMITS)

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
    const counted = generation?.boundary ?? []
    const known = Math.max(partitions, counted.length, this.#marked)
    const chains = await lake.chains(known, { counted, after: counted })
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
    const { lake, log, store } = this.#served
    const lost = refusalFault(await lake.refusals())
    if (lost !== null) return lost
    const newest = await this.#markers.read('markers', () => store.markers()).catch(() => null)
    // The tail is read from the log itself: what the speed store counts is not part of the answers.
    const other = await contentFault(log, chains, new Map())
    if (other !== null || newest === null) return other
    this.#marked = 1 + Math.max(-1, ...newest.keys())
    if (this.#marked > chains.length)
      return `the speed store has ${this.#marked} partitions, but the lake was read for ${chains.length}`
    return openFault(newest.values(), chains) ?? (await this.#logFault(newest))
  }

  /** What was folded and is not in the log any more is in no answer that follows the log. Markers are read first: the log only grows. */
  async #logFault(newest: ReadonlyMap<number, Marker>): Promise<string | null> {
    const ends = await this.#served.log?.ends?.().catch(() => null)
    if (!ends) return null
    for (const { partition, through } of newest.values()) {
      const end = ends[partition]
      if (end !== undefined && through > end && through !== BARRIER_THROUGH)
        return `partition ${partition}: the log ends at offset ${end}, but the speed store counts events up to ${through}: the log lost them`
    }
    return null
  }
}
