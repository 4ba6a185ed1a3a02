/** Which ranges of a view's files the horizon concerns. */
import { GRAIN_MS } from '#core/grains.ts'
import { levelAt, type PaneHorizon, removedBeforeMs } from '#core/pane-horizon.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import { ALL_STATES, isSameRange, rangeOf, rangesOf, type StateRange } from '#storage/lake/state-ranges.ts'
import type { EventTimes } from './pane-horizons.ts'

/** Adjacent ranges that merged panes would lie across; mostly one. */
export interface JoinedRanges {
  readonly ranges: readonly StateRange[]
  /** all of them as one */
  readonly range: StateRange
}

/** @param ranges of panes, lowest first */
export function joinedRanges(ranges: readonly StateRange[], horizon: PaneHorizon): JoinedRanges[] {
  const joined: StateRange[][] = []
  for (const range of ranges) {
    if (joined.length > 0 && isInsidePane(horizon, range.fromMs!)) joined.at(-1)!.push(range)
    else joined.push([range])
  }
  return joined.map((own) => ({ ranges: own, range: own.length === 1 ? own[0]! : union(own[0]!, own.at(-1)!) }))
}

/** Whether a range that begins there cuts a pane that the horizon leaves. */
function isInsidePane(horizon: PaneHorizon, atMs: number): boolean {
  const grain = levelAt(horizon, atMs)?.grain ?? null
  return grain !== null && atMs % GRAIN_MS[grain] !== 0
}

function union({ fromMs }: StateRange, { beforeMs }: StateRange): StateRange {
  return { ...(fromMs !== undefined && { fromMs }), ...(beforeMs !== undefined && { beforeMs }) }
}

/** Whether a run writes the states of the range again, also where it has nothing to add to them. @param fileBytes see STATE_FILE_BYTES */
export function isDue(
  files: readonly StateFile[],
  range: StateRange,
  horizon: PaneHorizon,
  times: EventTimes | null,
  fileBytes: number,
): boolean {
  if (isToMerge(files, range, horizon)) return true
  return times !== null && isToSettle(files, range, horizon, times, fileBytes)
}

/** Whether files of the range still have finer panes than the horizon leaves anywhere in it. */
function isToMerge(files: readonly StateFile[], range: StateRange, horizon: PaneHorizon): boolean {
  const finest = finestLeft(range, horizon)
  if (finest === undefined) return false
  return files.some(({ grain }) => grain === undefined || GRAIN_MS[grain] < GRAIN_MS[finest])
}

/** How many times the bytes of a file of states are written again at once, because a horizon has moved within their range. */
const SETTLED_FILES_MAX = 4

/**
 * Whether states without an end, among them those of views that have one range, are to be written as the horizon leaves them: once as much
 * time has passed the horizon as there is behind it. So a state is written about twice for that, and at most half of the time that files
 * have in detail is old.
 */
function isToSettle(
  files: readonly StateFile[],
  { fromMs = -Infinity, beforeMs }: StateRange,
  horizon: PaneHorizon,
  { oldestMs, presentMs }: EventTimes,
  fileBytes: number,
): boolean {
  const last = horizon.at(-1)?.beforeMs
  if (last === undefined || beforeMs !== undefined || presentMs === null) return false
  if (files.reduce((sum, { bytes }) => sum + bytes, 0) > SETTLED_FILES_MAX * fileBytes) return false
  const since = Math.max(fromMs, oldestMs)
  const settled = Math.min(...files.map(({ settledMs }) => Math.max(settledMs ?? since, since)))
  return last > settled && last - settled >= presentMs - last
}

/** Up to where a file of the range that is written now has what the horizon leaves; undefined: all of it, or nothing. */
export function settledMs(
  { fromMs = -Infinity, beforeMs = Infinity }: StateRange,
  horizon: PaneHorizon,
): number | undefined {
  const last = horizon.at(-1)?.beforeMs
  return last !== undefined && fromMs < last && last < beforeMs ? last : undefined
}

/** The grain of the shortest panes that the horizon leaves in the range; undefined: the view's own, or none at all. */
export function finestLeft({ beforeMs }: StateRange, horizon: PaneHorizon): StateFile['grain'] {
  return beforeMs === undefined ? undefined : (levelAt(horizon, beforeMs - 1)?.grain ?? undefined)
}

/** The files without those of which nothing is left: the range of the first one that is kept begins before it, so that ranges cover all of time. */
export function withoutRemoved(files: readonly StateFile[], horizon: PaneHorizon): readonly StateFile[] {
  const removedMs = removedBeforeMs(horizon)
  if (removedMs === null) return files
  const ranges = rangesOf(files)
  const isGone = ({ beforeMs = Infinity }: StateRange): boolean => beforeMs <= removedMs
  const first = ranges.find((range) => !isGone(range))!
  if (first === ranges[0]) return files
  const wide = union(ALL_STATES, first)
  return files.flatMap((file) => {
    const own = rangeOf(file)
    if (isGone(own)) return []
    if (!isSameRange(own, first)) return [file]
    const { range: _range, ...rest } = file
    return [isSameRange(wide, ALL_STATES) ? rest : { ...rest, range: wide }]
  })
}
