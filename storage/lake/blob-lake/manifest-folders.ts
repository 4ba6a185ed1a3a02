/**
 * Where the manifests of segments are: a folder per partition, and in it a folder per range of offsets, and one of compacted segments.
 * Manifests that an earlier version wrote lie side by side in the root until they are moved.
 *
 * The root's sign of changes tells that a manifest was committed anywhere below: another look costs one call. What was changed by hand, or by a
 * process that died between a manifest and the sign, is seen when the folders are looked at the next time (Blobs.trustedMs).
 */
import { basename, dirname } from 'node:path/posix'
import { manifestPath, parsePartitionName, parseSegmentName, partitionName } from '../manifest-names.ts'
import { hasManifest, type SegmentCheckpoint } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { Blobs, Listing, NamesInFolder } from './blobs.ts'
import { CheckpointFiles, MANIFESTS } from './checkpoint-files.ts'
import { ASIDE, isManifestOrAside, PartitionFolder } from './partition-folder.ts'

/** A manifest that no version reads: earlier ones, which do not know the folders, refuse the lake instead of taking it for empty. */
const FENCE = 'p0000-9999999999999999.json'

export interface ManifestListing {
  /** changes when the names change */
  readonly version: number
  /** it was read just now, and not taken for unchanged by the root's sign */
  readonly fresh: boolean
  /** names of manifests that no checkpoint has, and of those that were set aside */
  readonly behind: readonly string[]
  /** by partition: what stands for the other manifests */
  readonly checkpoints: ReadonlyMap<number, SegmentCheckpoint>
}

export class ManifestFolders {
  readonly #blobs: Blobs
  readonly #dataset: string
  readonly #rootListing: NamesInFolder
  readonly #partitions = new Map<string, PartitionFolder>()
  readonly checkpoints: CheckpointFiles
  #listing: ManifestListing = { version: 0, fresh: true, behind: [], checkpoints: new Map() }
  #flat: ReadonlySet<string> = new Set()
  #state = ''
  #flatVersion = -1
  #trustedUntilMs = 0
  #lookedUntilMs = 0
  #trustedMark: string | null = null
  #isFenced = false

  constructor(blobs: Blobs, dataset: string) {
    this.#blobs = blobs
    this.#dataset = dataset
    this.checkpoints = new CheckpointFiles(blobs, dataset, () => this.forgetLook())
    this.#rootListing = blobs.namesIn(MANIFESTS, (name) => isManifestOrAside(name) || parsePartitionName(name) !== null)
  }

