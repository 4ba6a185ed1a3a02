/**
 * The lake in a local or shared folder:
 *   <folder>/<dataset>/segments/p0000/<start>-<kind>-<random>.parquet, and <start>-raw-<random>.ndjson.zst
 *   <folder>/<dataset>/manifests/p0000/<first digits of start>/p0000-<start>.json
 *   <folder>/<dataset>/manifests/p0000/compacted/p0000-<start>-<end>.c.json
 *   <folder>/<dataset>/manifests/p0000/checkpoints/p0000-<end>-<number>.checkpoint
 *   <folder>/<dataset>/manifests/p0000-<start>.json, and p0000-<start>-<end>.c.json, as earlier versions had them, until they are moved
 *   <folder>/<dataset>/generations/g000001/manifest.json; of earlier versions also the files that it names
 *   <folder>/<dataset>/{states/<view>,dictionaries/<dictionary>}/<sha256>.parquet, which any number of generations name
 *   <folder>/<dataset>/CURRENT
 *   <folder>/<dataset>/VERIFIED
 *   <folder>/<dataset>/RUN, while a batch run writes
 *   <folder>/<dataset>/refusals/p0000.json, while the log of a partition is refused
 *   <folder>/<dataset>/{batch,stream}.lock.sqlite
 * Files that readers use are never modified in place: they are linked to their names when they are complete and durable.
 * A shared folder must support hard links, atomic renames and file locks (NFS 4 does); unknown files are not touched.
 */
import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve as absolutePath, join } from 'node:path'
import type { Offset } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { GenerationManifest } from '../generation-manifest.ts'
import type {
  ChainsOptions,
  FileReport,
  Lake,
  LakeWork,
  LandedFile,
  SegmentChain,
  StagedFile,
  StagedGeneration,
  UnreadableGeneration,
} from '../lake.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import type { LogRefusal } from '../log-refusal.ts'
import { type RunRecord, readRun, runText } from '../run-record.ts'
import type { CheckpointFault } from '../segment-checkpoint.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import { readVerification, type VerificationRecord, verificationText } from '../verification-record.ts'
import { checkpointFaults, writeCheckpoints } from './chain-checkpoints.ts'
import { CheckedFiles } from './checked-files.ts'
import { makeFolder, removeFile, replaceAtomically } from './durable-files.ts'
import { LocalGenerations } from './local-generations.ts'
import { tryLocalLock } from './local-lock.ts'
import { LocalRefusals } from './local-refusals.ts'
import { LocalSegmentRepair } from './local-segment-repair.ts'
import { LocalSegments, type SegmentCommit } from './local-segments.ts'
import { sweepLocalOrphans } from './local-sweep.ts'
import { verifyLocalFiles } from './local-verify.ts'
import { moveManifests } from './moved-manifests.ts'

const VERIFIED = 'VERIFIED'
const RUN = 'RUN'

export interface LocalLakeOptions {
  /** the lake's folder; each dataset has a subfolder */
  readonly folder: string
  readonly dataset: string
  readonly step?: StepHook
}

export class LocalLake implements Lake {
  readonly dataset: string
  /** absolute path of the dataset's folder: the engine must be allowed to read and write it */
  readonly folder: string
  readonly #segments: LocalSegments
  readonly #repair: LocalSegmentRepair
  readonly #generations: LocalGenerations
  readonly #refusals: LocalRefusals
  readonly #checked = new CheckedFiles()

  private constructor(folder: string, dataset: string, step: StepHook) {
    this.folder = folder
    this.dataset = dataset
    this.#segments = new LocalSegments({ folder, dataset, step, resolve: (file) => this.resolve(file) })
    this.#repair = new LocalSegmentRepair(folder, this.#segments)
    this.#generations = new LocalGenerations({ folder, dataset, step, resolve: (file) => this.resolve(file) })
    this.#refusals = new LocalRefusals(folder)
  }

  /** Opens the dataset's folder, and creates it if it does not exist. @throws LakeError if that fails */
  static async open(options: LocalLakeOptions): Promise<LocalLake> {
    if (!/^[a-z][a-z0-9_]{0,62}$/.test(options.dataset)) {
      throw new RangeError(`lake: '${options.dataset}' is not a valid dataset name (lower-case letters, digits and _)`)
    }
    const folder = join(absolutePath(options.folder), options.dataset)
    await makeFolder(folder)
    return new LocalLake(folder, options.dataset, options.step ?? noSteps)
  }

