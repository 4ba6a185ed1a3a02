/**
 * A part of what a verification compares, so that all of history is proved over several nights, each at the cost of its part: of views with
 * panes a range of time, and of views without them some of the keys.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { hasPanes, keyNames } from '#core/view-time.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { SegmentGroup, SegmentsOutline } from '#storage/lake/segment-outline.ts'
import { ALL_STATES, type StateRange } from '#storage/lake/state-ranges.ts'

/** before every time that there is, epoch ms */
export const BEGINNING_MS = -8_640_000_000_000_000

export interface Slice {
  /** of views with panes: those that begin in this range */
  readonly panes: StateRange
  /** of views without panes: the keys of the part `index` (0 …) of `of` equal parts */
  readonly keys: { readonly index: number; readonly of: number }
  /** the engine, whose hash decides what key is in what part, and the definitions of the views: a round has one */
  readonly cutBy: string
}

/** The panes whose states and rows a verification reads; all of them, where it is not of a slice. */
export function panesOf(slice: Slice | null): StateRange {
  return slice?.panes ?? ALL_STATES
}

/**
 * The condition on presented rows of the view that the slice compares them.
 *
 * ```ts
 * withinSql(byMinute, { panes: { fromMs: 0, beforeMs: 60_000 }, keys: { index: 0, of: 2 }, cutBy: '' }) // 'pane >= 0 AND pane < 60000'
 * withinSql(allTime, { panes: {}, keys: { index: 0, of: 2 }, cutBy: '' }) // 'hash("country") % 2 = 0'
 * ```
 */
export function withinSql(view: CompiledView, { panes, keys: { index, of } }: Slice): string {
  if (hasPanes(view)) {
    const { fromMs, beforeMs } = panes
    const bounds = [
      ...(fromMs === undefined ? [] : [`pane >= ${fromMs}`]),
      ...(beforeMs === undefined ? [] : [`pane < ${beforeMs}`]),
    ]
    return bounds.join(' AND ') || 'true'
  }
  const names = keyNames(view)
  // One row, which is in the first part.
  if (names.length === 0) return index === 0 ? 'true' : 'false'
  return `hash(${names.map(quoteName).join(', ')}) % ${of} = ${index}`
}

/**
 * ```ts
 * sliceText({ panes: { fromMs: 0, beforeMs: 86_400_000 }, keys: { index: 1, of: 14 }, cutBy: '' })
 * // 'slice 2 of 14 (panes from 1970-01-01T00:00:00.000Z before 1970-01-02T00:00:00.000Z)'
 * ```
 */
export function sliceText({ panes: { fromMs, beforeMs }, keys: { index, of } }: Pick<Slice, 'panes' | 'keys'>): string {
  if (beforeMs === BEGINNING_MS) return `slice ${index + 1} of ${of} (no panes: no segment has closed yet)`
  const from = fromMs === undefined || fromMs === BEGINNING_MS ? '' : ` from ${timeText(fromMs)}`
  const before = beforeMs === undefined ? '' : ` before ${timeText(beforeMs)}`
  const panes = `${from}${before}` === '' ? 'all panes' : `panes${from}${before}`
  return `slice ${index + 1} of ${of} (${panes})`
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

/** The segments that can hold events of these panes; what was written by another definition can have had other event times. */
export function segmentsWithin(
  { views, schemaHash }: Pick<CompiledDataset, 'views' | 'schemaHash'>,
  segments: readonly SegmentManifest[],
  panes: StateRange,
): SegmentManifest[] {
  const canHold = holding({ views, schemaHash }, panes)
  return segments.filter(({ timeRange: times, schemaHash: own }) => canHold({ times, schemaHash: own }))
}

/** Whether one of a group's segments can be among `segmentsWithin`, or is a summary. */
export function groupsWithin(
  dataset: Pick<CompiledDataset, 'views' | 'schemaHash'>,
  panes: StateRange,
): (group: Pick<SegmentGroup, 'outline' | 'isSummarized'>) => boolean {
  const canHold = holding(dataset, panes)
  return ({ outline, isSummarized }) => isSummarized || canHold(outline)
}

function holding(
  { views, schemaHash }: Pick<CompiledDataset, 'views' | 'schemaHash'>,
  { fromMs = Number.NEGATIVE_INFINITY, beforeMs = Number.POSITIVE_INFINITY }: StateRange,
): (of: Pick<SegmentsOutline, 'times' | 'schemaHash'>) => boolean {
  const paneMsMax = Math.max(0, ...[...views.values()].map(({ time }) => (time.kind === 'panes' ? time.paneMs : 0)))
  return ({ times, schemaHash: own }) => {
    if (own !== schemaHash) return true
    return times !== null && times.maxMs >= fromMs && times.minMs < beforeMs + paneMsMax
  }
}
