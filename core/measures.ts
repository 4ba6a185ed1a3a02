/**
 * Per kind of measure: its state, and the SQL that makes, merges and presents it. Only states cross the boundary.
 *
 * Scalar states are plain aggregates. List states (distinct hashes, quantile buckets) are made by a query of their own that
 * explodes, deduplicates or adds, and collects again; the view joins it to the rest by its keys.
 */
import type { CompiledMeasure, Exactness, SqlColumn } from './compiled.ts'
import type { MeasureDefinition } from './definition.ts'
import { decimalOf } from './stored-value.ts'

/** Distinct counts are exact up to this many values. */
export const KMV_K = 2_048
/** One standard deviation of the estimate beyond K, relative: 1 / sqrt(K - 1). Bar-Yossef et al., 2002; Beyer et al., 2007. */
export const KMV_SIGMA = 1 / Math.sqrt(KMV_K - 1)
/** Ratio of neighbouring quantile buckets: the middle of a bucket is within (g - 1) / (g + 1) = 0.99 % of each of its values. Masson et al., DDSketch, 2019. */
export const QUANTILE_GAMMA = 1.02
const HASH_SPACE = 2 ** 52
const ZERO_SHIFT = 50_000

/** SQL over columns named x (value), y (second value), _time, _partition, _offset, _order. */
export interface MeasureSql {
  readonly state: readonly SqlColumn[]
  readonly type: string
  readonly exactness: Exactness
  /** one aggregate per state column, over prepared rows; null for list states */
  readonly partial: readonly string[] | null
  /** one aggregate per state column, over state rows; null for list states */
  readonly merge: readonly string[] | null
  readonly list: ListState | null
  readonly present: string
  /** BOOLEAN: whether the presented value is an estimate; null where it never is */
  readonly estimated: string | null
  readonly recount: string
}

export interface ListState {
  /** element of one prepared row */
  readonly element: string
  /** 'distinct': a set of elements; 'counted': elements with how often */
  readonly kind: 'distinct' | 'counted'
  /** keeps only this many of the smallest; null keeps all */
  readonly keep: number | null
}

/** (time, partition, offset) as one number: time in the upper 64 bits, partition in the next 16, offset in the last 48 */
const TIME_STEP = `${2n ** 64n}::HUGEINT`
const PARTITION_STEP = `${2n ** 48n}::HUGEINT`
export const ORDER_SQL = orderSql('_time', '_partition', '_offset')

function orderSql(time: string, partition: string, offset: string): string {
  return `${time}::HUGEINT * ${TIME_STEP} + ${partition}::HUGEINT * ${PARTITION_STEP} + ${offset}::HUGEINT`
}

/**
 * The state of first and latest from two aggregates: the value, and the order that it has. (An aggregate over whole structs
 * gives the same, but encodes every row: four times the time.)
 */
function orderedState(value: string, order: string): string {
  const [time, partition, offset] = [`(${order}) >> 64`, `((${order}) >> 48) & 65535`, `(${order}) & 281474976710655`]
  return `CASE WHEN ${order} IS NOT NULL THEN struct_pack(v := ${value}, t := (${time})::BIGINT, p := (${partition})::INTEGER, o := (${offset})::BIGINT) END`
}

