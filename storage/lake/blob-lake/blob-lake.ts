/**
 * The lake over any storage that the port `Blobs` describes:
 *   <place>/segments/p0000/<start>-<kind>-<random>.parquet, and <start>-raw-<random>.ndjson.zst
 *   <place>/segments/shared/p0000-<start>-<random>.parts, of segments that closed together, one of which it is called by
 *   <place>/manifests/p0000/<first digits of start>/p0000-<start>.json
 *   <place>/manifests/p0000/compacted/p0000-<start>-<end>.c.json
 *   <place>/manifests/p0000/checkpoints/p0000-<end>-<number>.checkpoint
 *   <place>/manifests/p0000-<start>.json, and p0000-<start>-<end>.c.json, as earlier versions had them, until they are moved
 *   <place>/generations/g000001/manifest.json; of earlier versions also the files that it names
 *   <place>/{states/<view>,dictionaries/<dictionary>}/<sha256>.parquet, which any number of generations name
 *   <place>/CURRENT
 *   <place>/handoffs/<name>-<random>.parquet, while processes work together
 *   <place>/VERIFIED
 *   <place>/RUN, while a batch run writes
 *   <place>/COMPACTED, once segments were compacted
 *   <place>/REPAIRED, once a segment was made again
 *   <place>/refusals/p0000.json, while the log of a partition is refused
 * Files that readers use are never modified in place: they get their names when they are complete and durable. Unknown files are not touched.
 */
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import { type CompactionMark, compactionMarkText, readCompactionMark } from '../compaction-mark.ts'
import type { GenerationManifest } from '../generation-manifest.ts'
import type {
  Chains,
  ChainsOptions,
  FileReport,
  HeldLock,
  Lake,
  LakeWork,
  LandedFile,
  OutlineOptions,
  Rearrangements,
  RemovalOptions,
  SegmentChain,
  SegmentShare,
  StagedFile,
  StagedGeneration,
  UnreadableGeneration,
} from '../lake.ts'
import { isMissing } from '../lake-error.ts'
import type { LogRefusal } from '../log-refusal.ts'
import { type RunRecord, readRun, runText } from '../run-record.ts'
import type { CheckpointFault } from '../segment-checkpoint.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import type { ClosingSegment, LakeFile, SegmentManifest } from '../segment-manifest.ts'
import type { ChainOutline, WantedGroup } from '../segment-outline.ts'
import type { TablePlace } from '../table-place.ts'
import { readVerification, type VerificationRecord, verificationText } from '../verification-record.ts'
import { BlobGenerations } from './blob-generations.ts'
import { BlobHandoffs } from './blob-handoffs.ts'
import { BlobRefusals } from './blob-refusals.ts'
import { BlobSegments, type SegmentCommit } from './blob-segments.ts'
import { BlobTablePlace } from './blob-table-place.ts'
import type { Blobs } from './blobs.ts'
import { checkpointFaults, continueCheckpoints, writeCheckpoints } from './chain-checkpoints.ts'
import { type CopiedParts, type CopyOptions, type CopyReport, copyLake } from './copy-lake.ts'
import type { LakeLocks } from './lake-locks.ts'
import type { ManifestFolders } from './manifest-folders.ts'
import { removeReplaced } from './remove-replaced.ts'
import { changeRepairMark, readRepairMark } from './repair-mark.ts'
import { SegmentRepair } from './segment-repair.ts'
import { sweepOrphans } from './sweep-orphans.ts'
import { verifyFiles } from './verify-files.ts'

const VERIFIED = 'VERIFIED'
const RUN = 'RUN'
const COMPACTED = 'COMPACTED'

export interface BlobLakeParts {
  readonly dataset: string
  readonly blobs: Blobs
  readonly locks: LakeLocks
  readonly step: StepHook
  /** see Lake.moveManifests */
  moveManifests(folders: ManifestFolders): Promise<number>
}

/** @throws RangeError for a name that cannot be a folder's */
export function assertDatasetName(dataset: string): void {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(dataset))
    throw new RangeError(`lake: '${dataset}' is not a valid dataset name (lower-case letters, digits and _)`)
}

