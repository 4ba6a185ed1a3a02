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

/** Rows to merge, and where each goes. */
interface PlacedRows {
  /** by key: the row that it is merged into, plus `shift`; lower ones are left out */
  readonly targets: Int32Array
  readonly shift: number
  readonly keys: Int32Array
  readonly count: number
}

/**
 * Merges rows into others. Sets are not merged here: their callers know for which rows they are needed.
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
  const rows = { targets, shift, keys, count }
  const [at] = columns as [number]
  if (kind === 'sum') addRows(rows, into[at]!, from[at]!)
  else if (kind === 'min' || kind === 'max') extremeRows(kind === 'min' ? 1 : -1, rows, into[at]!, from[at]!)
  else mergeOrdered(kind, columns, rows, into, from)
}

function addRows({ targets, shift, keys, count }: PlacedRows, into: Float64Array, from: Float64Array): void {
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    const value = from[row]!
    if (target < 0 || Number.isNaN(value)) continue
    const before = into[target]!
    into[target] = Number.isNaN(before) ? value : before + value
  }
}

/** @param sign 1: the least value is kept; -1: the greatest */
function extremeRows(
  sign: 1 | -1,
  { targets, shift, keys, count }: PlacedRows,
  into: Float64Array,
  from: Float64Array,
): void {
  for (let row = 0; row < count; row++) {
    const target = targets[keys[row]!]! - shift
    // Nothing is less than NaN, which is never kept and always replaced.
    if (target >= 0 && !Number.isNaN(from[row]!) && !(sign * into[target]! <= sign * from[row]!))
      into[target] = from[row]!
  }
}

/** Events are ordered by their times, then by their places. */
function mergeOrdered(
  kind: 'first' | 'latest',
  [time, place, said]: readonly number[],
  { targets, shift, keys, count }: PlacedRows,
  into: TallyColumns,
  from: TallyColumns,
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
