/**
 * Port: the folder of segments and generations of one dataset. Readers take files from manifests, never from a glob.
 * Drivers: local-lake (a local or shared folder; blob-lake is what it shares with other storage), memory-lake (for the protocol simulation).
 */
import type { Offset } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import type { CompactionMark } from './compaction-mark.ts'
import type { ContentKind } from './content-names.ts'
import type { GenerationManifest } from './generation-manifest.ts'
import type { LakeError } from './lake-error.ts'
import type { LogRefusal } from './log-refusal.ts'
import type { RunRecord } from './run-record.ts'
import type { CheckpointFault } from './segment-checkpoint.ts'
import type { UnreadableSegment } from './segment-damage.ts'
import type { ClosingSegment, LakeFile, SegmentManifest } from './segment-manifest.ts'
import type { ChainOutline, WantedGroup } from './segment-outline.ts'
import type { TablePlace } from './table-place.ts'
import type { VerificationRecord } from './verification-record.ts'

/** A file being written: it gets its final name only when it is complete and durable. */
export interface StagedFile {
  /** absolute path to write to (ends in .inprogress) */
  readonly writePath: string
  /** fsyncs, links to the final name, fsyncs the folder; returns its manifest entry. `rows` is not checked. */
  finish(rows: number): Promise<LakeFile>
  /** removes the unfinished file, or a finished one, unless a manifest that names it was given to the lake */
  discard(): Promise<void>
}

/** The place of one segment in files that segments which close together share. */
export interface SegmentShare {
  /** absolute path to write a file to, as StagedFile.writePath */
  stage(kind: string): Promise<string>
  /**
   * Stores the written files once all segments that joined have finished or left. @param rowsOf by `writePath`; rows are not checked
   * @returns the manifest's entries, in their order. @throws LakeError, also where the drafts of another segment could not be stored
   */
  finish(rowsOf: ReadonlyMap<string, number>): Promise<SharedPartials>
  /** Gives up, after a fault: the others do not wait any more. Removes what was written and what is stored for this segment alone. */
  leave(): Promise<void>
}

/** What a manifest says of files that its segment may share. */
export interface SharedPartials {
  readonly files: readonly LakeFile[]
  /** absent: none of them is shared */
  readonly together?: readonly ClosingSegment[]
}

/**
 * `batch`: only the holder publishes, compacts and removes. `source-…`: only the holder reads that source. `stream`: the holder folds the log; others may do the same, which is harmless, but
 * the lock tells them that they need not. `proof`: the holder compares a slice of history; twice the same would be harmless, too.
 */
export type LakeWork = 'batch' | 'stream' | 'proof' | `source-${string}` | `sink-${string}`

/** A lock that its holder has until `release`. */
export interface HeldLock {
  release(): Promise<void>
  /** aborted when another holder has taken it over, where locks can be lost: an object store's are leases */
  readonly lost?: AbortSignal
}

export interface SegmentChain {
  readonly partition: number
  /** contiguous: each segment starts where the previous one ends, the first one where the past ends */
  readonly segments: readonly SegmentManifest[]
  /** end of the last one; 0 if there is none, and no past */
  readonly end: Offset
  /** what stands for the segments before the first one, which were not asked for (ChainsOptions.after); absent: there are none */
  readonly past?: PastSegments
}

/** Closed segments from offset 0 on that a chain does not list. */
export interface PastSegments {
  /** of the last one, exclusive */
  readonly end: Offset
  /** identity of the log that all of them belong to */
  readonly log: string
  /** when the last one closed, epoch ms */
  readonly closedAtMs: number
  /** raw events before this offset were removed by policy: a summary has their states */
  readonly floor: Offset
  /** the last record that is known of them; absent: of none */
  readonly last?: RecordPrint
}

/** Both kinds of chains, as they were at one moment. */
export interface Chains {
  /** every segment as its owner closed it, as far as it still exists */
  readonly closed: readonly SegmentChain[]
  /** compacted segments in place of those they replace */
  readonly compacted: readonly SegmentChain[]
}

export interface ChainsOptions {
  readonly compacted?: boolean
  /**
   * Per partition, an offset up to which a generation counts. A segment before it whose manifest is damaged is left out: for readers that
   * take what it counts from the generation. By default every damaged manifest is an error.
   */
  readonly counted?: readonly Offset[]
  /**
   * Per partition, an offset: segments that end at or before it need not be listed, so that the call costs what is new and not what there
   * is. A chain may still have some of them. By default, all segments are listed.
   */
  readonly after?: readonly Offset[]
}

/** A complete file of a segment. */
export interface LandedFile {
  readonly start: Offset
  /** 'events', 'raw', 'dead-letters' or 'partial-<view>' */
  readonly kind: string
  /** absolute */
  readonly path: string
}

export interface OutlineOptions {
  /** Answers by the last look at the folders where it was made a moment ago: for who asks twice about the same. Default false */
  readonly again?: boolean
}

