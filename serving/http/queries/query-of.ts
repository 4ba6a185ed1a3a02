/** From the query model as JSON to the query that is planned: names, conditions and times in one form, however it was asked. */
import type { Condition } from '#core/condition.ts'
import { durationMs } from '#core/grains.ts'
import { parsePosition } from '#core/log-position.ts'
import type { Positions } from '#core/offsets.ts'
import type { Comparison, ViewQuery } from '#core/query.ts'
import type { FilterField } from '#serving/answers/filter-sql.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { unknownTimezone } from '#serving/answers/query-plan.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { isTimezone, zonedTextMs } from '#serving/answers/zone-time.ts'
import type { ComparisonBody, FilterBody, HavingBody, QueryBody } from './query-body.ts'

/** The same question gives the same query, member by member, whether it was asked by GET or POST. @throws QueryError that names the member */
export function queryOf(dataset: string, body: QueryBody): ViewQuery {
  const { from, to, grain, timezone, every, at } = body.time ?? {}
  if (timezone !== undefined && !isTimezone(timezone)) throw unknownTimezone(timezone)
  const time = (name: string, value: string | number | undefined): number | undefined =>
    timeMs(name, value === undefined ? undefined : String(value), timezone ?? 'UTC')
  return {
    dataset,
    view: body.view ?? (body.views ?? []).join('+'),
    views: body.views,
    measures: body.measures,
    dimensions: body.dimensions,
    filters: conditionsOf(body.filter, ({ dimension, ...more }) => ({ dimension, ...comparisonOf('filter', more) })),
    having: conditionsOf(body.having, ({ measure, ...more }) => ({ measure, ...comparisonOf('having', more) })),
    fromMs: time('from', from),
    toMs: time('to', to),
    grain: grain as ViewQuery['grain'],
    fill: body.fill,
    timezone,
    order: body.order?.map((entry) =>
      entry.startsWith('-') ? { by: entry.slice(1), direction: 'desc' } : { by: entry, direction: 'asc' },
    ),
    limit: body.limit === 'all' ? undefined : body.limit,
    compare: body.compare?.shift,
    totals: body.totals || undefined,
    shares: body.shares?.length === 0 ? undefined : body.shares,
    at: at === 'now' || at === 'latest' ? at : time('at', at),
    everyMs: every === undefined ? undefined : stepMs(every),
    per: body.per,
    cursor: body.cursor,
  }
}

/** @throws QueryError */
function stepMs(every: string): number {
  try {
    return durationMs(every, 'every')
  } catch {
    throw new QueryError('every', `'${every}' is not a duration (examples: 5m, 1h, 1d)`)
  }
}

type LeafOf<Body> = Exclude<Body, { and: unknown } | { or: unknown } | { not: unknown }>
type Body = FilterBody | HavingBody

/** Conditions of which all must hold: `and` is taken apart. */
function conditionsOf<B extends Body, Leaf extends object>(
  body: B | undefined,
  leafOf: (leaf: LeafOf<B>) => Leaf,
): Condition<Leaf>[] {
  if (body === undefined) return []
  if ('and' in body) return body.and.flatMap((part) => conditionsOf(part as B, leafOf))
  return [conditionOf(body, leafOf)]
}

function conditionOf<B extends Body, Leaf extends object>(body: B, leafOf: (leaf: LeafOf<B>) => Leaf): Condition<Leaf> {
  const each = (part: unknown): Condition<Leaf> => conditionOf(part as B, leafOf)
  if ('and' in body) return body.and.length === 1 ? each(body.and[0]) : { and: body.and.map(each) }
  if ('or' in body) return body.or.length === 1 ? each(body.or[0]) : { or: body.or.map(each) }
  if ('not' in body) return { not: each(body.not) }
  return leafOf(body as LeafOf<B>)
}

/** @throws QueryError where null stands among the values of another operator than `in` */
export function comparisonOf(field: FilterField, { operator, value, values = [] }: ComparisonBody): Comparison {
  const all = value === undefined ? values : [value, ...values]
  const texts = all.filter((one) => one !== null).map(String)
  if (texts.length === all.length) return { operator, values: texts }
  if (operator !== 'in') throw new QueryError(field, `${operator}: null can only be one of the values of 'in'`)
  return texts.length === 0 ? { operator: 'null', values: [] } : { operator, values: texts, orNull: true }
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

/**
 * The position that an answer must count; null if it need not count a certain one. The partitions of a log that can get more are not
 * checked: an event can be in one that this process does not know yet.
 * @throws QueryError
 */
export function positionOf(
  atLeast: string | undefined,
  { partitions, log }: Pick<ServedDataset, 'partitions' | 'log'>,
): Positions | null {
  if (atLeast === undefined) return null
  const position = parsePosition(atLeast)
  const missing = [...(position?.keys() ?? [])].find((partition) => partition >= partitions)
  if (missing !== undefined && log?.partitionsFixed)
    throw new QueryError('atLeast', `the log has no partition ${missing}; its partitions are 0 to ${partitions - 1}`)
  if (position !== null) return position
  throw new QueryError(
    'atLeast',
    `'${atLeast}' is not a position, as the answer to sent events has it (example: 0:1200,3:845)`,
  )
}
