/**
 * Reads chains of segments: what checkpoints stand for, and the manifests behind them. The parts of a checkpoint are opened only where
 * segments that they have are asked for.
 */
import type { Offset } from '#core/offsets.ts'
import type { Chains, ChainsOptions, OutlineOptions, SegmentChain } from '../lake.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { parseSegmentName, segmentManifestName } from '../manifest-names.ts'
import { buildChain, buildChains, type ChainSource } from '../segment-chain.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { ChainOutline, WantedGroup } from '../segment-outline.ts'
import type { CurrentManifests, LoadedManifests } from './chain-checkpoints.ts'
import type { ChainFollower } from './chain-follower.ts'
import { type OutlinedChain, outlineChain } from './chain-outline.ts'
import { pastsOf } from './chain-pasts.ts'
import { UnusablePartError } from './checkpoint-files.ts'
import type { ManifestFolders, ManifestListing } from './manifest-folders.ts'

const OPENED_AT_ONCE = 32
/** how often a listing that raced with a commit or a removal is read again before the lake counts as broken */
const LISTING_TRIES = 3
/** how many answers to different questions are kept while nothing changes */
const CHAINS_KEPT_MAX = 8

type AskedSegments = Omit<ChainsOptions, 'compacted'>

export interface ChainReaderParts {
  readonly dataset: string
  readonly folders: ManifestFolders
  /** where listings may be late */
  readonly follower: ChainFollower | null
  /** the manifests of these names, each read once */
  load(names: readonly string[]): Promise<LoadedManifests>
}

export class ChainReader {
  readonly #parts: ChainReaderParts
  /** by what was asked for; the first one was made longest ago */
  readonly #chains = new Map<string, { readonly key: string; readonly chains: Chains }>()

  constructor(parts: ChainReaderParts) {
    this.#parts = parts
  }

  /** After a change that was not made here. */
  forget(): void {
    this.#chains.clear()
  }

  async chains(partitions: number, { compacted, ...asked }: ChainsOptions): Promise<readonly SegmentChain[]> {
    const chains = await this.both(partitions, asked)
    return compacted ? chains.compacted : chains.closed
  }

  both(partitions: number, asked: AskedSegments): Promise<Chains> {
    return this.unraced(() => this.#build(partitions, asked))
  }

  chain(partition: number, counted: Offset): Promise<SegmentChain> {
    const upTo = Array.from({ length: partition + 1 }, () => counted)
    return this.unraced(async () => {
      const listing = await this.#parts.folders.read()
      const loaded = await this.#listed(listing, partition + 1)
      return buildChain(await this.#sourceOf(listing, loaded, { counted: upTo, after: upTo }, partition), partition)
    })
  }

  /** @throws LakeError as `chains`; of several faults that of one partition */
  outline(
    partitions: number,
    wanted: WantedGroup,
    { again = false }: OutlineOptions,
  ): Promise<readonly ChainOutline[]> {
    return this.unraced(async () => {
      const { folders, dataset } = this.#parts
      const listing = again ? await folders.lastLook() : await folders.read()
      const { manifests, damaged } = await this.#listed(listing, partitions)
      const behind = Map.groupBy(manifests.values(), ({ partition }) => partition)
      const damagedIn = [...damaged.keys()].map((name) => parseSegmentName(name)?.partition ?? 0)
      const last = Math.max(partitions - 1, ...behind.keys(), ...listing.checkpoints.keys(), ...damagedIn)
      const chains: ChainOutline[] = []
      for (let partition = 0; partition <= last; partition++) {
        const checkpoint = listing.checkpoints.get(partition) ?? null
        const chain = { dataset, partition, checkpoint, behind: behind.get(partition) ?? [], damaged }
        const open: OutlinedChain['open'] = (of, parts) =>
          folders.checkpoints.segments(of, (part) => parts.includes(part))
        chains.push(await outlineChain({ ...chain, open }, wanted))
      }
      return chains
    })
  }

  /** Once more where a listing raced with a change, or a checkpoint turned out to be of no use. */
  async unraced<T>(read: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await read()
      } catch (error) {
        const raced = (error instanceof LakeError && error.code === 'chain-broken') || isMissing(error)
        if (!(raced || error instanceof UnusablePartError) || tries === LISTING_TRIES) throw error
        this.#parts.folders.forget()
      }
    }
  }

