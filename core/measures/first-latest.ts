import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/** (time in microseconds, partition, offset) as one number: time in the upper 64 bits, partition in the next 16, offset in the last 48 */
const TIME_STEP = `${2n ** 64n}::HUGEINT`
const PARTITION_STEP = `${2n ** 48n}::HUGEINT`

/** Where a typed row stands among all others. @param timeUs SQL: its event time, epoch µs */
export function orderSql(timeUs: string): string {
  return `${timeUs}::HUGEINT * ${TIME_STEP} + _partition::HUGEINT * ${PARTITION_STEP} + _offset::HUGEINT`
}

function timeOf(order: string): string {
  return `((${order}) >> 64)::BIGINT`
}

/**
 * The state of first and latest from two aggregates: the value, and the order that it has. (An aggregate over whole structs
 * gives the same, but encodes every row: four times the time.)
 */
export function orderedState(value: string, order: string): string {
  const [partition, offset] = [`((${order}) >> 48) & 65535`, `(${order}) & 281474976710655`]
  return `CASE WHEN ${order} IS NOT NULL THEN struct_pack(v := ${value}, t := ${timeOf(order)}, p := (${partition})::INTEGER, o := (${offset})::BIGINT) END`
}

/**
 * Value of the earliest or newest row, by time, partition and offset; NULL where there was none. The earlier or newer of two
 * states: associative, commutative and idempotent, with the zero NULL; a merge does not keep the other state, so it has no inverse.
 */
export function firstLatestSql(kind: 'first' | 'latest', { type, x, s, unnested }: MeasureInput): MeasureSql {
  const [best, of, direction] = kind === 'first' ? ['min', 'arg_min', ''] : ['max', 'arg_max', ' DESC']
  const v = s('v')
  const [stored, ordered] = [
    `STRUCT(v ${type}, t BIGINT, p INTEGER, o BIGINT)`,
    `STRUCT(t BIGINT, p INTEGER, o BIGINT, v ${type})`,
  ]
  const row = `struct_pack(t := ${timeOf('_order')}, p := _partition, o := _offset, v := ${x})`
  // Of the elements of one event, which share time, partition and offset, the smallest is first and the largest latest.
  const by = unnested ? `struct_pack(o := _order, v := ${x})` : '_order'
  return {
    ...SCALAR,
    state: [{ name: v, type: stored }],
    type,
    exactness: { kind: 'exact' },
    invertible: 'no',
    // The elements of one event share their order.
    ...(kind === 'latest' && !unnested && { keeps: 'newest' as const }),
    partial: [orderedState(`${of}(${x}, ${by})`, `${best}(_order) FILTER (WHERE ${x} IS NOT NULL)`)],
    // Structs compare by their fields in turn, and casts between them go by name.
    partialOfFew: [`${best}(CASE WHEN ${x} IS NOT NULL THEN ${row} END)::${stored}`],
    merge: [`${best}(${v}::${ordered})::${stored}`],
    present: `${v}.v`,
    recount: `first(${x} ORDER BY _at${direction}, _partition${direction}, _offset${direction}${unnested ? `, ${x}${direction}` : ''}) FILTER (WHERE ${x} IS NOT NULL)`,
  }
}
