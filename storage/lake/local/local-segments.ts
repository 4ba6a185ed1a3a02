/** Segments in a local or shared folder: `segments/p0000/*.parquet`, and their commit records in `manifests/`. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { SegmentChain, StagedFile } from '../lake.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import {
  coveringName,
  offsetName,
  parseSegmentName,
  partitionName,
  segmentFileEnding,
  segmentManifestName,
} from '../manifest-names.ts'
import { damaged, manifestText, readSegmentManifest } from '../manifest-text.ts'
import { buildChains, type Chains } from '../segment-chain.ts'
import { needlessSegmentFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import { createExclusive, fsyncFolder, makeFolder, randomName, removeFile } from './durable-files.ts'
import { FolderListing } from './folder-listing.ts'
import { stageFile, type Unnamed } from './local-staged-file.ts'

const READS_AT_ONCE = 32
/** how often a listing that raced with a commit or a removal is read again before the lake counts as broken */
const LISTING_TRIES = 3

export interface LocalSegmentsOptions {
  readonly folder: string
  readonly dataset: string
  readonly step: StepHook
  readonly resolve: (file: LakeFile) => string
}

export type SegmentCommit =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'lost'; readonly winner: SegmentManifest }

export class LocalSegments {
  readonly #options: LocalSegmentsOptions
  readonly #manifests: string
  readonly #listing: FolderListing
  readonly #unnamed: Unnamed = new Set()
  #parsed: ReadonlyMap<string, SegmentManifest> = new Map()
  #chains: { readonly version: number; readonly partitions: number; readonly chains: Chains } | null = null

  constructor(options: LocalSegmentsOptions) {
    this.#options = options
    this.#manifests = join(options.folder, 'manifests')
    this.#listing = new FolderListing(this.#manifests, (name) => parseSegmentName(name) !== null)
  }

  async stage(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    if (!/^[a-z0-9][a-z0-9_-]*$/.test(kind)) throw new RangeError(`lake: '${kind}' is not allowed in a file name`)
    const path = `segments/${partitionName(partition)}/${offsetName(start)}-${kind}-${randomName()}.${segmentFileEnding(kind)}`
    await makeFolder(join(this.#options.folder, 'segments', partitionName(partition)))
    return stageFile(this.#options.folder, path, this.#unnamed)
  }

  async commit(manifest: SegmentManifest): Promise<SegmentCommit> {
    const name = segmentManifestName(manifest)
    const mine = this.#claim(manifest)
    await this.#options.step('segment:before-manifest')
    let winnerName = name
    if (await this.#create(name, manifest)) {
      await this.#options.step('segment:manifest-linked')
      const covering = await this.#covering(manifest)
      if (covering === null) return { outcome: 'committed' }
      await removeFile(join(this.#manifests, name))
      winnerName = covering
    }
    const winner = await this.#load(winnerName)
    const named = new Set(segmentFiles(winner).map((file) => file.path))
    for (const path of mine) if (!named.has(path)) await removeFile(join(this.#options.folder, path))
    return { outcome: 'lost', winner }
  }

  async commitCompacted(manifest: SegmentManifest): Promise<void> {
    const name = segmentManifestName(manifest)
    this.#claim(manifest)
    if (await this.#create(name, manifest)) return
    throw new LakeError(
      'already-committed',
      `lake, dataset '${this.#options.dataset}': '${name}' already exists; a compacted segment is committed only once`,
    )
  }

  async chains(partitions: number, compacted: boolean): Promise<readonly SegmentChain[]> {
    for (let tries = 1; ; tries++) {
      try {
        const chains = await this.#build(partitions)
        return compacted ? chains.compacted : chains.closed
      } catch (error) {
        const raced = (error instanceof LakeError && error.code === 'chain-broken') || isMissing(error)
        if (!raced || tries === LISTING_TRIES) throw error
        this.#listing.forget()
      }
    }
  }

  /** All manifests, including replaced ones. */
  async all(): Promise<ReadonlyMap<string, SegmentManifest>> {
    const { names } = await this.#listing.read()
    return this.#loadAll(names)
  }

  /** See Lake.removeReplaced. Manifests are removed before the files that they name, so that no manifest names a missing file. */
  async removeReplaced(boundary: readonly Offset[], olderThanMs: number): Promise<number> {
    this.#listing.forget()
    const needless = needlessSegmentFiles(await this.all(), boundary, olderThanMs)
    for (const name of needless.manifests) await removeFile(join(this.#manifests, name))
    if (needless.manifests.length > 0) await fsyncFolder(this.#manifests)
    const present = await this.present()
    let freed = 0
    for (const file of needless.files) {
      if (present.has(file.path) && (await removeFile(join(this.#options.folder, file.path)))) freed += file.bytes
    }
    return freed
  }

  /** Paths of all files below `segments/`, relative to the dataset's folder. */
  async present(): Promise<ReadonlySet<string>> {
    const paths = new Set<string>()
    for (const folder of await names(join(this.#options.folder, 'segments'))) {
      const below = await names(join(this.#options.folder, 'segments', folder))
      for (const name of below) paths.add(`segments/${folder}/${name}`)
    }
    return paths
  }

  /** Marks the manifest's files as referenced; returns those that this handle staged. @throws if one is missing or damaged */
  #claim(manifest: SegmentManifest): string[] {
    const files = segmentFiles(manifest)
    for (const file of files) this.#options.resolve(file)
    return files.map((file) => file.path).filter((path) => this.#unnamed.delete(path))
  }

  /** A compacted segment that already contains these offsets: the name was free only because the winning segment was replaced. */
  async #covering(manifest: SegmentManifest): Promise<string | null> {
    return coveringName((await this.#listing.read()).names, manifest.partition, manifest.start)
  }

  async #create(name: string, manifest: SegmentManifest): Promise<boolean> {
    const text = manifestText(manifest, `manifests/${name}`)
    await makeFolder(this.#manifests)
    const created = await createExclusive(join(this.#manifests, name), text)
    this.#listing.forget()
    return created
  }

  async #build(partitions: number): Promise<Chains> {
    const { version, names } = await this.#listing.read()
    if (this.#chains?.version === version && this.#chains.partitions === partitions) return this.#chains.chains
    const chains = buildChains(this.#options.dataset, await this.#loadAll(names), partitions)
    this.#chains = { version, partitions, chains }
    return chains
  }

  async #loadAll(names: readonly string[]): Promise<ReadonlyMap<string, SegmentManifest>> {
    const parsed = new Map<string, SegmentManifest>()
    for (let from = 0; from < names.length; from += READS_AT_ONCE) {
      const some = names.slice(from, from + READS_AT_ONCE)
      const loaded = await Promise.all(some.map((name) => this.#parsed.get(name) ?? this.#load(name)))
      for (const [index, name] of some.entries()) parsed.set(name, loaded[index]!)
    }
    this.#parsed = parsed
    return parsed
  }

  async #load(name: string): Promise<SegmentManifest> {
    const path = join(this.#manifests, name)
    const manifest = readSegmentManifest(await readFile(path, 'utf8'), path)
    if (manifest.dataset !== this.#options.dataset) {
      throw damaged(
        path,
        `field 'dataset' is '${manifest.dataset}', but this is the lake of '${this.#options.dataset}'`,
      )
    }
    if (segmentManifestName(manifest) !== name) {
      throw damaged(
        path,
        `fields 'partition', 'start' and 'end' do not match the file name; they belong to '${segmentManifestName(manifest)}'`,
      )
    }
    return manifest
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await stat(folder)).isDirectory() ? await readdir(folder) : []
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