/** @param type of the expression (and of the second one); @param names x, y: the prepared columns; s: names of state columns; unnested: one event may give several rows */
export function measureSql(
  definition: MeasureDefinition,
  type: string,
  second: string,
  names: { x: string; y: string; s: (part: string) => string; unnested: boolean },
): MeasureSql {
  const { x, y, s } = names
  const stateOrder = (column: string): string => orderSql(`${column}.t`, `${column}.p`, `${column}.o`)
  const scalar = { list: null, estimated: null }
  switch (definition.kind) {
    case 'count': {
      const n = definition.where === undefined ? 'count(*)' : `count(${x})`
      return {
        ...scalar,
        state: [{ name: s('n'), type: 'BIGINT' }],
        type: 'BIGINT',
        exactness: { kind: 'exact' },
        partial: [n],
        merge: [`sum(${s('n')})::BIGINT`],
        present: s('n'),
        recount: n,
      }
    }
    case 'sum': {
      const total = sumType(type)
      return {
        ...scalar,
        state: [{ name: s('s'), type: total }],
        type: total,
        exactness: exactnessOf(total),
        partial: [`sum(${x})::${total}`],
        merge: [`sum(${s('s')})::${total}`],
        present: s('s'),
        recount: `sum(${x})::${total}`,
      }
    }
    case 'min':
    case 'max': {
      const f = definition.kind
      return {
        ...scalar,
        state: [{ name: s('v'), type }],
        type,
        exactness: { kind: 'exact' },
        partial: [`${f}(${x})`],
        merge: [`${f}(${s('v')})`],
        present: s('v'),
        recount:
          f === 'min'
            ? `first(${x} ORDER BY ${x}) FILTER (WHERE ${x} IS NOT NULL)`
            : `first(${x} ORDER BY ${x} DESC) FILTER (WHERE ${x} IS NOT NULL)`,
      }
    }
    case 'avg': {
      const total = sumType(type)
      return {
        ...scalar,
        state: [
          { name: s('s'), type: total },
          { name: s('n'), type: 'BIGINT' },
        ],
        type: 'DOUBLE',
        exactness: { kind: 'float' },
        partial: [`sum(${x})::${total}`, `count(${x})`],
        merge: [`sum(${s('s')})::${total}`, `sum(${s('n')})::BIGINT`],
        present: `${s('s')}::DOUBLE / nullif(${s('n')}, 0)`,
        recount: `sum(${x})::DOUBLE / nullif(count(${x}), 0)`,
      }
    }
    case 'ratio': {
      const [a, b] = [sumType(type), sumType(second)]
      return {
        ...scalar,
        state: [
          { name: s('a'), type: a },
          { name: s('b'), type: b },
        ],
        type: 'DOUBLE',
        exactness: { kind: 'float' },
        partial: [`sum(${x})::${a}`, `sum(${y})::${b}`],
        merge: [`sum(${s('a')})::${a}`, `sum(${s('b')})::${b}`],
        present: `${s('a')}::DOUBLE / nullif(${s('b')}::DOUBLE, 0)`,
        recount: `sum(${x})::DOUBLE / nullif(sum(${y})::DOUBLE, 0)`,
      }
    }
    case 'first':
    case 'latest': {
      const [best, of] = definition.kind === 'first' ? ['min', 'arg_min'] : ['max', 'arg_max']
      const direction = definition.kind === 'first' ? '' : ' DESC'
      const v = s('v')
      // Of the elements of one event, which share time, partition and offset, the smallest is first and the largest latest.
      const by = (order: string, value: string): string =>
        names.unnested ? `struct_pack(o := ${order}, v := ${value})` : order
      return {
        ...scalar,
        state: [{ name: v, type: `STRUCT(v ${type}, t BIGINT, p INTEGER, o BIGINT)` }],
        type,
        exactness: { kind: 'exact' },
        partial: [orderedState(`${of}(${x}, ${by('_order', x)})`, `${best}(_order) FILTER (WHERE ${x} IS NOT NULL)`)],
        merge: [orderedState(`${of}(${v}.v, ${by(stateOrder(v), `${v}.v`)})`, `${best}(${stateOrder(v)})`)],
        present: `${v}.v`,
        recount: `first(${x} ORDER BY _time${direction}, _partition${direction}, _offset${direction}${names.unnested ? `, ${x}${direction}` : ''}) FILTER (WHERE ${x} IS NOT NULL)`,
      }
    }
    case 'countDistinct': {
      const h = s('h')
      const estimate = `CASE WHEN len(${h}) <= ${KMV_K} THEN len(${h}) ELSE round(${KMV_K} / (${h}[${KMV_K + 1}]::DOUBLE / ${HASH_SPACE}))::BIGINT END`
      return {
        state: [{ name: h, type: 'BIGINT[]' }],
        type: 'BIGINT',
        exactness: definition.exact ? { kind: 'exact' } : { kind: 'sketch', k: KMV_K, relativeSigma: KMV_SIGMA },
        partial: null,
        merge: null,
        list: {
          element: `CAST('0x' || substr(md5(${x}::VARCHAR), 1, 13) AS BIGINT)`,
          kind: 'distinct',
          keep: definition.exact ? null : KMV_K + 1,
        },
        present: definition.exact ? `len(${h})` : estimate,
        estimated: definition.exact ? null : `len(${h}) > ${KMV_K}`,
        recount: `count(DISTINCT ${x})`,
      }
    }
    case 'quantile': {
      const q = s('q')
      const value = `(${x})::DOUBLE`
      const index = `ceil(ln(abs(${value})) / ln(${QUANTILE_GAMMA}))::INTEGER`
      const rank = `floor(${definition.q} * (list_sum(list_transform(${q}, lambda _e: _e.n)) - 1))::BIGINT`
      // Goes along the buckets until the rank is used up: one step per bucket.
      const found = `list_reduce(list_prepend(struct_pack(b := NULL::INTEGER, n := ${rank}), ${q}), lambda _a, _e: CASE WHEN _a.n < 0 THEN _a ELSE struct_pack(b := _e.b, n := _a.n - _e.n) END).b`
      const middle = (b: string): string =>
        `CASE WHEN ${b} = 0 THEN 0 ELSE sign(${b}) * 2 * pow(${QUANTILE_GAMMA}, abs(${b}) - ${ZERO_SHIFT}) / ${QUANTILE_GAMMA + 1} END`
      return {
        state: [{ name: q, type: 'STRUCT(b INTEGER, n BIGINT)[]' }],
        type: 'DOUBLE',
        exactness: { kind: 'bounded', relativeError: 0.01 },
        partial: null,
        merge: null,
        list: {
          element: `CASE WHEN ${value} = 0 THEN 0 ELSE (sign(${value}) * (${index} + ${ZERO_SHIFT}))::INTEGER END`,
          kind: 'counted',
          keep: null,
        },
        present: `list_transform([${found}], lambda _b: ${middle('_b')})[1]::DOUBLE`,
        estimated: null,
        recount: `list_sort(list(${value}) FILTER (WHERE ${x} IS NOT NULL))[floor(${definition.q} * (count(${x}) - 1))::BIGINT + 1]`,
      }
    }
  }
}