  /** Forces the next call to read the folders, whatever their modification times. */
  forget(): void {
    this.#trustedUntilMs = 0
    this.forgetLook()
    this.#rootListing.forget()
    for (const partition of this.#partitions.values()) partition.forget()
  }

  /** After a change that a last look does not have. */
  forgetLook(): void {
    this.#lookedUntilMs = 0
  }

  /** What was read a moment ago, as long as nothing was changed here; otherwise as `read`. */
  async lastLook(): Promise<ManifestListing> {
    return performance.now() < this.#lookedUntilMs ? { ...this.#listing, fresh: false } : this.read()
  }

  /** What checkpoints have, and the names behind them. */
  async read(): Promise<ManifestListing> {
    const root = await this.#readRoot()
    const nowMs = performance.now()
    if (root.mark !== null && root.mark === this.#trustedMark && nowMs < this.#trustedUntilMs)
      return { ...this.#listing, fresh: false }
    const read = await Promise.all(partitionsIn(root).map((name) => this.#partition(name).read(this.#flat)))
    this.#trustedMark = root.mark
    this.#trustedUntilMs = nowMs + this.#blobs.trustedMs
    this.#lookedUntilMs = this.#trustedUntilMs
    const state = [root.version, ...read.map((each) => each.state)].join(' ')
    if (state !== this.#state) {
      const found = read.flatMap(({ checkpoint }) => checkpoint ?? [])
      const checkpoints = new Map(found.map((checkpoint) => [checkpoint.partition, checkpoint]))
      const flat = [...this.#flat].filter((name) => {
        const checkpoint = checkpoints.get(parseSegmentName(name)?.partition ?? -1)
        return checkpoint === undefined || !hasManifest(checkpoint, name)
      })
      const behind = [...new Set([...flat, ...read.flatMap((each) => each.names)])]
      this.#listing = { version: this.#listing.version + 1, fresh: true, behind, checkpoints }
      this.#state = state
    }
    return this.#listing
  }

  /** The names of all manifests, also those that checkpoints have: for what must not depend on checkpoints. */
  async readAll(): Promise<readonly string[]> {
    const root = await this.#readRoot()
    const read = await Promise.all(partitionsIn(root).map((name) => this.#partition(name).readAll()))
    return [...new Set([...this.#flat, ...read.flatMap(({ names }) => names)])]
  }

  /** Numbers of the partitions that have a folder. */
  async partitions(): Promise<readonly number[]> {
    return partitionsIn(await this.#readRoot()).map((name) => parsePartitionName(name)!)
  }

  /** The names that a new segment must not contradict: of compacted segments that can have its start, and of manifests in the root. */
  async rivals({ partition, start }: Pick<SegmentManifest, 'partition' | 'start'>): Promise<readonly string[]> {
    await this.#readRoot()
    return [...this.#flat, ...(await this.#partition(partitionName(partition)).wideBeyond(start))]
  }

  /** What lies in the root, by name. */
  async flatNames(): Promise<readonly string[]> {
    this.#rootListing.forget()
    await this.#readRoot()
    return [...this.#flat].toSorted()
  }

  async #readRoot(): Promise<Listing> {
    const root = await this.#rootListing.read()
    if (root.version !== this.#flatVersion) this.#flat = new Set(root.names.filter(isManifestOrAside))
    this.#flatVersion = root.version
    return root
  }

  #partition(name: string): PartitionFolder {
    const known = this.#partitions.get(name)
    if (known) return known
    const partition = new PartitionFolder(this.#blobs, name, this.checkpoints)
    this.#partitions.set(name, partition)
    return partition
  }

  /** Path of a manifest by where the last reading found it; of an unknown one, the path that it would have. */
  pathOf(name: string): string {
    return this.#flat.has(name) ? `${MANIFESTS}/${name}` : this.newPathOf(name)
  }

  /** Path of a manifest in the folder where it belongs, or of one that was set aside. */
  newPathOf(name: string): string {
    return `${dirname(manifestPath(ASIDE.exec(name)?.[1] ?? name))}/${name}`
  }

  /** Creates a manifest exclusively and durably. @returns false if one of that name exists */
  async create(name: string, text: string): Promise<boolean> {
    const path = await this.makeRoom(name)
    try {
      return await this.#blobs.create(path, text, { sign: MANIFESTS })
    } finally {
      this.forgetAround(name)
    }
  }

  /** After a manifest was changed here: what is around it is read again. */
  forgetAround(name: string): void {
    this.#trustedUntilMs = 0
    this.forgetLook()
    this.#rootListing.forget()
    const folder = dirname(manifestPath(name))
    this.#partitions.get(basename(dirname(folder)))?.forget(basename(folder))
  }

  /** Makes the folder of a manifest. @returns the manifest's path */
  async makeRoom(name: string): Promise<string> {
    const path = this.newPathOf(name)
    await this.#blobs.makeFolder(dirname(path))
    await this.#fence()
    return path
  }

  async #fence(): Promise<void> {
    if (this.#isFenced) return
    const path = `${MANIFESTS}/${FENCE}`
    if ((await this.#blobs.stat(path)) === null) await this.#blobs.create(path, fenceText(this.#dataset))
    this.#isFenced = true
  }
}

function partitionsIn({ names }: Listing): readonly string[] {
  return names.filter((name) => parsePartitionName(name) !== null).toSorted()
}

function fenceText(dataset: string): string {
  const format: Pick<SegmentManifest, 'dataset'> & { readonly format: number; readonly about: string } = {
    format: 9,
    dataset,
    about:
      'Not a segment. Manifests are in the folders beside this file, which versions that read it as a manifest do not know.',
  }
  return `${JSON.stringify(format, null, 1)}\n`
}