export class BlobLake implements Lake {
  readonly dataset: string
  readonly #parts: BlobLakeParts
  readonly #blobs: Blobs
  readonly #segments: BlobSegments
  readonly #repair: SegmentRepair
  /** the mark that was read last */
  #repaired = ''
  readonly #generations: BlobGenerations
  readonly #refusals: BlobRefusals
  readonly #handoffs: BlobHandoffs
  readonly #tables: TablePlace

  constructor(parts: BlobLakeParts) {
    const { dataset, blobs, locks, step } = parts
    this.#parts = parts
    this.dataset = dataset
    this.#blobs = blobs
    this.#segments = new BlobSegments({ blobs, dataset, step })
    this.#repair = new SegmentRepair(blobs, this.#segments)
    this.#generations = new BlobGenerations({ blobs, dataset, locks, step })
    this.#refusals = new BlobRefusals(blobs)
    this.#handoffs = new BlobHandoffs(blobs)
    this.#tables = new BlobTablePlace(blobs, locks)
  }

  tables(): TablePlace {
    return this.#tables
  }

  resolve(file: LakeFile): string {
    return this.#blobs.resolve(file)
  }

  check(files: Iterable<LakeFile>): Promise<void> {
    return this.#blobs.check(files)
  }

  stageHandoff(name: string): Promise<StagedFile> {
    return this.#handoffs.stage(name)
  }

  removeHandoff(file: LakeFile): Promise<void> {
    return this.#handoffs.remove(file)
  }

  stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    return this.#segments.stage(partition, start, kind)
  }

  get sharesFiles(): boolean {
    return this.#segments.sharesFiles
  }

  shareFiles(segment: ClosingSegment): SegmentShare | null {
    return this.#segments.share(segment)
  }

  commitSegment(manifest: SegmentManifest): Promise<SegmentCommit> {
    return this.#segments.commit(manifest)
  }

  chains(partitions: number, options: ChainsOptions = {}): Promise<readonly SegmentChain[]> {
    return this.#segments.chains(partitions, options)
  }

  bothChains(partitions: number, options: Omit<ChainsOptions, 'compacted'> = {}): Promise<Chains> {
    return this.#segments.bothChains(partitions, options)
  }

  outline(partitions: number, wanted: WantedGroup, options: OutlineOptions = {}): Promise<readonly ChainOutline[]> {
    return this.#segments.outline(partitions, wanted, options)
  }

  chain(partition: number, counted: Offset): Promise<SegmentChain> {
    return this.#segments.chain(partition, counted)
  }

  async rearrangements(): Promise<Rearrangements> {
    const repaired = await readRepairMark(this.#blobs)
    if (repaired !== this.#repaired) this.#segments.forgetRead()
    this.#repaired = repaired
    const names = Map.groupBy(await this.#segments.rearranged(), (name) => name.endsWith('.c.json'))
    return { compacted: names.get(true) ?? [], others: `${repaired}${(names.get(false) ?? []).join()}` }
  }

  unreadableSegments(): Promise<readonly UnreadableSegment[]> {
    return this.#repair.unreadable()
  }

  readableSegments(): Promise<readonly SegmentManifest[]> {
    return this.#repair.readable()
  }

  landedFiles(partition: number): Promise<readonly LandedFile[]> {
    return this.#repair.landedFiles(partition)
  }

  async restoreSegment(manifest: SegmentManifest): Promise<void> {
    await this.#parts.locks.prove('batch')
    await changeRepairMark(this.#blobs)
    return this.#repair.restore(manifest)
  }

  async setAsideSegment(name: string): Promise<void> {
    await this.#parts.locks.prove('batch')
    return this.#repair.setAside(name)
  }

  async moveManifests(): Promise<number> {
    await this.#parts.locks.prove('batch')
    return this.#parts.moveManifests(this.#segments.folders)
  }

  async checkpoint(counted: readonly Offset[], { thorough = true }: RemovalOptions = {}): Promise<number> {
    await this.#parts.locks.prove('batch')
    return thorough ? writeCheckpoints(this.#segments, counted) : continueCheckpoints(this.#segments, counted)
  }

  checkpointFaults(counted: readonly Offset[] = []): Promise<readonly CheckpointFault[]> {
    return checkpointFaults(this.#segments, counted)
  }

  async dropCheckpoint(partition: number): Promise<void> {
    await this.#segments.folders.checkpoints.drop(partition)
    this.#segments.forget()
  }

  async commitCompacted(manifest: SegmentManifest): Promise<void> {
    await this.#parts.locks.prove('batch')
    return this.#segments.commitCompacted(manifest)
  }

  compactionMark(): Promise<CompactionMark | null> {
    return this.#readIfThere(COMPACTED, readCompactionMark)
  }

  async markCompaction(mark: CompactionMark): Promise<void> {
    await this.#parts.locks.prove('batch')
    await this.#blobs.replace(COMPACTED, compactionMarkText(mark))
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

  async removeGeneration(id: string): Promise<void> {
    await this.#parts.locks.prove('batch')
    return this.#generations.remove(id)
  }

  async removeReplaced(boundary: readonly Offset[], olderThanMs: number, options?: RemovalOptions): Promise<number> {
    await this.#parts.locks.prove('batch')
    return removeReplaced(this.#blobs, this.#segments, boundary, olderThanMs, options)
  }

  async sweepOrphans(untouchedMs: number, { thorough = true }: RemovalOptions = {}): Promise<number> {
    await this.#parts.locks.prove('batch')
    if (thorough) await this.#blobs.remove(COMPACTED)
    const parts = { generations: this.#generations, handoffs: this.#handoffs }
    return sweepOrphans(this.#blobs, thorough ? this.#segments : null, parts, untouchedMs)
  }

  verifyFiles(): Promise<FileReport> {
    return verifyFiles(this.#blobs, this.#segments, this.#generations)
  }

  verification(): Promise<VerificationRecord | null> {
    return this.#readIfThere(VERIFIED, readVerification)
  }

  recordVerification(record: VerificationRecord): Promise<void> {
    return this.#blobs.replace(VERIFIED, verificationText(record))
  }

  run(): Promise<RunRecord | null> {
    return this.#readIfThere(RUN, readRun)
  }

  async tellRun(run: RunRecord | null): Promise<void> {
    if (run === null) await this.#blobs.remove(RUN)
    else await this.#blobs.replace(RUN, runText(run), { isHint: true })
  }

  async #readIfThere<T>(path: string, parse: (text: string) => T | null): Promise<T | null> {
    try {
      return parse(await this.#blobs.read(path))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  refusals(): Promise<ReadonlyMap<number, LogRefusal>> {
    return this.#refusals.all()
  }

  refuse(refusal: LogRefusal): Promise<void> {
    return this.#refusals.add(refusal)
  }

  liftRefusal(partition: number): Promise<void> {
    return this.#refusals.remove(partition)
  }

  /** Copies all of it to a place that has nothing, or a part of this copy. For the holder of this lake's locks. @throws LakeError as copyLake */
  copyTo(target: BlobLake, options: CopyOptions = {}): Promise<CopyReport> {
    return copyLake(this.#copied, target.#copied, options)
  }

  get #copied(): CopiedParts {
    return {
      ...{ blobs: this.#blobs, segments: this.#segments },
      ...{ generations: this.#generations, refusals: this.#refusals },
    }
  }

  /** A former holder of the batch lock that was frozen must not make its generation current when it wakes. */
  async tryLock(work: LakeWork): Promise<HeldLock | null> {
    const lock = await this.#parts.locks.tryLock(work)
    if (lock === null || work !== 'batch') return lock
    // What others have changed until now was not seen.
    this.#segments.folders.forgetLook()
    try {
      await this.#generations.fence()
      return lock
    } catch (error) {
      await lock.release()
      throw error
    }
  }
}
