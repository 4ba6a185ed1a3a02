/** Parses HTTP parameters or command-line flags into a query. Unknown names are refused, with the nearest known name as a suggestion. */
import { nearest } from '#core/definition-error.ts'
import { parsePosition } from '#core/log-position.ts'
import type { Positions } from '#core/offsets.ts'
import type { Comparison, Filter, FilterOperator, HavingFilter, ViewQuery } from '#core/query.ts'
import type { FilterField } from '../answers/filter-sql.ts'
import { QueryError } from '../answers/query-error.ts'
import { unknownTimezone } from '../answers/query-plan.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { isTimezone, zonedTextMs } from '../answers/zone-time.ts'

export const QUERY_PARAMETERS = [
  'measures',
  'dimensions',
  'filter',
  'having',
  'from',
  'to',
  'grain',
  'timezone',
  'order',
  'limit',
  'at',
  'per',
  'atLeast',
  'require',
] as const

const OPERATORS: readonly FilterOperator[] = ['eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'contains', 'null', 'notnull']

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
    return value === '' ? undefined : (value as string | undefined)
  }
  const list = (name: string): string[] | undefined =>
    one(name)
      ?.split(',')
      .map((entry) => entry.trim())
  const filters = [texts.filter ?? []]
    .flat()
    .map((text) => parseFilter('filter', text))
    .map(({ name, ...comparison }): Filter => ({ dimension: name, ...comparison }))
  const having = [texts.having ?? []]
    .flat()
    .map((text) => parseFilter('having', text))
    .map(({ name, ...comparison }): HavingFilter => ({ measure: name, ...comparison }))
  const at = one('at')
  const timezone = one('timezone')
  if (timezone !== undefined && !isTimezone(timezone)) throw unknownTimezone(timezone)
  const time = (name: string): number | undefined => timeMs(name, one(name), timezone ?? 'UTC')
  return {
    dataset,
    view,
    measures: list('measures'),
    dimensions: texts.dimensions === '' ? [] : list('dimensions'),
    filters,
    having,
    fromMs: time('from'),
    toMs: time('to'),
    grain: one('grain') as ViewQuery['grain'],
    timezone,
    order: list('order')?.map((entry) =>
      entry.startsWith('-') ? { by: entry.slice(1), direction: 'desc' } : { by: entry, direction: 'asc' },
    ),
    limit: wholeNumber('limit', one('limit')),
    at: at === 'now' || at === 'latest' ? at : time('at'),
    per: list('per'),
  }
}

/**
 * The position that an answer must count; null if it need not count a certain one. The partitions of a log that can get more are not
 * checked: an event can be in one that this process does not know yet.
 * @throws QueryError
 */
export function parseAtLeast(
  { atLeast }: QueryTexts,
  { partitions, log }: Pick<ServedDataset, 'partitions' | 'log'>,
): Positions | null {
  if (Array.isArray(atLeast)) throw new QueryError('atLeast', 'is given more than once')
  if (atLeast === undefined) return null
  const position = parsePosition(atLeast as string)
  const missing = [...(position?.keys() ?? [])].find((partition) => partition >= partitions)
  if (missing !== undefined && log?.partitionsFixed)
    throw new QueryError('atLeast', `the log has no partition ${missing}; its partitions are 0 to ${partitions - 1}`)
  if (position !== null) return position
  throw new QueryError(
    'atLeast',
    `'${atLeast}' is not a position, as the answer to sent events has it (example: 0:1200,3:845)`,
  )
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
  const named = [require ?? []].flat().flatMap((text) => text.split(','))
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
): Comparison & { readonly name: string } {
  const [, name, operator, rest] = /^([^:]+):([a-z]+)(?::(.*))?$/s.exec(text) ?? []
  if (name === undefined || !OPERATORS.includes(operator as FilterOperator))
    throw new QueryError(field, `'${text}' does not have the form ${form}`, OPERATORS)
  const values = rest === undefined ? [] : operator === 'in' ? listOf(field, rest) : [rest]
  return { name, operator: operator as FilterOperator, values }
}

/** A comma-separated list, or a JSON array of strings for values that contain commas. */
function listOf(field: FilterField, text: string): readonly string[] {
  if (!text.startsWith('[')) return text.split(',')
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every((entry) => typeof entry === 'string')) return list
  } catch {}
  throw new QueryError(
    field,
    `'${text}' starts like a JSON array, but is not an array of strings (example: ["a,b","c"])`,
  )
}

/** @throws QueryError */
export function timeMs(field: string, text: string | undefined, timezone: string): number | undefined {
  if (text === undefined) return undefined
  const ms = zonedTextMs(text, timezone)
  if (ms === null) {
    throw new QueryError(field, `'${text}' is not a time (examples: 2026-01-31T12:00:00Z, or milliseconds since 1970)`)
  }
  return ms
}

/** @throws QueryError */
export function wholeNumber(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw new QueryError(field, `'${text}' is not a non-negative integer of at most 9 digits`)
  return Number(text)
}
