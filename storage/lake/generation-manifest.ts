/** The commit record of one published result of the batch layer. Immutable. */
import type { Offset } from '#core/offsets.ts'
import type { LakeFile } from './segment-manifest.ts'

export interface DictionaryPin {
  readonly version: string
  /** Parquet: key VARCHAR, attributes MAP(VARCHAR, VARCHAR) */
  readonly file: LakeFile
  /** keys that views looked up in this run and that the dictionary does not have: distinct, counted per lookup name */
  readonly unknownKeys: number
}

export interface GenerationManifest {
  readonly format: 1
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
  /** view name → merged state rows of everything before the boundary */
  readonly views: Readonly<Record<string, { readonly hash: string; readonly file: LakeFile }>>
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