  tableFolder(): string {
    return this.folder
  }

  /** @throws LakeError 'file-missing' or 'file-damaged' (by its size; verifyFiles compares checksums) */
  resolve(file: LakeFile): string {
    const path = join(this.folder, file.path)
    let bytes: number
    try {
      bytes = statSync(path).size
    } catch (error) {
      throw isMissing(error) ? this.#missing(path, error) : error
    }
    if (bytes === file.bytes) return path
    throw this.#damaged(path, `has ${bytes} bytes, but its manifest says ${file.bytes}`)
  }

  async check(files: Iterable<LakeFile>): Promise<void> {
    const placed = Array.from(files, (file): [string, LakeFile] => [this.resolve(file), file])
    try {
      await this.#checked.check(placed, (path) => this.#damaged(path, 'does not have the checksum in its manifest'))
    } catch (error) {
      const path = (error as NodeJS.ErrnoException).path ?? ''
      throw isMissing(error) ? this.#missing(path, error) : error
    }
  }

  #missing(path: string, cause: unknown): LakeError {
    const what = `'${path}' is named in a manifest, but does not exist; take a new snapshot, and if the file is still missing,`
    return new LakeError('file-missing', `lake, dataset '${this.dataset}': ${what} ${remedyOf(path)}`, { cause })
  }

  #damaged(path: string, what: string): LakeError {
    return new LakeError('file-damaged', `lake, dataset '${this.dataset}': '${path}' ${what}; ${remedyOf(path)}`)
  }

  stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile> {
    return this.#segments.stage(partition, start, kind)
  }

  commitSegment(manifest: SegmentManifest): Promise<SegmentCommit> {
    return this.#segments.commit(manifest)
  }

  chains(partitions: number, options: ChainsOptions = {}): Promise<readonly SegmentChain[]> {
    return this.#segments.chains(partitions, options)
  }

  chain(partition: number, counted: Offset): Promise<SegmentChain> {
    return this.#segments.chain(partition, counted)
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

  restoreSegment(manifest: SegmentManifest): Promise<void> {
    return this.#repair.restore(manifest)
  }

  setAsideSegment(name: string): Promise<void> {
    return this.#repair.setAside(name)
  }

  moveManifests(): Promise<number> {
    return moveManifests(this.#segments.folders)
  }

  checkpoint(counted: readonly Offset[]): Promise<number> {
    return writeCheckpoints(this.#segments, counted)
  }

  checkpointFaults(): Promise<readonly CheckpointFault[]> {
    return checkpointFaults(this.#segments)
  }

  async dropCheckpoint(partition: number): Promise<void> {
    await this.#segments.folders.checkpoints.drop(partition)
    this.#segments.forget()
  }

  commitCompacted(manifest: SegmentManifest): Promise<void> {
    return this.#segments.commitCompacted(manifest)
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

  removeReplaced(boundary: readonly Offset[], olderThanMs: number): Promise<number> {
    return this.#segments.removeReplaced(boundary, olderThanMs)
  }

  sweepOrphans(untouchedMs: number): Promise<number> {
    return sweepLocalOrphans(this.folder, this.#segments, this.#generations, untouchedMs)
  }

  verifyFiles(): Promise<FileReport> {
    return verifyLocalFiles(this.folder, this.#segments, this.#generations)
  }

  async verification(): Promise<VerificationRecord | null> {
    try {
      return readVerification(await readFile(join(this.folder, VERIFIED), 'utf8'))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  recordVerification(record: VerificationRecord): Promise<void> {
    return replaceAtomically(join(this.folder, VERIFIED), verificationText(record), AROUND)
  }

  async run(): Promise<RunRecord | null> {
    try {
      return readRun(await readFile(join(this.folder, RUN), 'utf8'))
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async tellRun(run: RunRecord | null): Promise<void> {
    if (run === null) await removeFile(join(this.folder, RUN))
    else await replaceAtomically(join(this.folder, RUN), runText(run), AROUND)
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

  async tryLock(work: LakeWork): Promise<{ release(): Promise<void> } | null> {
    return tryLocalLock(this.folder, work)
  }
}

const AROUND = { before: (): void => {}, after: (): void => {} }

/** Raw events exist only once in the lake; generations can be rebuilt from them. */
function remedyOf(path: string): string {
  return /\/(generations|states|dictionaries)\//.test(path)
    ? 'restore it from a copy, or build a new generation with `watershed batch run --full`'
    : 'restore it from a copy'
}
