/**
 * Which states a file can hold: those of a range of panes or, in a view without panes, of a range of slots of keys. The ranges of a view's
 * files are equal or apart, and together they cover all of time or all keys. Where files are cut by keys, there may also be some of all keys: what recent
 * runs added.
 */
import { KEY_SLOTS } from '#core/key-slots.ts'

/** Half-open; without a bound it has no end there. */
export interface StateRange {
  /** by the beginning of a pane, epoch ms */
  readonly fromMs?: number
  readonly beforeMs?: number
  /** by the slot of a key (core/key-slots.ts); a range of slots has both bounds */
  readonly fromSlot?: number
  readonly beforeSlot?: number
}

interface Ranged {
  readonly range?: StateRange
}

/** The range of a file that does not name one: everything. */
export const ALL_STATES: StateRange = {}
const ALL_SLOTS = { fromSlot: 0, beforeSlot: KEY_SLOTS }

export function rangeOf({ range }: Ranged): StateRange {
  return range ?? ALL_STATES
}

export function isOfSlots(file: Ranged): boolean {
  return file.range?.fromSlot !== undefined
}

/** The distinct ranges of a view's files, lowest first. */
export function rangesOf(files: readonly Ranged[]): StateRange[] {
  const distinct = new Map(files.map(rangeOf).map((range) => [rangeKey(range), range]))
  return [...distinct.values()].sort(
    (one, other) => compare(panesOf(one).from, panesOf(other).from) || slotsOf(one).from - slotsOf(other).from,
  )
}

export function isSameRange(one: StateRange, other: StateRange): boolean {
  return rangeKey(one) === rangeKey(other)
}

/** Whether a file of this range can hold states that are asked for. */
export function overlaps(one: StateRange, other: StateRange): boolean {
  return meet(panesOf(one), panesOf(other)) && meet(slotsOf(one), slotsOf(other))
}

/** The files that can hold states that are asked for. @param asked one range, or any of several */
export function filesWithin<File extends Ranged>(
  files: readonly File[],
  asked: StateRange | readonly StateRange[],
): File[] {
  const ranges = [asked].flat()
  return files.filter((file) => ranges.some((range) => overlaps(rangeOf(file), range)))
}

/** The parts of a range between the panes at which it is cut. */
export function cutRange(range: StateRange, cuts: readonly number[]): StateRange[] {
  return [range.fromMs, ...cuts].map((fromMs, place) => {
    const beforeMs = cuts[place] ?? range.beforeMs
    return { ...(fromMs !== undefined && { fromMs }), ...(beforeMs !== undefined && { beforeMs }) }
  })
}

/** A range of slots in about so many even parts. */
export function cutSlots(range: StateRange, parts: number): StateRange[] {
  const { fromSlot, beforeSlot } = { ...ALL_SLOTS, ...range }
  const number = Math.max(1, Math.min(parts, beforeSlot - fromSlot))
  const edge = (place: number): number => fromSlot + Math.round(((beforeSlot - fromSlot) * place) / number)
  return Array.from({ length: number }, (_, place) => ({ fromSlot: edge(place), beforeSlot: edge(place + 1) }))
}

/** Whether every state is in exactly one of the ranges; besides those of slots, files may have all keys. */
export function coverAllStates(files: readonly Ranged[]): boolean {
  const ofSlots = files.filter(isOfSlots)
  if (ofSlots.length === 0)
    return coverAxis(
      files.map((file) => panesOf(rangeOf(file))),
      -Infinity,
      Infinity,
    )
  const isWhole = files.every((file) => isOfSlots(file) || isSameRange(rangeOf(file), ALL_STATES))
  const isOfOneAxis = ofSlots.every(({ range }) => range!.beforeSlot !== undefined && isAllPanes(range!))
  return (
    isWhole &&
    isOfOneAxis &&
    coverAxis(
      ofSlots.map((file) => slotsOf(rangeOf(file))),
      0,
      KEY_SLOTS,
    )
  )
}

interface Span {
  readonly from: number
  readonly before: number
}

function panesOf({ fromMs = -Infinity, beforeMs = Infinity }: StateRange): Span {
  return { from: fromMs, before: beforeMs }
}

function slotsOf({ fromSlot = 0, beforeSlot = KEY_SLOTS }: StateRange): Span {
  return { from: fromSlot, before: beforeSlot }
}

function isAllPanes({ fromMs, beforeMs }: StateRange): boolean {
  return fromMs === undefined && beforeMs === undefined
}

function meet(one: Span, other: Span): boolean {
  return one.from < other.before && other.from < one.before
}

/** Infinities have no difference. */
function compare(one: number, other: number): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function coverAxis(spans: readonly Span[], from: number, before: number): boolean {
  const distinct = [...new Map(spans.map((span) => [`${span.from} ${span.before}`, span])).values()]
  const sorted = distinct.sort((one, other) => compare(one.from, other.from) || compare(one.before, other.before))
  const edges = sorted.every((span, place) => span.before === (sorted[place + 1]?.from ?? before))
  return edges && (sorted[0]?.from ?? from) === from
}

/** The same for equal ranges, and for no others. */
export function rangeKey({ fromMs, beforeMs, fromSlot, beforeSlot }: StateRange): string {
  return [fromMs, beforeMs, fromSlot, beforeSlot].join()
}