/** How closed segments were rearranged after they had closed. */
export interface Rearrangements {
  /** names of compacted segments, also of those that are replaced themselves, sorted */
  readonly compacted: readonly string[]
  /** a text that is the same as long as none was summarized or repaired */
  readonly others: string
}

export interface RemovalOptions {
  /** paths of events that others may still read: their segments stay */
  readonly inUse?: ReadonlySet<string>
  /**
   * Default true: every manifest is read and every file listed, whatever earlier calls have done. Otherwise the work is what has changed
   * since the last one: what a crash left in folders of segments waits for a thorough call.
   */
  readonly thorough?: boolean
}

export interface Lake {
  readonly dataset: string
  /** where open tables are kept. @throws LakeError where there can be none */
  tables(): TablePlace
  /** absolute path of a file named in a manifest, for read_parquet. @throws LakeError if it is missing or has another size */
  resolve(file: LakeFile): string
  /**
   * Compares the files' bytes with the checksums in their manifests: a file that was edited in place could still be read, and would give
   * wrong answers. Done once per file and handle, and again if the file was touched since. @throws LakeError if one is missing or damaged
   */
  check(files: Iterable<LakeFile>): Promise<void>
  /** stages a file for another process, which finds it by `check` and `resolve`; no manifest names it. Who asked for it removes it */
  stageHandoff(name: string): Promise<StagedFile>
  /** removes a file that was handed over, if it exists */
  removeHandoff(file: LakeFile): Promise<void>
  /** stages a segment file; its name is unique per call, so two owners never write the same file */
  stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile>
  /** Whether segments that close together share files: where each file costs a request. */
  readonly sharesFiles: boolean
  /** Joins the segments of this handle that are closing now, so that their partials share files; null: here each file is one of its own. */
  shareFiles(segment: ClosingSegment): SegmentShare | null
  /** Creates the manifest exclusively, durably. 'lost': another owner committed this (partition, start) first; its manifest is `winner`. */
  commitSegment(
    manifest: SegmentManifest,
  ): Promise<{ readonly outcome: 'committed' } | { readonly outcome: 'lost'; readonly winner: SegmentManifest }>
  /**
   * Chains of the partitions 0 … partitions-1, and of higher ones that have segments. With `compacted: true`, compacted segments take the place of those that they replace.
   * @throws LakeError if the manifests of a segment are damaged or missing; see ChainsOptions.counted
   */
  chains(partitions: number, options?: ChainsOptions): Promise<readonly SegmentChain[]>
  /** Both kinds of chains by one look. @throws LakeError as `chains` */
  bothChains(partitions: number, options?: Omit<ChainsOptions, 'compacted'>): Promise<Chains>
  /**
   * Compacted chains, as `chains` has them, in groups of adjacent segments, of which only the wanted ones need be opened.
   * @throws LakeError as `chains`
   */
  outline(partitions: number, wanted: WantedGroup, options?: OutlineOptions): Promise<readonly ChainOutline[]>
  /** The chain of one partition, whatever is wrong with the others; `counted` as in ChainsOptions, also as `after`. @throws LakeError as `chains` */
  chain(partition: number, counted: Offset): Promise<SegmentChain>
  /**
   * As long as it is the same, what was known of closed segments is still what they are. It costs no look at segments. For the holder of the
   * batch lock, who alone makes such changes.
   */
  rearrangements(): Promise<Rearrangements>
  /** the segments whose manifest cannot be read, by partition and start */
  unreadableSegments(): Promise<readonly UnreadableSegment[]>
  /** Every segment whose manifest can be read, also replaced ones, in no order. */
  readableSegments(): Promise<readonly SegmentManifest[]>
  /** For repairs: the complete files of a partition's segments, whether a manifest names them or not. */
  landedFiles(partition: number): Promise<readonly LandedFile[]>
  /**
   * For repairs: puts the manifest of a segment that was made again in the place of one that is damaged or missing, with one rename. The
   * damaged one is kept beside it. @throws LakeError 'already-committed' if its place has a manifest that can be read
   */
  restoreSegment(manifest: SegmentManifest): Promise<void>
  /** For repairs: renames a manifest that cannot be read, so that it counts no more. @throws LakeError 'already-committed' if it can be read */
  setAsideSegment(name: string): Promise<void>
  /**
   * Moves manifests of an earlier layout to where this version writes them, for the holder of the batch lock. It can be interrupted: both
   * places are read, and the rest is moved the next time. @returns how many were moved
   */
  moveManifests(): Promise<number>
  /**
   * Writes, where many segments were closed since the last time, one file that says what the manifests of a partition's first segments say,
   * so that readers need not open each. For the holder of the batch lock. @param counted by partition, before which offset segments are
   * taken. @returns how many were written
   */
  checkpoint(counted: readonly Offset[], options?: Pick<RemovalOptions, 'thorough'>): Promise<number>
  /**
   * Checkpoints that cannot be read or do not say what the manifests say, and partitions that lack one.
   * @param counted by partition, before which offset segments have one; default: only those lack one that had one
   */
  checkpointFaults(counted?: readonly Offset[]): Promise<readonly CheckpointFault[]>
  /** For repairs, under the batch lock: removes a partition's checkpoint; its manifests are read instead. */
  dropCheckpoint(partition: number): Promise<void>
  /** Commits a compacted segment next to those it replaces (they are kept until removed). */
  commitCompacted(manifest: SegmentManifest): Promise<void>
  /** up to where compaction has looked; null: it is not known, and it must look at everything */
  compactionMark(): Promise<CompactionMark | null>
  /** Replaces it, for the holder of the batch lock; a thorough sweep removes it. @throws LakeError if the lake cannot be written */
  markCompaction(mark: CompactionMark): Promise<void>

