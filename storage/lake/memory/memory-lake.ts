/**
 * The lake in memory, for the protocol simulation: the same order of effects as the local lake, with an await point between any two of
 * them. Several handles share one `MemoryLakeFolder`, as processes share a folder; each has its own step hook and can die separately.
 */
import type { Offset } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { CompactionMark } from '../compaction-mark.ts'
import { type GenerationManifest, generationFiles } from '../generation-manifest.ts'
import type {
  Chains,
  ChainsOptions,
  FileReport,
  Lake,
  LakeWork,
  LandedFile,
  Rearrangements,
  RemovalOptions,
  SegmentChain,
  StagedFile,
  StagedGeneration,
  UnreadableGeneration,
} from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import type { LogRefusal } from '../log-refusal.ts'
import {
  coveringName,
  offsetName,
  parseSegmentFile,
  partitionName,
  segmentFileEnding,
  segmentManifestName,
} from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import type { RunRecord } from '../run-record.ts'
import { buildChain, buildChains, type ChainSource, cutChain } from '../segment-chain.ts'
import type { CheckpointFault } from '../segment-checkpoint.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import { lastingFiles, needlessSegmentFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import { type ChainOutline, outlineOf, type SegmentGroup, type WantedGroup } from '../segment-outline.ts'
import type { TablePlace } from '../table-place.ts'
import type { VerificationRecord } from '../verification-record.ts'
import { copyOf, type MemoryLakeFolder, memoryLakeFolder, sha256, UNFINISHED } from './memory-folder.ts'
import { MemoryGenerations } from './memory-generations.ts'

const OUTLINED_TOGETHER = 2

export interface MemoryLakeOptions {
  readonly dataset: string
  readonly folder?: MemoryLakeFolder
  readonly step?: StepHook
  /** awaited between any two effects */
  readonly pause?: () => Promise<void>
}

export class MemoryLake implements Lake {
  readonly dataset: string
  readonly folder: MemoryLakeFolder
  readonly #step: StepHook
  readonly #pause: () => Promise<void>
  readonly #unnamed = new Set<string>()
  readonly #generations: MemoryGenerations
  #told: RunRecord | null = null

  constructor(options: MemoryLakeOptions) {
    this.dataset = options.dataset
    this.folder = options.folder ?? memoryLakeFolder()
    this.#step = options.step ?? noSteps
    this.#pause = options.pause ?? (() => Promise.resolve())
    this.#generations = new MemoryGenerations(this.folder, this, this.#step, this.#pause)
  }

  /** Writes a staged file's content in place of the engine. */
  put(writePath: string, contents: string): void {
    this.folder.files.set(writePath, contents)
  }

  /** Reads a file that a manifest names in place of the engine. @throws LakeError if it does not exist */
  get(file: LakeFile): string {
    return this.folder.files.get(this.resolve(file))!
  }

  /** Simulates the death of this handle's process: its lock is released, what it wrote remains. */
  die(): void {
    for (const [work, holder] of this.folder.locks) if (holder === this) this.folder.locks.delete(work)
  }

  tables(): TablePlace {
    throw new LakeError('not-writable', 'lake: this lake is in memory, where no other program reads tables')
  }

  resolve(file: LakeFile): string {
    const contents = this.folder.files.get(file.path)
    if (contents === undefined)
      throw new LakeError('file-missing', `lake: '${file.path}' is named in a manifest, but does not exist`)
    if (Buffer.byteLength(contents) !== file.bytes) {
      throw new LakeError('file-damaged', `lake: '${file.path}' does not have the ${file.bytes} bytes in its manifest`)
    }
    return file.path
  }

  async check(files: Iterable<LakeFile>): Promise<void> {
    for (const file of files) {
      await this.#pause()
      if (sha256(this.folder.files.get(this.resolve(file))!) !== file.sha256)
        throw new LakeError('file-damaged', `lake: '${file.path}' does not have the checksum in its manifest`)
    }
  }

  async stageHandoff(name: string): Promise<StagedFile> {
    await this.#pause()
    return this.#stage(`handoffs/${name}-${++this.folder.fileCount}.parquet`)
  }

  async removeHandoff(file: LakeFile): Promise<void> {
    await this.#pause()
    this.folder.files.delete(file.path)
  }

