/** Segments: `segments/p0000/*.parquet`, and their commit records in `manifests/`. */
import { randomBytes } from 'node:crypto'
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { Chains, ChainsOptions, OutlineOptions, SegmentChain, SegmentShare, StagedFile } from '../lake.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import {
  coveringName,
  manifestOfFile,
  manifestPath,
  offsetName,
  parseSegmentName,
  partitionName,
  segmentFileEnding,
  segmentManifestName,
} from '../manifest-names.ts'
import { damaged, HEAL_SEGMENT, manifestText, readSegmentManifest } from '../manifest-text.ts'
import { compactedIn } from '../segment-checkpoint.ts'
import { segmentFiles, storedFiles } from '../segment-files.ts'
import type { ClosingSegment, SegmentManifest } from '../segment-manifest.ts'
import type { ChainOutline, WantedGroup } from '../segment-outline.ts'
import type { Blobs } from './blobs.ts'
import type { CurrentManifests, LoadedManifests } from './chain-checkpoints.ts'
import { ChainFollower } from './chain-follower.ts'
import { ChainReader } from './chain-reader.ts'
import { ManifestFolders } from './manifest-folders.ts'
import { ASIDE } from './partition-folder.ts'
import { SharedFiles } from './shared-files.ts'
import { stageFile, type Unnamed } from './staged-segment-file.ts'

const SEGMENTS = 'segments'
const READS_AT_ONCE = 32

export interface BlobSegmentsOptions {
  readonly blobs: Blobs
  readonly dataset: string
  readonly step: StepHook
}

export type SegmentCommit =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'lost'; readonly winner: SegmentManifest }

export class BlobSegments {
  readonly #options: BlobSegmentsOptions
  readonly #blobs: Blobs
  readonly folders: ManifestFolders
  readonly #unnamed: Unnamed = new Set()
  readonly #shared: SharedFiles
  /** of what is listed behind checkpoints, by file name */
  #parsed = new Map<string, SegmentManifest>()
  /** of all manifests, where they were asked for */
  #all = new Map<string, SegmentManifest>()
  /** names that damaged manifests were given when others took their place */
  readonly #aside = new Set<string>()
  readonly #chains: ChainReader

