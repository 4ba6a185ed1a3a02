/** Parses HTTP parameters or command-line flags into a query. Unknown names are refused, with the nearest known name as a suggestion. */
import { nearest } from '#core/definition-error.ts'
import type { Positions } from '#core/offsets.ts'
import type { Fill, FilterOperator, ViewQuery } from '#core/query.ts'
import type { FilterField } from '#serving/answers/filter-sql.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { type ComparisonBody, OPERATORS, withDigits } from './query-body.ts'
import { positionOf, queryOf } from './query-of.ts'

export const QUERY_PARAMETERS = [
  'measures',
  'dimensions',
  'filter',
  'having',
  'from',
  'to',
  'grain',
  'fill',
  'timezone',
  'order',
  'limit',
  'compare',
  'totals',
  'shares',
  'every',
  'at',
  'per',
  'cursor',
  'atLeast',
  'require',
] as const

/** Without a value these would be another question, and not a default: an empty `from`, for example, all of history. */
const NOT_EMPTY: readonly string[] = [
  ...['from', 'to', 'at', 'limit', 'grain', 'timezone'],
  ...['every', 'fill', 'compare', 'cursor', 'totals'],
]

export type QueryTexts = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Lists are comma-separated; `filter` and `having` may be repeated; times are ISO 8601 (without an offset: in
 * the query's time zone) or epoch milliseconds; in `order`, -name means descending.
 * @throws QueryError that names the parameter
 */
export function parseQuery(dataset: string, view: string, texts: QueryTexts): ViewQuery {
  for (const name of Object.keys(texts)) {
    if (!(QUERY_PARAMETERS as readonly string[]).includes(name)) {
      throw new QueryError(name, `unknown parameter${nearest(name, QUERY_PARAMETERS)}`, QUERY_PARAMETERS)
    }
  }
  const one = (name: string): string | undefined => {
    const value = texts[name]
    if (Array.isArray(value)) throw new QueryError(name, 'is given more than once')
    if (value === '' && NOT_EMPTY.includes(name)) throw new QueryError(name, 'is empty; leave it out, or give a value')
    return value === '' ? undefined : (value as string | undefined)
  }
  const list = (name: string): string[] | undefined =>
    one(name)
      ?.split(',')
      .map((entry) => entry.trim())
  return queryOf(dataset, {
    view,
    measures: list('measures'),
    dimensions: texts.dimensions === '' ? [] : list('dimensions'),
    filter: allOf(texts.filter, (text) => {
      const { name, ...comparison } = parseFilter('filter', text)
      return { dimension: name, ...comparison }
    }),
    having: allOf(texts.having, (text) => {
      const { name, ...comparison } = parseFilter('having', text)
      return { measure: name, ...comparison }
    }),
    time: {
      from: one('from'),
      to: one('to'),
      grain: one('grain'),
      timezone: one('timezone'),
      every: one('every'),
      at: one('at'),
    },
    fill: one('fill') as Fill | undefined,
    compare: shiftOf(one('compare')),
    totals: trueOrFalse('totals', one('totals')),
    shares: list('shares'),
    order: list('order'),
    limit: wholeNumber('limit', one('limit')),
    per: list('per'),
    cursor: one('cursor'),
  })
}

function shiftOf(shift: string | undefined): { readonly shift: string } | undefined {
  return shift === undefined ? undefined : { shift }
}

/** @throws QueryError */
function trueOrFalse(field: string, text: string | undefined): boolean | undefined {
  if (text === undefined || text === 'true' || text === 'false') return text === undefined ? undefined : text === 'true'
  throw new QueryError(field, `'${text}' is neither true nor false`)
}

function allOf<Leaf>(
  texts: string | readonly string[] | undefined,
  leafOf: (text: string) => Leaf,
): { readonly and: readonly Leaf[] } | undefined {
  return texts === undefined ? undefined : { and: [texts].flat().map((text) => leafOf(text as string)) }
}

/** As `positionOf`. @throws QueryError */
export function parseAtLeast(
  { atLeast }: QueryTexts,
  target: Pick<ServedDataset, 'partitions' | 'log'>,
): Positions | null {
  if (Array.isArray(atLeast)) throw new QueryError('atLeast', 'is given more than once')
  return positionOf(atLeast as string | undefined, target)
}

/** What an answer must be, or it is refused. */
export interface Required {
  /** it does not lack events of open segments */
  readonly live: boolean
  /** it is by the view's current definition */
  readonly current: boolean
}

const REQUIREMENTS: readonly string[] = ['live', 'current']

/** @throws QueryError */
export function parseRequire({ require }: QueryTexts): Required {
  return requiredOf([require ?? []].flat().flatMap((text) => text.split(',')))
}

/** @throws QueryError */
export function requiredOf(named: readonly string[]): Required {
  for (const name of named)
    if (!REQUIREMENTS.includes(name))
      throw new QueryError('require', `'${name}' is not a property of an answer that can be required`, REQUIREMENTS)
  return { live: named.includes('live'), current: named.includes('current') }
}

const FORMS: Readonly<Record<FilterField, string>> = {
  filter: 'dimension:operator:value (example: country:eq:us)',
  having: 'measure:operator:value (example: sales:gte:100)',
}

/** @param form what a filter looks like, for the message. @throws QueryError */
export function parseFilter(
  field: FilterField,
  text: string,
  form = FORMS[field],
): ComparisonBody & { readonly name: string } {
  const [, name, operator, rest] = /^([^:]+):([a-z]+)(?::(.*))?$/s.exec(text) ?? []
  if (name === undefined) throw new QueryError(field, `'${text}' does not have the form ${form}`, OPERATORS)
  if (!(OPERATORS as readonly string[]).includes(operator!))
    throw new QueryError(
      field,
      `'${text}': operator '${operator}' is unknown${nearest(operator!, OPERATORS)}`,
      OPERATORS,
    )
  const values = rest === undefined ? [] : operator === 'in' ? listOf(field, rest) : [rest]
  return { name, operator: operator as FilterOperator, values }
}

/** A comma-separated list, or a JSON array: for values that contain commas, and with null for rows without a value. */
function listOf(field: FilterField, text: string): NonNullable<ComparisonBody['values']> {
  if (!text.startsWith('[')) return text.split(',')
  try {
    const list: unknown = JSON.parse(text, withDigits)
    if (Array.isArray(list) && list.every((entry) => entry === null || typeof entry !== 'object')) return list
  } catch {}
  throw new QueryError(
    field,
    `'${text}' starts like a JSON array, but is not an array of texts, numbers, booleans and nulls (example: ["a,b","c",null])`,
  )
}

/** @throws QueryError */
export function wholeNumber(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw new QueryError(field, `'${text}' is not a non-negative integer of at most 9 digits`)
  return Number(text)
}
