/** The folder of one partition's manifests: a folder per range of offsets, one of compacted segments, and one of checkpoints. */
import { dirname } from 'node:path/posix'
import type { Offset } from '#core/offsets.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { isRangeName, manifestPath, parsePartitionName, parseSegmentName, rangeName, WIDE } from '../manifest-names.ts'
import {
  checkpointNumber,
  compactedIn,
  hasManifest,
  isCovered,
  newestCheckpoint,
  type SegmentCheckpoint,
} from '../segment-checkpoint.ts'
import type { Blobs, NamesInFolder } from './blobs.ts'
import { CHECKPOINTS, type CheckpointFiles, MANIFESTS } from './checkpoint-files.ts'

/** The name of a damaged manifest that a repair replaced or set aside. */
export const ASIDE = /^(.+\.json)\.damaged-[0-9a-f]{12}$/

export function isManifestOrAside(name: string): boolean {
  return parseSegmentName(ASIDE.exec(name)?.[1] ?? name) !== null
}

export interface PartitionListing {
  /** changes when anything else does */
  readonly state: string
  /** of manifests that no checkpoint has, and of those that were set aside */
  readonly names: readonly string[]
  /** what stands for the manifests before its end; null: they are all among the names */
  readonly checkpoint: SegmentCheckpoint | null
}

/** What folders have; `state` as in PartitionListing. */
interface Listed {
  readonly state: string
  /** of ranges */
  readonly narrow: () => readonly string[]
  /** of compacted segments: the same array as long as they are the same */
  readonly wide: readonly string[]
}

/** What was read of a checkpoint and the folders behind it. */
interface Known {
  readonly flat: ReadonlySet<string>
  readonly listing: PartitionListing
  /** name in a range → whether the checkpoint stands for it */
  readonly had: ReadonlyMap<string, boolean>
}

/** What a checkpoint is to the names of compacted segments, which are many and seldom change. */
interface KnownWide {
  readonly checkpoint: SegmentCheckpoint
  readonly flat: ReadonlySet<string>
  readonly wide: readonly string[]
  /** whether all compacted segments that the checkpoint has are there, or what took their place */
  readonly areCovered: boolean
  /** those that it does not have */
  readonly behind: readonly string[]
}

export class PartitionFolder {
  readonly #blobs: Blobs
  readonly #folder: string
  readonly #path: string
  readonly #checkpoints: CheckpointFiles
  readonly #within: NamesInFolder
  readonly #saved: NamesInFolder
  readonly #listings = new Map<string, NamesInFolder>()
  #known: Known | null = null
  #knownWide: KnownWide | null = null
  /** where the last one of the compacted segments ends */
  #reach: { readonly names: readonly string[]; readonly end: Offset } = { names: [], end: 0 }

  /** @param folder its name, such as p0003 */
  constructor(blobs: Blobs, folder: string, checkpoints: CheckpointFiles) {
    this.#blobs = blobs
    this.#folder = folder
    this.#path = `${MANIFESTS}/${folder}`
    this.#checkpoints = checkpoints
    this.#within = blobs.namesIn(this.#path, isRangeName)
    this.#saved = blobs.namesIn(`${this.#path}/${CHECKPOINTS}`, (name) => checkpointNumber(name) !== null)
  }

