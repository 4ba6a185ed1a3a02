/**
 * Which panes a file of states can hold. The ranges of a view's files are equal or apart, and together they cover all of time: a pane's
 * states are in the files of one range.
 */

/** Half-open, by the beginning of a pane, epoch ms; without a bound it has no end there. */
export interface StateRange {
  readonly fromMs?: number
  readonly beforeMs?: number
}

interface Ranged {
  readonly range?: StateRange
}

/** The range of a file that does not name one: all of time, as in views without panes. */
export const ALL_PANES: StateRange = {}

export function rangeOf({ range }: Ranged): StateRange {
  return range ?? ALL_PANES
}

/** The distinct ranges of a view's files, oldest first. */
export function rangesOf(files: readonly Ranged[]): StateRange[] {
  const distinct = new Map(files.map(rangeOf).map((range) => [startOf(range), range]))
  return [...distinct].sort(([one], [other]) => one - other).map(([, range]) => range)
}

export function isSameRange(one: StateRange, other: StateRange): boolean {
  return one.fromMs === other.fromMs && one.beforeMs === other.beforeMs
}

/** Whether a file of this range can hold panes that are asked for. */
export function overlaps(one: StateRange, other: StateRange): boolean {
  return startOf(one) < endOf(other) && startOf(other) < endOf(one)
}

/** The files that can hold panes that are asked for. */
export function filesWithin<File extends Ranged>(files: readonly File[], panes: StateRange): File[] {
  return files.filter((file) => overlaps(rangeOf(file), panes))
}

/** The parts of a range between the panes at which it is cut. */
export function cutRange(range: StateRange, cuts: readonly number[]): StateRange[] {
  return [range.fromMs, ...cuts].map((fromMs, place) => {
    const beforeMs = cuts[place] ?? range.beforeMs
    return { ...(fromMs !== undefined && { fromMs }), ...(beforeMs !== undefined && { beforeMs }) }
  })
}

/** Whether every pane is in exactly one of the ranges. */
export function coverAllPanes(files: readonly Ranged[]): boolean {
  const ranges = rangesOf(files)
  const isOneOfThem = files.every((file) => ranges.some((range) => isSameRange(range, rangeOf(file))))
  const edges = ranges.every((range, place) => endOf(range) === startOf(ranges[place + 1] ?? { fromMs: Infinity }))
  return isOneOfThem && edges && startOf(ranges[0] ?? ALL_PANES) === -Infinity
}

function startOf({ fromMs = -Infinity }: StateRange): number {
  return fromMs
}

function endOf({ beforeMs = Infinity }: StateRange): number {
  return beforeMs
}
