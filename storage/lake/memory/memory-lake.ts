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
import type { RunRecord } from '../run-record.ts'
import type { CheckpointFault } from '../segment-checkpoint.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import { lastingFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import type { ChainOutline, WantedGroup } from '../segment-outline.ts'
import type { TablePlace } from '../table-place.ts'
import type { VerificationRecord } from '../verification-record.ts'
import { copyOf, type MemoryLakeFolder, memoryLakeFolder, sha256 } from './memory-folder.ts'
import { MemoryGenerations } from './memory-generations.ts'
import { MemorySegments } from './memory-segments.ts'

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
  readonly #pause: () => Promise<void>
  readonly #segments: MemorySegments
  readonly #generations: MemoryGenerations
  #told: RunRecord | null = null

  constructor(options: MemoryLakeOptions) {
    this.dataset = options.dataset
    this.folder = options.folder ?? memoryLakeFolder()
    const step = options.step ?? noSteps
    this.#pause = options.pause ?? (() => Promise.resolve())
    this.#segments = new MemorySegments(this.dataset, this.folder, this, step, this.#pause)
    this.#generations = new MemoryGenerations(this.folder, this, step, this.#pause)
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
    return this.#segments.stage(`handoffs/${name}-${++this.folder.fileCount}.parquet`)
  }

  async removeHandoff(file: LakeFile): Promise<void> {
    await this.#pause()
    this.folder.files.delete(file.path)
  }

  stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    return this.#segments.stageFile(partition, start, kind)
  }

  readonly sharesFiles = false

  shareFiles(): null {
    return null
  }

  commitSegment(manifest: SegmentManifest): ReturnType<Lake['commitSegment']> {
    return this.#segments.commit(manifest)
  }

  commitCompacted(manifest: SegmentManifest): Promise<void> {
    return this.#segments.putNew(manifest)
  }

  compactionMark(): Promise<CompactionMark | null> {
    return this.#segments.compactionMark()
  }

  markCompaction(mark: CompactionMark): Promise<void> {
    return this.#segments.markCompaction(mark)
  }

  chains(partitions: number, options?: ChainsOptions): Promise<readonly SegmentChain[]> {
    return this.#segments.chains(partitions, options)
  }

  bothChains(partitions: number, options?: ChainsOptions): Promise<Chains> {
    return this.#segments.bothChains(partitions, options)
  }

  outline(partitions: number, wanted: WantedGroup): Promise<readonly ChainOutline[]> {
    return this.#segments.outline(partitions, wanted)
  }

  chain(partition: number, counted: Offset): Promise<SegmentChain> {
    return this.#segments.chain(partition, counted)
  }

  rearrangements(): Promise<Rearrangements> {
    return this.#segments.rearrangements()
  }

  /** Nothing can be damaged here. */
  async unreadableSegments(): Promise<readonly UnreadableSegment[]> {
    await this.#pause()
    return []
  }

  readableSegments(): Promise<readonly SegmentManifest[]> {
    return this.#segments.readable()
  }

  landedFiles(partition: number): Promise<readonly LandedFile[]> {
    return this.#segments.landed(partition)
  }

  restoreSegment(manifest: SegmentManifest): Promise<void> {
    return this.#segments.putNew(manifest)
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

  removeReplaced(boundary: readonly Offset[], olderThanMs: number, options?: RemovalOptions): Promise<number> {
    return this.#segments.removeReplaced(boundary, olderThanMs, options)
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
}