  /** the generation that CURRENT names; null before the first */
  current(): Promise<GenerationManifest | null>
  /** all published generations whose manifest can be read, oldest first: one that is damaged must not keep the others from being used */
  generations(): Promise<readonly GenerationManifest[]>
  /** the published generations whose manifest cannot be read, oldest first */
  unreadableGenerations(): Promise<readonly UnreadableGeneration[]>
  /** ids of all generations, oldest first; some may be unpublished or unreadable */
  generationIds(): Promise<readonly string[]>
  /** a published generation; null if the id does not exist. @throws LakeError if its manifest is damaged */
  generation(id: string): Promise<GenerationManifest | null>
  /** Starts a generation: reserves a new id exclusively and creates a folder for its files. */
  beginGeneration(): Promise<StagedGeneration>
  /** Switches CURRENT to a kept generation with one rename, durably. @throws if the generation does not exist */
  setCurrent(id: string): Promise<void>
  /** Removes a generation, also if its manifest cannot be read, and refuses the current one. The files that only it named are swept later. */
  removeGeneration(id: string): Promise<void>
  /**
   * Removes segment files and manifests that were replaced by a compacted segment, and partials, in both cases of segments that end at or
   * before `boundary` and were replaced or closed before `olderThanMs` (epoch). Returns the number of bytes freed.
   */
  removeReplaced(boundary: readonly Offset[], olderThanMs: number, options?: RemovalOptions): Promise<number>
  /**
   * Removes what no manifest needs: orphans of crashes, and states of removed generations, that is files that no manifest names and that were not touched for `untouchedMs`, by the clock that dates them. This
   * machine's clock may be another one, and wrong: what another process is writing must not look old. Returns the number of bytes freed.
   */
  sweepOrphans(untouchedMs: number, options?: Pick<RemovalOptions, 'thorough'>): Promise<number>
  /** Reads every file that a manifest names and compares bytes and checksums. */
  verifyFiles(): Promise<FileReport>
  /** the result of the newest complete verification; null if none is known */
  verification(): Promise<VerificationRecord | null>
  /** Replaces it, durably. @throws LakeError if the lake cannot be written */
  recordVerification(record: VerificationRecord): Promise<void>
  /** what the batch run in progress last told; null if none is, or it has told nothing */
  run(): Promise<RunRecord | null>
  /** Replaces it; null removes it. @throws LakeError if the lake cannot be written */
  tellRun(run: RunRecord | null): Promise<void>
  /** by partition: why its log is refused, until somebody lifts that */
  refusals(): Promise<ReadonlyMap<number, LogRefusal>>
  /** Records durably that the partition's log has lost what was counted; an existing refusal stays. @throws LakeError if the lake cannot be written */
  refuse(refusal: LogRefusal): Promise<void>
  /** Does nothing where there is no refusal. */
  liftRefusal(partition: number): Promise<void>
  /** Holds the dataset's lock for this work until `release`; null if another process holds it. The lock is released automatically when its holder dies. */
  tryLock(work: LakeWork): Promise<HeldLock | null>
}

/** A published generation whose manifest cannot be read, until it is repaired or removed. */
export interface UnreadableGeneration {
  readonly id: string
  /** why its manifest cannot be read, and what to do */
  readonly error: LakeError
}

export interface StagedGeneration {
  readonly id: string
  /**
   * Stages a file of a view's states or a dictionary's entries. It is finished under a name of its content, which is the same file if it
   * exists; `discard` of the staged file only removes what is unfinished.
   */
  stageFile(kind: ContentKind, name: string): Promise<StagedFile>
  /**
   * A file of another generation, to be named by this one too. Nothing is written, except for files of earlier versions, which belong to
   * their generation: they get a name of their content. @throws LakeError if such a file is missing
   */
  refer<File extends LakeFile>(kind: ContentKind, name: string, file: File): Promise<File>
  /** Writes the manifest durably: the generation is then listed, but not current. @throws LakeError if a file that it names is missing or has another size */
  commit(manifest: GenerationManifest): Promise<void>
  /** removes the unpublished generation, and the files that it created */
  discard(): Promise<void>
}

export interface FileReport {
  readonly files: number
  readonly bytes: number
  /** one sentence per file that is missing or does not match its manifest */
  readonly problems: readonly string[]
}
