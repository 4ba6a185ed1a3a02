/** The commit record of one published result of the batch layer. Immutable. */
import type { FixedGrain } from '#core/grains.ts'
import type { Offset } from '#core/offsets.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import type { LakeFile, UncountedBefore } from './segment-manifest.ts'
import type { StateRange } from './state-ranges.ts'

export interface DictionaryPin {
  readonly version: string
  /** Parquet: key VARCHAR, attributes MAP(VARCHAR, VARCHAR) */
  readonly file: LakeFile
  /** number of distinct keys, over all lookups, that are missing from the dictionary; of one column of a view at most UNKNOWN_KEYS_MAX are counted */
  readonly unknownKeys: number
  /** the same per lookup, `view.name`; absent in manifests of earlier versions */
  readonly unknownByLookup?: Readonly<Record<string, number>>
  /** which keys they are, so that the next run looks only at what it adds; absent in manifests of earlier versions */
  readonly unknown?: MissingKeys
}

export interface MissingKeys {
  /** `view.column`, of all that were looked at */
  readonly columns: readonly string[]
  /** Parquet: asked VARCHAR, one of `columns`, and key VARCHAR; null: no key is missing */
  readonly file: LakeFile | null
}

/** The files of a pinned dictionary. */
export function filesOfPin({ file, unknown }: DictionaryPin): readonly LakeFile[] {
  return unknown?.file ? [file, unknown.file] : [file]
}

/** Maximum number of files of one range of a view's states; bounds what an answer has to read and merge. */
export const RANGE_FILES_MAX = 8

/** Maximum number of files of one view of a generation: beyond that, ranges grow and are not cut any more. */
export const VIEW_FILES_MAX = 8_192

/** A file of states, and which it can hold; without a range: any. */
export interface StateFile extends LakeFile {
  readonly range?: StateRange
  /** all of its panes are those of this grain, into which they were merged; absent: they are the view's own, or of several lengths */
  readonly grain?: FixedGrain
  /** epoch ms, in a range that a horizon crossed: before this, there is what that horizon left; absent: it is not known */
  readonly settledMs?: number
}

/** The states of one view: the rows of all files together, which readers merge. */
export interface ViewStates {
  readonly hash: string
  /** at least one. By range, and within one oldest first: the file of its last complete rewrite, then those of incremental runs since */
  readonly files: readonly StateFile[]
  /** by partition: what the view does not count, because its raw events had been removed before it was defined; absent: nothing */
  readonly since?: readonly UncountedBefore[]
  /**
   * which panes were merged or removed by policy; absent: none. Files can still hold older ones: answers are read through the horizon
   */
  readonly horizon?: PaneHorizon
}

/** What is known of the times of all events before the boundary, where `keep.panes` decides by them what is old. */
export interface PaneAges {
  /** event time of the oldest one, epoch ms; absent: there is none */
  readonly oldestMs?: number
  /** arrivals, epoch ms, ascending: enough of them to tell the present by */
  readonly arrivals: readonly number[]
}

export interface GenerationManifest {
  /**
   * 7: it names the keys that dictionaries lack. 6: panes get old: it has `ages`, or a view has a horizon. 5: files of a view are cut by keys. 4: its files are named by their content, and other generations may name them, too; before, each
   * generation had files of its own
   */
  readonly format: 2 | 3 | 4 | 5 | 6 | 7
  readonly dataset: string
  /** g000001, g000002, … */
  readonly id: string
  readonly log: string
  readonly mode: 'full' | 'incremental'
  /** by partition (array index): end offset of the last counted segment */
  readonly boundary: readonly Offset[]
  /** manifest names, in order, of the segments that the run read (full: all; incremental: those since the base) */
  readonly segments: readonly string[]
  /** incremental: id of the generation it builds on */
  readonly base: string | null
  /**
   * the dataset's definition that the views were computed by: they are answered by it while a changed one has not been computed. Absent in
   * manifests of earlier versions
   */
  readonly definition?: Readonly<Record<string, unknown>>
  /** by partition, where raw events are removed: before this offset they were, when the run began, and nothing can be recounted */
  readonly floor?: readonly Offset[]
  /** view name → state rows of everything before the boundary */
  readonly views: Readonly<Record<string, ViewStates>>
  readonly ages?: PaneAges
  readonly dictionaries: Readonly<Record<string, DictionaryPin>>
  /** totals of everything before the boundary */
  readonly rows: number
  readonly deadLetters: number
  readonly lateRows: number
  /** column → usable rows in which its value could not be converted; absent if there are none */
  readonly unconverted?: Readonly<Record<string, number>>
  /** offsets before the boundary that were lost to gaps */
  readonly gaps: readonly { readonly partition: number; readonly start: Offset; readonly end: Offset }[]
  readonly startedAtMs: number
  readonly finishedAtMs: number
  /** when the newest full run that this generation builds on finished (for a full one, its own): determines when the next one is due */
  readonly fullFinishedAtMs?: number
  /** which boundaries readers may still use that began with a generation before this one; absent in manifests of earlier versions */
  readonly superseded?: SupersededBoundaries
}

export interface SupersededBoundaries {
  /** epoch ms: every generation that was current later is among `boundaries`, or is this one */
  readonly sinceMs: number
  /** `untilMs`: when a newer generation took its place */
  readonly boundaries: readonly { readonly boundary: readonly Offset[]; readonly untilMs: number }[]
}

/** All files that a generation's manifest names. */
export function generationFiles(manifest: GenerationManifest): readonly LakeFile[] {
  const pins = Object.values(manifest.dictionaries).flatMap(filesOfPin)
  return [...Object.values(manifest.views).flatMap(({ files }) => files), ...pins]
}
