/** What the handles of a lake in memory share, as processes share a folder. */
import { createHash } from 'node:crypto'
import type { CompactionMark } from '../compaction-mark.ts'
import type { GenerationManifest } from '../generation-manifest.ts'
import type { LakeWork } from '../lake.ts'
import type { LogRefusal } from '../log-refusal.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { VerificationRecord } from '../verification-record.ts'

/** Suffix of unfinished files. */
export const UNFINISHED = '.inprogress'

/** The contents of a folder. */
export interface MemoryLakeFolder {
  /** path → contents; contents are opaque to the lake */
  readonly files: Map<string, string>
  readonly manifests: Map<string, SegmentManifest>
  readonly generations: Map<string, GenerationManifest>
  /** ids ever used, so that none is reused */
  begun: number
  current: string | null
  verified: VerificationRecord | null
  compacted: CompactionMark | null
  readonly refusals: Map<number, LogRefusal>
  /** work → the handle that holds its lock */
  readonly locks: Map<LakeWork, object>
  fileCount: number
}

export function memoryLakeFolder(): MemoryLakeFolder {
  return {
    files: new Map(),
    manifests: new Map(),
    generations: new Map(),
    begun: 0,
    current: null,
    verified: null,
    compacted: null,
    refusals: new Map(),
    locks: new Map(),
    fileCount: 0,
  }
}

export function sha256(contents: string): string {
  return createHash('sha256').update(contents).digest('hex')
}

/** A manifest that nobody can change afterwards. */
export function copyOf<Manifest>(manifest: Manifest): Manifest {
  return structuredClone(manifest)
}
