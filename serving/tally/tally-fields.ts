/** How state rows of one key become one: field by field, over columns of numbers. NaN: the state has no value. */

/** first, latest: the event's time in microseconds, its place among those of that time, and what it says; set: the number of a set */
export type FieldKind = 'sum' | 'min' | 'max' | 'first' | 'latest' | 'set'

export interface TallyField {
  readonly kind: FieldKind
  /** places of its columns among all columns */
  readonly columns: readonly number[]
}

/** By place; those of fields that are not asked for may be missing. */
export type TallyColumns = readonly Float64Array[]

/**
 * Merges rows into others. Sets are not merged here, but where it is known of which rows they are wanted.
 * @param targets by key: the row that it is merged into, plus `shift`; lower ones are left out
 */
export function mergeRows(
  { kind, columns }: TallyField,
  into: TallyColumns,
  targets: Int32Array,
  shift: number,
  keys: Int32Array,
  from: TallyColumns,
  count: number,
): void {
  if (kind === 'set') return
  const [at] = columns as [number]
  if (kind === 'sum') addRows(into[at]!, targets, shift, keys, from[at]!, count)
  else if (kind === 'min') leastRows(into[at]!, targets, shift, keys, from[at]!, count)
  else if (kind === 'max') greatestRows(into[at]!, targets, shift, keys, from[at]!, count)
  else mergeOrdered(kind, columns, into, targets, shift, keys, from, count)
}

type MergeNumbers = (
  into: Float64Array,
  targets: Int32Array,
  shift: number,
  keys: Int32Array,
  from: Float64Array,
  count: number,
) => void

const addRows: MergeNumbers = (into, targets, shift, keys, from, count) => {
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    const value = from[row]!
    if (target < 0 || Number.isNaN(value)) continue
    const before = into[target]!
    into[target] = Number.isNaN(before) ? value : before + value
  }
}

const leastRows: MergeNumbers = (into, targets, shift, keys, from, count) => {
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    const value = from[row]!
    if (target < 0 || Number.isNaN(value)) continue
    // Also where there is none yet.
    if (!(into[target]! <= value)) into[target] = value
  }
}

const greatestRows: MergeNumbers = (into, targets, shift, keys, from, count) => {
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    const value = from[row]!
    if (target < 0 || Number.isNaN(value)) continue
    if (!(into[target]! >= value)) into[target] = value
  }
}

/** The order of two events is that of their times, and then of their places. */
function mergeOrdered(
  kind: 'first' | 'latest',
  [time, place, said]: readonly number[],
  into: TallyColumns,
  targets: Int32Array,
  shift: number,
  keys: Int32Array,
  from: TallyColumns,
  count: number,
): void {
  const [times, places, texts] = [from[time!]!, from[place!]!, from[said!]!]
  const [bestTimes, bestPlaces, bestTexts] = [into[time!]!, into[place!]!, into[said!]!]
  const sign = kind === 'first' ? 1 : -1
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    if (target < 0 || Number.isNaN(times[row]!)) continue
    const later = sign * (times[row]! - bestTimes[target]!)
    if (later > 0 || (later === 0 && sign * (places[row]! - bestPlaces[target]!) >= 0)) continue
    bestTimes[target] = times[row]!
    bestPlaces[target] = places[row]!
    bestTexts[target] = texts[row]!
  }
}
