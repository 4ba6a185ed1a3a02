/** Parses HTTP parameters or command-line flags into a question for raw events. */
import { QueryError } from '#serving/answers/query-error.ts'
import type { ColumnFilter, EventsQuery } from '#serving/raw-events/events-query.ts'
import { parseFilter, type QueryTexts, wholeNumber } from './parse-query.ts'
import { comparisonOf, timeMs } from './query-of.ts'

export const EVENTS_PARAMETERS = ['key', 'filter', 'from', 'to', 'limit', 'cursor', 'raw'] as const

const FILTER_FORM = 'column:operator:value (example: country:eq:us)'

/**
 * `filter` may be repeated; times are ISO 8601 (without an offset: in UTC) or epoch milliseconds.
 * @throws QueryError that names the parameter
 */
export function parseEventsQuery(dataset: string, texts: QueryTexts): EventsQuery {
  const one = (name: (typeof EVENTS_PARAMETERS)[number]): string | undefined => {
    const value = texts[name]
    if (Array.isArray(value)) throw new QueryError(name, 'is given more than once')
    return value as string | undefined
  }
  const filters = [texts.filter ?? []]
    .flat()
    .map((text) => parseFilter('filter', text, FILTER_FORM))
    .map(({ name, ...comparison }): ColumnFilter => ({ column: name, ...comparisonOf('filter', comparison) }))
  return {
    dataset,
    key: one('key'),
    filters,
    fromMs: timeMs('from', one('from'), 'UTC'),
    toMs: timeMs('to', one('to'), 'UTC'),
    limit: wholeNumber('limit', one('limit')),
    cursor: one('cursor'),
    raw: one('raw') === 'true',
  }
}