  async stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    await this.#pause()
    const unique = String(++this.folder.fileCount).padStart(12, '0')
    return this.#stage(
      `segments/${partitionName(partition)}/${offsetName(start)}-${kind}-${unique}.${segmentFileEnding(kind)}`,
    )
  }

  readonly sharesFiles = false

  shareFiles(): null {
    return null
  }

  async commitSegment(
    manifest: SegmentManifest,
  ): Promise<{ readonly outcome: 'committed' } | { readonly outcome: 'lost'; readonly winner: SegmentManifest }> {
    const mine = this.#claim(manifest)
    await this.#step('segment:before-manifest')
    await this.#pause()
    const { manifests } = this.folder
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
    for (const path of mine) if (!named.has(path)) this.folder.files.delete(path)
    return { outcome: 'lost', winner }
  }

  commitCompacted(manifest: SegmentManifest): Promise<void> {
    return this.#putNew(manifest)
  }

  async compactionMark(): Promise<CompactionMark | null> {
    await this.#pause()
    return this.folder.compacted
  }

  async markCompaction(mark: CompactionMark): Promise<void> {
    await this.#pause()
    this.folder.compacted = copyOf(mark)
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
    return { dataset: this.dataset, manifests: this.folder.manifests }
  }

  async rearrangements(): Promise<Rearrangements> {
    await this.#pause()
    const replacing = [...this.folder.manifests].filter(([, { replaces }]) => replaces !== undefined)
    const names = Map.groupBy(replacing.map(([name]) => name).toSorted(), (name) => name.endsWith('.c.json'))
    return { compacted: names.get(true) ?? [], others: (names.get(false) ?? []).join() }
  }

  /** Nothing can be damaged here. */
  async unreadableSegments(): Promise<readonly UnreadableSegment[]> {
    await this.#pause()
    return []
  }

  async readableSegments(): Promise<readonly SegmentManifest[]> {
    await this.#pause()
    return [...this.folder.manifests.values()]
  }

  async landedFiles(partition: number): Promise<readonly LandedFile[]> {
    await this.#pause()
    return [...this.folder.files.keys()].flatMap((path) => {
      const parsed = parseSegmentFile(path)
      return parsed?.partition === partition ? [{ start: parsed.start, kind: parsed.kind, path }] : []
    })
  }

  restoreSegment(manifest: SegmentManifest): Promise<void> {
    return this.#putNew(manifest)
  }

  async #putNew(manifest: SegmentManifest): Promise<void> {
    this.#claim(manifest)
    await this.#pause()
    const name = segmentManifestName(manifest)
    if (this.folder.manifests.has(name)) throw new LakeError('already-committed', `lake: '${name}' already exists`)
    this.folder.manifests.set(name, copyOf(manifest))
    await this.#pause()
  }

  /** Manifests need not be opened here. */
  async checkpoint(): Promise<number> {
    await this.#pause()
    return 0
  }

  async checkpointFaults(): Promise<readonly CheckpointFault[]> {
    await this.#pause()
    return []
  }

  async dropCheckpoint(): Promise<void> {
    await this.#pause()
  }

  /** There is only one place here. */
  async moveManifests(): Promise<number> {
    await this.#pause()
    return 0
  }

  async setAsideSegment(name: string): Promise<void> {
    await this.#pause()
    if (this.folder.manifests.has(name)) throw new LakeError('already-committed', `lake: '${name}' can be read`)
  }

  current(): Promise<GenerationManifest | null> {
    return this.#generations.current()
  }

  generations(): Promise<readonly GenerationManifest[]> {
    return this.#generations.list()
  }

  unreadableGenerations(): Promise<readonly UnreadableGeneration[]> {
    return this.#generations.unreadable()
  }

  generationIds(): Promise<readonly string[]> {
    return this.#generations.ids()
  }

  generation(id: string): Promise<GenerationManifest | null> {
    return this.#generations.load(id)
  }

  beginGeneration(): Promise<StagedGeneration> {
    return this.#generations.begin()
  }

  setCurrent(id: string): Promise<void> {
    return this.#generations.setCurrent(id)
  }

  removeGeneration(id: string): Promise<void> {
    return this.#generations.remove(id)
  }

  async removeReplaced(
    boundary: readonly Offset[],
    olderThanMs: number,
    { inUse }: RemovalOptions = {},
  ): Promise<number> {
    await this.#pause()
    const needless = needlessSegmentFiles(this.folder.manifests, boundary, olderThanMs, inUse)
    for (const name of needless.manifests) {
      this.folder.manifests.delete(name)
      await this.#pause()
    }
    let freed = 0
    for (const file of needless.files) {
      if (this.folder.files.delete(file.path)) freed += file.bytes
      await this.#pause()
    }
    return freed
  }

  /** Files have no times here: all orphans are old. */
  async sweepOrphans(_: number, { thorough = true }: RemovalOptions = {}): Promise<number> {
    await this.#pause()
    if (thorough) this.folder.compacted = null
    const named = new Set([...this.folder.manifests.values()].flatMap(segmentFiles).map((file) => file.path))
    const contents = this.#generations.namedContents()
    let freed = 0
    for (const [path, text] of this.folder.files) {
      const [kind, id] = path.split('/')
      const needed = kind === 'segments' ? named.has(path) : contents.has(path) || this.folder.generations.has(id!)
      if (needed) continue
      this.folder.files.delete(path)
      freed += Buffer.byteLength(text)
    }
    return freed
  }

  async verifyFiles(): Promise<FileReport> {
    await this.#pause()
    const segments = [...this.folder.manifests.values()].flatMap(lastingFiles)
    const files = [...segments, ...[...this.folder.generations.values()].flatMap(generationFiles)]
    const problems = files
      .filter((file) => sha256(this.folder.files.get(file.path) ?? '') !== file.sha256)
      .map((file) => `'${file.path}' is missing or does not have the checksum in its manifest`)
    return { files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0), problems }
  }

  async verification(): Promise<VerificationRecord | null> {
    await this.#pause()
    return this.folder.verified
  }

  async recordVerification(record: VerificationRecord): Promise<void> {
    await this.#pause()
    this.folder.verified = copyOf(record)
  }

  async run(): Promise<RunRecord | null> {
    await this.#pause()
    return this.#told
  }

  async tellRun(run: RunRecord | null): Promise<void> {
    await this.#pause()
    this.#told = run === null ? null : copyOf(run)
  }

  async refusals(): Promise<ReadonlyMap<number, LogRefusal>> {
    await this.#pause()
    return new Map(this.folder.refusals)
  }

  async refuse(refusal: LogRefusal): Promise<void> {
    await this.#pause()
    const { refusals } = this.folder
    if (!refusals.has(refusal.partition)) refusals.set(refusal.partition, copyOf(refusal))
  }

  async liftRefusal(partition: number): Promise<void> {
    await this.#pause()
    this.folder.refusals.delete(partition)
  }

  async tryLock(work: LakeWork): Promise<{ release(): Promise<void> } | null> {
    await this.#pause()
    if (this.folder.locks.has(work)) return null
    this.folder.locks.set(work, this)
    return {
      release: async () => {
        await this.#pause()
        if (this.folder.locks.get(work) === this) this.folder.locks.delete(work)
      },
    }
  }

  #stage(path: string): StagedFile {
    const writePath = `${path}${UNFINISHED}`
    return {
      writePath,
      finish: async (rows) => {
        await this.#pause()
        const contents = this.folder.files.get(writePath)
        if (contents === undefined)
          throw new LakeError('file-missing', `lake: the staged file '${writePath}' was not written`)
        this.folder.files.delete(writePath)
        this.folder.files.set(path, contents)
        this.#unnamed.add(path)
        await this.#pause()
        return { path, bytes: Buffer.byteLength(contents), rows, sha256: sha256(contents) }
      },
      discard: async () => {
        await this.#pause()
        this.folder.files.delete(writePath)
        if (this.#unnamed.delete(path)) this.folder.files.delete(path)
      },
    }
  }

  #claim(manifest: SegmentManifest): string[] {
    manifestText(manifest, segmentManifestName(manifest))
    const files = segmentFiles(manifest)
    for (const file of files) this.resolve(file)
    return files.map((file) => file.path).filter((path) => this.#unnamed.delete(path))
  }
}