/** The measure as the other tiers see it. */
export function compiledMeasure(name: string, definition: MeasureDefinition, sql: MeasureSql): CompiledMeasure {
  return {
    name,
    kind: definition.kind,
    type: sql.type,
    state: sql.state,
    exactness: sql.exactness,
    label: definition.label,
  }
}

/** A type that holds the sum exactly: 2^32 INTEGERs fit a BIGINT, 10^19 BIGINTs a DECIMAL(38,0). */
function sumType(type: string): string {
  if (/^(U?TINYINT|U?SMALLINT|U?INTEGER|BOOLEAN)$/.test(type)) return 'BIGINT'
  if (/^(U?BIGINT|U?HUGEINT)$/.test(type)) return 'DECIMAL(38,0)'
  const decimal = decimalOf(type)
  return decimal ? `DECIMAL(38,${decimal.scale})` : 'DOUBLE'
}

function exactnessOf(type: string): Exactness {
  return type === 'DOUBLE' ? { kind: 'float' } : { kind: 'exact' }
}

const NUMERIC = /^(U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|U?HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/

/** Kinds that need numbers. */
export function wantsNumber(kind: MeasureDefinition['kind']): boolean {
  return kind === 'sum' || kind === 'avg' || kind === 'ratio' || kind === 'quantile'
}

/** Kinds whose state is a sum of the values. */
export function wantsSum(kind: MeasureDefinition['kind']): boolean {
  return kind === 'sum' || kind === 'avg' || kind === 'ratio'
}

export function isNumeric(type: string): boolean {
  return NUMERIC.test(type)
}