  constructor(options: BlobSegmentsOptions) {
    this.#options = options
    this.#blobs = options.blobs
    this.#shared = new SharedFiles(options.blobs, this.#unnamed)
    this.folders = new ManifestFolders(options.blobs, options.dataset)
    this.#chains = new ChainReader({
      dataset: options.dataset,
      folders: this.folders,
      follower: options.blobs.listsLate ? new ChainFollower((name) => this.#tryLoad(name)) : null,
      load: (behind) => this.#loadBehind(behind),
    })
  }

  get dataset(): string {
    return this.#options.dataset
  }

  async stage(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    return stageFile(this.#blobs, await this.#newPath(partition, start, kind), this.#unnamed)
  }

  get sharesFiles(): boolean {
    return this.#blobs.landTogether !== undefined
  }

  /** see Lake.shareFiles */
  share(segment: ClosingSegment): SegmentShare | null {
    if (!this.sharesFiles) return null
    return this.#shared.join(segment, (kind) => this.#newPath(segment.partition, segment.start, kind))
  }

  async #newPath(partition: number, start: Offset, kind: string): Promise<string> {
    if (!/^[a-z0-9][a-z0-9_-]*$/.test(kind)) throw new RangeError(`lake: '${kind}' is not allowed in a file name`)
    const folder = `${SEGMENTS}/${partitionName(partition)}`
    await this.#blobs.makeFolder(folder)
    return `${folder}/${offsetName(start)}-${kind}-${randomBytes(6).toString('hex')}.${segmentFileEnding(kind)}`
  }

  async commit(manifest: SegmentManifest): Promise<SegmentCommit> {
    const name = segmentManifestName(manifest)
    const mine = await this.#claim(manifest)
    await this.#options.step('segment:before-manifest')
    let winnerName = name
    if (await this.#create(name, manifest)) {
      await this.#options.step('segment:manifest-linked')
      const earlier = await this.#earlier(manifest)
      if (earlier === null) return { outcome: 'committed' }
      await this.#blobs.remove(this.folders.newPathOf(name))
      this.folders.forgetAround(name)
      winnerName = earlier
    }
    const winner = await this.#load(winnerName)
    const named = new Set(segmentFiles(winner).map((file) => file.path))
    // A file that segments share stays: the manifests of the others may name it.
    for (const path of mine) if (!named.has(path)) await this.#blobs.remove(path)
    return { outcome: 'lost', winner }
  }

  async commitCompacted(manifest: SegmentManifest): Promise<void> {
    const name = segmentManifestName(manifest)
    await this.#claim(manifest)
    if (await this.#create(name, manifest)) return
    throw new LakeError(
      'already-committed',
      `lake, dataset '${this.#options.dataset}': '${name}' already exists; a compacted segment is committed only once`,
    )
  }

  chains(partitions: number, options: ChainsOptions): Promise<readonly SegmentChain[]> {
    return this.#chains.chains(partitions, options)
  }

  bothChains(partitions: number, asked: Omit<ChainsOptions, 'compacted'>): Promise<Chains> {
    return this.#chains.both(partitions, asked)
  }

  outline(partitions: number, wanted: WantedGroup, options: OutlineOptions): Promise<readonly ChainOutline[]> {
    return this.#chains.outline(partitions, wanted, options)
  }

  chain(partition: number, counted: Offset): Promise<SegmentChain> {
    return this.#chains.chain(partition, counted)
  }

  /** Names of compacted segments and summaries, and of manifests that were set aside. */
  async rearranged(): Promise<readonly string[]> {
    const { behind, checkpoints } = await this.folders.read()
    const named = behind.filter((name) => ASIDE.test(name) || parseSegmentName(name)?.end != null)
    return [...new Set([...named, ...[...checkpoints.values()].flatMap(compactedIn)])].toSorted()
  }

  /** What chains are built from. @throws LakeError if a manifest behind checkpoints is damaged */
  current(): Promise<CurrentManifests> {
    return this.#chains.current()
  }

  /** Once more where a listing raced with a change, or a checkpoint turned out to be of no use. */
  unraced<T>(read: () => Promise<T>): Promise<T> {
    return this.#chains.unraced(read)
  }

  /** All manifests, including replaced ones. @throws LakeError if one is damaged */
  async all(): Promise<ReadonlyMap<string, SegmentManifest>> {
    const { manifests, damaged } = await this.readable()
    for (const error of damaged.values()) throw error
    return manifests
  }

  /** All manifests that can be read, and why the others cannot. @throws LakeError 'manifest-format' if another version wrote one */
  async readable(): Promise<LoadedManifests> {
    const names = await this.folders.readAll()
    const loaded = await this.#loadAll(names, (name) => this.#all.get(name) ?? this.#parsed.get(name))
    this.#all = loaded.manifests
    return loaded
  }

  /** After a change that was not made here. */
  forget(): void {
    this.folders.forget()
    this.#chains.forget()
  }

  /** After a repair that was not made here: a manifest of a known name may be another one. */
  forgetRead(): void {
    this.#parsed = new Map()
    this.#all = new Map()
    this.forget()
  }

  /** Whether the manifest of the segment that a file is called by names it: asked for by name, where listings are late. */
  async isNamed(path: string): Promise<boolean> {
    const name = manifestOfFile(path)
    if (name === null || !this.#blobs.listsLate) return false
    try {
      return storedFiles(segmentFiles(await this.#load(name))).some((file) => file.path === path)
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }

  /** Paths of all files below `segments/`, relative to the dataset's folder. */
  async present(): Promise<ReadonlySet<string>> {
    const paths = new Set<string>()
    for (const folder of await this.#blobs.names(SEGMENTS)) {
      const below = await this.#blobs.names(`${SEGMENTS}/${folder}`)
      for (const name of below) paths.add(`${SEGMENTS}/${folder}/${name}`)
    }
    return paths
  }

  /** Marks the manifest's files as referenced; returns those that this handle staged. @throws if one is missing or damaged */
  async #claim(manifest: SegmentManifest): Promise<string[]> {
    const files = segmentFiles(manifest)
    await this.#blobs.assertThere(storedFiles(files))
    return files.map((file) => file.path).filter((path) => this.#unnamed.delete(path))
  }

  /**
   * A compacted segment that already contains these offsets: the name was free only because the winning segment was replaced. Or one of
   * this name that an earlier version committed, which is not in its folder yet.
   */
  async #earlier(manifest: SegmentManifest): Promise<string | null> {
    const [names, own] = [await this.folders.rivals(manifest), segmentManifestName(manifest)]
    return names.includes(own) ? own : coveringName(names, manifest.partition, manifest.start)
  }

  #create(name: string, manifest: SegmentManifest): Promise<boolean> {
    return this.folders.create(name, manifestText(manifest, manifestPath(name)))
  }

  async #loadBehind(behind: readonly string[]): Promise<LoadedManifests> {
    const loaded = await this.#loadAll(behind, (name) => this.#parsed.get(name))
    this.#parsed = loaded.manifests
    return loaded
  }

  async #loadAll(
    listed: readonly string[],
    known: (name: string) => SegmentManifest | undefined,
  ): Promise<{ readonly manifests: Map<string, SegmentManifest>; readonly damaged: Map<string, LakeError> }> {
    this.#forgetReplaced(listed)
    const manifests = new Map<string, SegmentManifest>()
    const damaged = new Map<string, LakeError>()
    const unread: string[] = []
    for (const name of listed) {
      const one = known(name)
      if (one !== undefined) manifests.set(name, one)
      else if (!ASIDE.test(name)) unread.push(name)
    }
    for (let from = 0; from < unread.length; from += READS_AT_ONCE) {
      const some = unread.slice(from, from + READS_AT_ONCE)
      const loaded = await Promise.all(some.map((name) => this.#tryLoad(name)))
      for (const [index, name] of some.entries()) {
        const one = loaded[index]!
        if (one instanceof LakeError) damaged.set(name, one)
        else manifests.set(name, one)
      }
    }
    return { manifests, damaged }
  }

  /** A manifest that was read before it was damaged may have another in its place, with other files. */
  #forgetReplaced(listed: readonly string[]): void {
    for (const name of listed) {
      if (name.endsWith('.json')) continue
      const replaced = ASIDE.exec(name)?.[1]
      if (replaced === undefined || this.#aside.has(name)) continue
      this.#aside.add(name)
      this.#parsed.delete(replaced)
      this.#all.delete(replaced)
    }
  }

  async #tryLoad(name: string): Promise<SegmentManifest | LakeError> {
    try {
      return await this.#load(name)
    } catch (error) {
      if (error instanceof LakeError && error.code === 'manifest-damaged') return error
      throw error
    }
  }

  /** A manifest that was listed in the root may have been moved since. */
  async #text(name: string): Promise<string> {
    const [listed, moved] = [this.folders.pathOf(name), this.folders.newPathOf(name)]
    try {
      return await this.#blobs.read(listed)
    } catch (error) {
      if (isMissing(error) && moved !== listed) return this.#blobs.read(moved)
      throw error
    }
  }

  async #load(name: string): Promise<SegmentManifest> {
    const path = this.#blobs.nameOf(this.folders.pathOf(name))
    const manifest = readSegmentManifest(await this.#text(name), path)
    if (manifest.dataset !== this.#options.dataset) {
      throw damaged(
        path,
        `field 'dataset' is '${manifest.dataset}', but this is the lake of '${this.#options.dataset}'`,
        { remedy: HEAL_SEGMENT },
      )
    }
    if (segmentManifestName(manifest) !== name) {
      throw damaged(
        path,
        `fields 'partition', 'start' and 'end' do not match the file name; they belong to '${segmentManifestName(manifest)}'`,
        { remedy: HEAL_SEGMENT },
      )
    }
    return manifest
  }
}
