/** The commit record of one published result of the batch layer. Immutable. */
import type { Offset } from '#core/offsets.ts'
import type { LakeFile } from './segment-manifest.ts'

export interface DictionaryPin {
  readonly version: string
  /** Parquet: key VARCHAR, attributes MAP(VARCHAR, VARCHAR) */
  readonly file: LakeFile
  /** keys that views looked up in this run and that the dictionary does not have: distinct, over all look-ups */
  readonly unknownKeys: number
  /** the same for each look-up, `view.name`; not in manifests of earlier versions */
  readonly unknownByLookup?: Readonly<Record<string, number>>
}

/** Files that one view of one generation may have at the most: what an answer has to read and merge stays bounded. */
export const VIEW_FILES_MAX = 8

/** The states of one view: the rows of all files together, merged by whoever reads them. */
export interface ViewStates {
  readonly hash: string
  /** oldest first: what the last whole writing gave, then what each incremental run since added. One or more */
  readonly files: readonly LakeFile[]
}

export interface GenerationManifest {
  readonly format: 2
  readonly dataset: string
  /** g000001, g000002, … */
  readonly id: string
  readonly log: string
  readonly mode: 'full' | 'incremental'
  /** partition → end offset of the last segment counted (always a segment end); index in the array is the partition */
  readonly boundary: readonly Offset[]
  /** manifest names of the segments, in order, that the run read (full: all; incremental: those since the base) */
  readonly segments: readonly string[]
  /** incremental: id of the generation it builds on */
  readonly base: string | null
  /** view name → state rows of everything before the boundary */
  readonly views: Readonly<Record<string, ViewStates>>
  readonly dictionaries: Readonly<Record<string, DictionaryPin>>
  /** totals of everything before the boundary */
  readonly rows: number
  readonly deadLetters: number
  readonly lateRows: number
  /** offsets before the boundary that were lost to gaps */
  readonly gaps: readonly { readonly partition: number; readonly start: Offset; readonly end: Offset }[]
  readonly startedAtMs: number
  readonly finishedAtMs: number
  /** when the newest full run that this generation builds on finished (its own, for a full one): tells the schedule what is due */
  readonly fullFinishedAtMs?: number
}

/** All files that a generation's manifest names. */
export function generationFiles(manifest: GenerationManifest): readonly LakeFile[] {
  const pins = Object.values(manifest.dictionaries).map(({ file }) => file)
  return [...Object.values(manifest.views).flatMap(({ files }) => files), ...pins]
}
