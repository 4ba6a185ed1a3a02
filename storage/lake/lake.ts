/**
 * Port: the folder of segments and generations of one dataset. Readers take files from manifests, never from a glob.
 * Drivers: local-lake (a local or shared folder), memory-lake (for the protocol simulation).
 */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from './generation-manifest.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'

/** A file being written: never under its final name before it is whole and durable. */
export interface StagedFile {
  /** absolute path to write to (ends in .inprogress) */
  readonly writePath: string
  /** fsyncs, links to the final name, fsyncs the folder; returns what a manifest says of it. `rows` is taken as told. */
  finish(rows: number): Promise<LakeFile>
  /** removes the unfinished file; also a finished one, unless a manifest that names it was handed to the lake */
  discard(): Promise<void>
}

export interface SegmentChain {
  readonly partition: number
  /** contiguous from the first segment on: each starts where the one before ends */
  readonly segments: readonly SegmentManifest[]
  /** end of the last one; 0 when there is none */
  readonly end: Offset
}

export interface Lake {
  readonly dataset: string
  /** absolute path of a file named in a manifest, for read_parquet. @throws LakeError when it is missing or has another size */
  resolve(file: LakeFile): string
  /**
   * Compares the files' bytes with their manifests' checksums: a file that was edited in place can still be read, and would give
   * wrong answers. Once per file and handle, and again when the file was touched since. @throws LakeError when one is missing or damaged
   */
  check(files: Iterable<LakeFile>): Promise<void>
  /** stages a segment's file; the name is unique per call, so two owners never write the same file */
  stageSegmentFile(partition: number, start: Offset, kind: string): Promise<StagedFile>
  /** Creates the manifest exclusively, durably. 'lost': another owner committed this (partition, start) first; its manifest is `winner`. */
  commitSegment(
    manifest: SegmentManifest,
  ): Promise<{ readonly outcome: 'committed' } | { readonly outcome: 'lost'; readonly winner: SegmentManifest }>
  /** Chains of all partitions 0 … partitions-1, and of those behind them that have segments. Where a compacted segment replaces others, `compacted: true` gives it instead of them. */
  chains(partitions: number, options?: { readonly compacted?: boolean }): Promise<readonly SegmentChain[]>
  /** Commits a compacted segment beside those it replaces (they stay until removed). */
  commitCompacted(manifest: SegmentManifest): Promise<void>

  /** the generation that CURRENT names; null before the first */
  current(): Promise<GenerationManifest | null>
  /** all published generations, oldest first */
  generations(): Promise<readonly GenerationManifest[]>
  /** ids of all generations, oldest first; some may be unpublished, or can not be read */
  generationIds(): Promise<readonly string[]>
  /** a published generation; null when there is none of that id. @throws LakeError when its manifest is damaged */
  generation(id: string): Promise<GenerationManifest | null>
  /** Begins a generation: an exclusive, fresh id and a folder for its files. */
  beginGeneration(): Promise<StagedGeneration>
  /** Swaps CURRENT to a kept generation with one rename, durably. @throws when the generation does not exist */
  setCurrent(id: string): Promise<void>
  /** Removes a generation's files. Refuses the current one. */
  removeGeneration(id: string): Promise<void>
  /**
   * Removes segment files and manifests that nothing needs: replaced by a compacted one, and partials, both of segments that end at or
   * before `boundary` and were replaced or closed before `olderThanMs` (epoch). Returns bytes freed.
   */
  removeReplaced(boundary: readonly Offset[], olderThanMs: number): Promise<number>
  /** Removes files that crashes left behind: named by no manifest, and untouched since `olderThanMs` (epoch). Returns bytes freed. */
  sweepOrphans(olderThanMs: number): Promise<number>
  /** Reads every file that a manifest names and compares bytes and checksums. */
  verifyFiles(): Promise<FileReport>
  /** Holds the dataset's batch lock until `release`; null when another living process holds it. A dead holder loses it. */
  tryLock(): Promise<{ release(): Promise<void> } | null>
}

export interface StagedGeneration {
  readonly id: string
  stageFile(name: string): Promise<StagedFile>
  /**
   * Takes a file of another generation over as it is, under a name of this one, so that it stays whatever becomes of the other:
   * a hard link where the folder can have them, else a copy. @throws LakeError when the file is missing or has another size
   */
  takeOver(file: LakeFile, name: string): Promise<LakeFile>
  /** writes the manifest durably into the folder: from now on it is listed, but not current */
  commit(manifest: GenerationManifest): Promise<void>
  discard(): Promise<void>
}

export interface FileReport {
  readonly files: number
  readonly bytes: number
  /** one sentence per file that is missing or not what its manifest says */
  readonly problems: readonly string[]
}