  /**
   * What chains are built from, without what a late listing lacks. For the holder of the batch lock, who alone changes what is not new: what
   * it has seen a moment ago is not looked at again. @throws LakeError if a manifest behind checkpoints is damaged
   */
  async current(): Promise<CurrentManifests> {
    const listing = await this.#parts.folders.lastLook()
    const { manifests, damaged } = await this.#parts.load(listing.behind)
    for (const error of damaged.values()) throw error
    return { manifests, checkpoints: listing.checkpoints }
  }

  /** The manifests behind checkpoints, also those that a late listing lacks. */
  async #listed(listing: ManifestListing, partitions: number): Promise<LoadedManifests> {
    const loaded = await this.#parts.load(listing.behind)
    if (this.#parts.follower === null) return loaded
    const begun = new Map([...listing.checkpoints].map(([partition, { end }]) => [partition, end]))
    return this.#parts.follower.follow(loaded, partitions, { begun, fresh: listing.fresh })
  }

  async #build(partitions: number, asked: AskedSegments): Promise<Chains> {
    const listing = await this.#parts.folders.read()
    const question = `${partitions} ${asked.after?.join() ?? ''}`
    const known = this.#chains.get(question)
    const isWhole = known?.key === keyOf(this.#versionOf(listing), [], undefined)
    if (known !== undefined && isWhole && !(this.#parts.follower && listing.fresh)) return known.chains
    const loaded = await this.#listed(listing, partitions)
    const key = keyOf(this.#versionOf(listing), [...loaded.damaged.keys()], asked.counted)
    // A damaged manifest is read each time, because it may have been restored; the same ones give the same chains.
    if (known?.key === key) return known.chains
    const chains = buildChains(await this.#sourceOf(listing, loaded, asked), partitions)
    this.#chains.delete(question)
    this.#chains.set(question, { key, chains })
    for (const oldest of this.#chains.keys()) if (this.#chains.size > CHAINS_KEPT_MAX) this.#chains.delete(oldest)
    return chains
  }

  /** Opens the parts of checkpoints only where segments that they have are asked for. @param only default: all partitions */
  async #sourceOf(
    { checkpoints }: ManifestListing,
    { manifests: behind, damaged }: LoadedManifests,
    { counted, after = [] }: AskedSegments,
    only?: number,
  ): Promise<ChainSource> {
    const pasts = pastsOf(checkpoints, behind.values(), after)
    const opened = [...checkpoints].filter(([partition]) => only === undefined || only === partition)
    const manifests = new Map<string, SegmentManifest>()
    let fault: PromiseRejectedResult | undefined
    for (let from = 0; from < opened.length; from += OPENED_AT_ONCE) {
      const some = opened.slice(from, from + OPENED_AT_ONCE)
      const read = await Promise.allSettled(
        some.map(([partition, checkpoint]) =>
          this.#parts.folders.checkpoints.segments(checkpoint, ({ end }) => end > (pasts.get(partition)?.end ?? 0)),
        ),
      )
      for (const each of read)
        if (each.status === 'rejected') fault ??= each
        else for (const segment of each.value) manifests.set(segmentManifestName(segment), segment)
    }
    // After all of them, so that none is used the next time.
    if (fault !== undefined) throw fault.reason
    for (const [name, segment] of behind) manifests.set(name, segment)
    return { dataset: this.#parts.dataset, manifests, damaged, counted, pasts }
  }

  #versionOf({ version }: ManifestListing): string {
    return `${version}.${this.#parts.follower?.version ?? 0}`
  }
}

/** What the chains depend on. Where nothing is damaged, `counted` has no effect. */
function keyOf(version: string, damaged: readonly string[], counted: readonly Offset[] | undefined): string {
  return damaged.length === 0 ? version : JSON.stringify([version, damaged, counted])
}
