/** Segments of a lake in memory: the same order of effects as in a local or shared folder. */
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { CompactionMark } from '../compaction-mark.ts'
import type {
  Chains,
  ChainsOptions,
  LandedFile,
  Rearrangements,
  RemovalOptions,
  SegmentChain,
  StagedFile,
} from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import {
  coveringName,
  offsetName,
  parseSegmentFile,
  partitionName,
  segmentFileEnding,
  segmentManifestName,
} from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import { buildChain, buildChains, type ChainSource, cutChain } from '../segment-chain.ts'
import { needlessSegmentFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import { type ChainOutline, outlineOf, type SegmentGroup, type WantedGroup } from '../segment-outline.ts'
import { copyOf, type MemoryLakeFolder, sha256, UNFINISHED } from './memory-folder.ts'

const OUTLINED_TOGETHER = 2

/** Files that manifests name. */
interface NamedFiles {
  /** @throws LakeError if it does not exist or has another size */
  resolve(file: LakeFile): string
}

export class MemorySegments {
  readonly #dataset: string
  readonly #folder: MemoryLakeFolder
  readonly #files: NamedFiles
  readonly #step: StepHook
  readonly #pause: () => Promise<void>
  readonly #unnamed = new Set<string>()

  constructor(
    dataset: string,
    folder: MemoryLakeFolder,
    files: NamedFiles,
    step: StepHook,
    pause: () => Promise<void>,
  ) {
    this.#dataset = dataset
    this.#folder = folder
    this.#files = files
    this.#step = step
    this.#pause = pause
  }

  async stageFile(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    await this.#pause()
    const unique = String(++this.#folder.fileCount).padStart(12, '0')
    return this.stage(
      `segments/${partitionName(partition)}/${offsetName(start)}-${kind}-${unique}.${segmentFileEnding(kind)}`,
    )
  }

  async commit(
    manifest: SegmentManifest,
  ): Promise<{ readonly outcome: 'committed' } | { readonly outcome: 'lost'; readonly winner: SegmentManifest }> {
    const mine = this.#claim(manifest)
    await this.#step('segment:before-manifest')
    await this.#pause()
    const { manifests } = this.#folder
    const name = segmentManifestName(manifest)
    let winner = manifests.get(name)
    if (!winner) {
      manifests.set(name, copyOf(manifest))
      await this.#step('segment:manifest-linked')
      await this.#pause()
      const covering = coveringName(manifests.keys(), manifest.partition, manifest.start)
      if (covering === null) return { outcome: 'committed' }
      manifests.delete(name)
      winner = manifests.get(covering)!
    }
    await this.#pause()
    const named = new Set(segmentFiles(winner).map((file) => file.path))
    for (const path of mine) if (!named.has(path)) this.#folder.files.delete(path)
    return { outcome: 'lost', winner }
  }

  async compactionMark(): Promise<CompactionMark | null> {
    await this.#pause()
    return this.#folder.compacted
  }

  async markCompaction(mark: CompactionMark): Promise<void> {
    await this.#pause()
    this.#folder.compacted = copyOf(mark)
  }

  async chains(partitions: number, options?: ChainsOptions): Promise<readonly SegmentChain[]> {
    const { closed, compacted } = await this.bothChains(partitions, options)
    return options?.compacted ? compacted : closed
  }

  async bothChains(partitions: number, { after = [] }: ChainsOptions = {}): Promise<Chains> {
    await this.#pause()
    const { closed, compacted } = buildChains(this.#chainSource, partitions)
    const cut = (chain: SegmentChain): SegmentChain => cutChain(chain, after[chain.partition] ?? 0)
    return { closed: closed.map(cut), compacted: compacted.map(cut) }
  }

  async outline(partitions: number, wanted: WantedGroup): Promise<readonly ChainOutline[]> {
    const chains = await this.chains(partitions, { compacted: true })
    return chains.map(({ partition, segments, end }) => {
      const groups: SegmentGroup[] = []
      for (let at = 0; at < segments.length; at += OUTLINED_TOGETHER) {
        const some = segments.slice(at, at + OUTLINED_TOGETHER)
        const isSummarized = some.some(({ kind }) => kind === 'summary')
        const range = { start: some[0]!.start, end: some.at(-1)!.end }
        const group = { ...range, isSummarized, outline: outlineOf(some) }
        groups.push({ ...group, segments: wanted(group, partition) ? some : null })
      }
      return { partition, groups, end }
    })
  }

  async chain(partition: number, counted: Offset): Promise<SegmentChain> {
    await this.#pause()
    return cutChain(buildChain(this.#chainSource, partition), counted)
  }

  get #chainSource(): ChainSource {
    return { dataset: this.#dataset, manifests: this.#folder.manifests }
  }

  async rearrangements(): Promise<Rearrangements> {
    await this.#pause()
    const replacing = [...this.#folder.manifests].filter(([, { replaces }]) => replaces !== undefined)
    const names = Map.groupBy(replacing.map(([name]) => name).toSorted(), (name) => name.endsWith('.c.json'))
    return { compacted: names.get(true) ?? [], others: (names.get(false) ?? []).join() }
  }

  async landed(partition: number): Promise<readonly LandedFile[]> {
    await this.#pause()
    return [...this.#folder.files.keys()].flatMap((path) => {
      const parsed = parseSegmentFile(path)
      return parsed?.partition === partition ? [{ start: parsed.start, kind: parsed.kind, path }] : []
    })
  }

  /** @throws LakeError if there is one already */
  async putNew(manifest: SegmentManifest): Promise<void> {
    this.#claim(manifest)
    await this.#pause()
    const name = segmentManifestName(manifest)
    if (this.#folder.manifests.has(name)) throw new LakeError('already-committed', `lake: '${name}' already exists`)
    this.#folder.manifests.set(name, copyOf(manifest))
    await this.#pause()
  }

  async readable(): Promise<readonly SegmentManifest[]> {
    await this.#pause()
    return [...this.#folder.manifests.values()]
  }

  async removeReplaced(
    boundary: readonly Offset[],
    olderThanMs: number,
    { inUse }: RemovalOptions = {},
  ): Promise<number> {
    await this.#pause()
    const needless = needlessSegmentFiles(this.#folder.manifests, boundary, olderThanMs, inUse)
    for (const name of needless.manifests) {
      this.#folder.manifests.delete(name)
      await this.#pause()
    }
    let freed = 0
    for (const file of needless.files) {
      if (this.#folder.files.delete(file.path)) freed += file.bytes
      await this.#pause()
    }
    return freed
  }

  /** A file that no manifest names until it is finished and committed. */
  stage(path: string): StagedFile {
    const writePath = `${path}${UNFINISHED}`
    return {
      writePath,
      finish: async (rows) => {
        await this.#pause()
        const contents = this.#folder.files.get(writePath)
        if (contents === undefined)
          throw new LakeError('file-missing', `lake: the staged file '${writePath}' was not written`)
        this.#folder.files.delete(writePath)
        this.#folder.files.set(path, contents)
        this.#unnamed.add(path)
        await this.#pause()
        return { path, bytes: Buffer.byteLength(contents), rows, sha256: sha256(contents) }
      },
      discard: async () => {
        await this.#pause()
        this.#folder.files.delete(writePath)
        if (this.#unnamed.delete(path)) this.#folder.files.delete(path)
      },
    }
  }

  #claim(manifest: SegmentManifest): string[] {
    manifestText(manifest, segmentManifestName(manifest))
    const files = segmentFiles(manifest)
    for (const file of files) this.#files.resolve(file)
    return files.map((file) => file.path).filter((path) => this.#unnamed.delete(path))
  }
}