  /** Forces the next reading to list the folders, whatever their modification times. @param folder only this one, and the partition's */
  forget(folder?: string): void {
    this.#within.forget()
    this.#saved.forget()
    for (const [name, listing] of this.#listings) if (folder === undefined || name === folder) listing.forget()
  }

  /** The newest checkpoint, and what is behind it. @param flat names of manifests that lie outside of this folder */
  async read(flat: ReadonlySet<string>): Promise<PartitionListing> {
    const name = newestCheckpoint((await this.#saved.read()).names)
    const checkpoint = name === null ? null : await this.#load(name)
    if (checkpoint === null) return this.readAll()
    const last = parseSegmentName(checkpoint.parts.at(-1)!.newest)!
    const from = rangeName(last.end === null ? last.start : checkpoint.end)
    const listed = await this.#list((range) => range >= from)
    const state = `${name} ${listed.state}`
    const known = this.#known
    if (known?.flat === flat && known.listing.state === state && known.listing.checkpoint === checkpoint)
      return known.listing
    const names = listed.narrow()
    const compacted = this.#compactedOf(checkpoint, flat, listed.wide)
    const hasLast =
      last.end !== null ||
      names.includes(last.name) ||
      isCovered(checkpoint, last.name, new Set([...flat, ...listed.wide]))
    if (!hasLast || !compacted.areCovered) return this.readAll()
    const had = new Map(
      names.map((one) => [
        one,
        (known?.listing.checkpoint === checkpoint ? known.had.get(one) : undefined) ?? hasManifest(checkpoint, one),
      ]),
    )
    const listing = { state, names: [...names.filter((one) => !had.get(one)), ...compacted.behind], checkpoint }
    this.#known = { flat, listing, had }
    return listing
  }

  #compactedOf(checkpoint: SegmentCheckpoint, flat: ReadonlySet<string>, wide: readonly string[]): KnownWide {
    const known = this.#knownWide
    if (known?.checkpoint === checkpoint && known.flat === flat && known.wide === wide) return known
    const listed = new Set([...flat, ...wide])
    this.#knownWide = {
      ...{ checkpoint, flat, wide },
      areCovered: compactedIn(checkpoint).every((name) => isCovered(checkpoint, name, listed)),
      behind: wide.filter((name) => !hasManifest(checkpoint, name)),
    }
    return this.#knownWide
  }

  /** All manifests, also those that a checkpoint has. */
  async readAll(): Promise<PartitionListing> {
    const { state, narrow, wide } = await this.#list(() => true)
    return { state, names: [...narrow(), ...wide], checkpoint: null }
  }

  /** Names of compacted segments; none where all of them end at or before the offset, as they do where a new segment begins. */
  async wideBeyond(offset: Offset): Promise<readonly string[]> {
    const { names } = await this.#at(WIDE).read()
    if (names !== this.#reach.names) this.#reach = { names, end: endOf(names) }
    return this.#reach.end > offset ? names : []
  }

  /** Compacted segments are listed last: what they replace is removed after they are there. */
  async #list(wanted: (range: string) => boolean): Promise<Listed> {
    const within = await this.#within.read()
    const ranges = await Promise.all(within.names.filter(wanted).map((range) => this.#at(range).read()))
    const wide = await this.#at(WIDE).read()
    const state = [within, ...ranges, wide].map(({ version }) => version).join('.')
    return { state, narrow: () => ranges.flatMap(({ names }) => names), wide: wide.names }
  }

  /** Only what belongs into the folder. */
  #at(folder: string): NamesInFolder {
    const known = this.#listings.get(folder)
    if (known) return known
    const place = `${this.#path}/${folder}`
    const listing = this.#blobs.namesIn(place, (name) => {
      return isManifestOrAside(name) && dirname(manifestPath(ASIDE.exec(name)?.[1] ?? name)) === place
    })
    this.#listings.set(folder, listing)
    return listing
  }

  /** null where it cannot be used: the manifests are read instead */
  async #load(name: string): Promise<SegmentCheckpoint | null> {
    try {
      const found = await this.#checkpoints.load(parsePartitionName(this.#folder)!, name)
      return found instanceof LakeError ? null : found
    } catch (error) {
      // A newer one took its place after the folder was listed.
      if (!isMissing(error)) throw error
      this.#saved.forget()
      return null
    }
  }
}

function endOf(wide: readonly string[]): Offset {
  return wide.reduce((end, name) => Math.max(end, parseSegmentName(name)?.end ?? 0), 0)
}
