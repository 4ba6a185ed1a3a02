/** The query model as JSON: the body of POST /v1/datasets/{dataset}/query, and what the parameters of a GET are turned into. */
import { z } from 'zod'
import { nearest } from '#core/definition-error.ts'
import { FILLS, type FilterOperator, QUERY_LIMITS } from '#core/query.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { schemaMessage } from '#serving/http/contract/schema-message.ts'

export const OPERATORS = [
  'eq',
  'ne',
  'in',
  'gt',
  'gte',
  'lt',
  'lte',
  'contains',
  'null',
  'notnull',
] as const satisfies readonly FilterOperator[]

/** Numbers and booleans are read as their texts. */
const VALUE = z.union([z.string(), z.number(), z.boolean()], {
  error: ({ input }) =>
    `must be a text, a number, true or false${input === null ? "; rows without a value are found by the operators 'null' and 'notnull'" : ''}`,
})

const comparison = {
  operator: z.enum(OPERATORS),
  value: VALUE.optional().describe('Of every operator but `in`, `null` and `notnull`'),
  values: z.array(VALUE.nullable()).optional().describe('Of `in`; null: rows without a value'),
}

export const FILTER: z.ZodType<FilterBody> = z
  .lazy(() =>
    z.union([
      z.strictObject({ dimension: z.string(), ...comparison }),
      z.strictObject({ and: z.array(FILTER) }),
      z.strictObject({ or: z.array(FILTER) }),
      z.strictObject({ not: FILTER }),
    ]),
  )
  .meta({ id: 'Filter', description: 'A comparison of a dimension, or comparisons combined' })

export const HAVING: z.ZodType<HavingBody> = z
  .lazy(() =>
    z.union([
      z.strictObject({ measure: z.string(), ...comparison }),
      z.strictObject({ and: z.array(HAVING) }),
      z.strictObject({ or: z.array(HAVING) }),
      z.strictObject({ not: HAVING }),
    ]),
  )
  .meta({ id: 'Having', description: 'A comparison of a merged measure, or comparisons combined' })

export interface ComparisonBody {
  readonly operator: FilterOperator
  readonly value?: string | number | boolean
  readonly values?: readonly (string | number | boolean | null)[]
}
type Combined<Leaf> =
  | Leaf
  | { readonly and: readonly Combined<Leaf>[] }
  | { readonly or: readonly Combined<Leaf>[] }
  | { readonly not: Combined<Leaf> }
export type FilterBody = Combined<ComparisonBody & { readonly dimension: string }>
export type HavingBody = Combined<ComparisonBody & { readonly measure: string }>

const names = (meaning: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z.array(z.string()).optional().describe(meaning)
const MOMENT = z.union([z.string(), z.number().int()], {
  error: 'must be a time in ISO 8601, or whole milliseconds since 1970',
})

const TIME = z.strictObject({
  from: MOMENT.optional().describe('Start of the event-time range: ISO 8601, or milliseconds since 1970'),
  to: MOMENT.optional().describe('End of the range, exclusive'),
  grain: z.string().optional().describe('Groups by `time`, the start of each bucket: minute, hour, day …'),
  timezone: z.string().optional().describe('IANA time zone of the grain, and of times without an offset; default UTC'),
  every: z
    .string()
    .optional()
    .describe(
      'For views with a window: rows of each window that ends at a multiple of this step after `from`, up to `to`',
    ),
  at: MOMENT.optional().describe('For views with a window: `now`, `latest`, or the time whose window is wanted'),
})

const COMPARE = z.strictObject({
  shift: z
    .string()
    .describe('How far back: `previous` (the period before), or for example 12h, 7d, 1w, 1month, 1quarter, 1year'),
})

export const QUERY_BODY = z
  .strictObject({
    view: z.string().optional().describe('Name of a view or series'),
    views: names('Instead of `view`: several views, side by side; measures are then named `view.measure`'),
    measures: names('Default: all'),
    dimensions: names("Default: the ranking's, or all; empty: one row over everything, none without events"),
    filter: FILTER.optional(),
    having: HAVING.optional(),
    time: TIME.optional(),
    fill: z
      .enum(FILLS)
      .optional()
      .describe('Also rows for buckets without events: what no events give, null, or the values of the bucket before'),
    compare: COMPARE.optional(),
    totals: z.boolean().optional().describe('`meta.totals`: the measures of all groups of the answer together'),
    shares: names('Measures: each row also has what it has of the total, as `<measure>_share`'),
    order: names('Dimensions, measures or `time`; a leading `-` means descending'),
    limit: z
      .union([z.number().int(), z.literal('all')], { error: "must be an integer, or 'all'" })
      .optional()
      .describe(`Maximum number of rows, up to ${QUERY_LIMITS.rowsMax}; \`all\`: every row, as an export`),
    per: names('Ranks within each combination of these dimensions'),
    cursor: z
      .string()
      .optional()
      .describe('`start`: the first page of all rows, `limit` at a time; then `meta.next` of the page before'),
    explain: z.boolean().optional().describe('In JSON: also says how the answer came about'),
    atLeast: z.string().optional().describe('Waits until the answer counts everything before this position'),
    require: z
      .array(z.enum(['live', 'current']))
      .optional()
      .describe('Refuses an answer that may lack events of open segments, or one by an earlier definition'),
  })
  .meta({ id: 'Query' })

export type QueryBody = z.output<typeof QUERY_BODY>

/** The schemas of nested members whose names are checked; filters are checked by their own reader. */
const MEMBERS: Readonly<Record<string, z.ZodObject>> = { '': QUERY_BODY, time: TIME, compare: COMPARE }

/** Everything but the conditions, which are read with better messages than a union gives. */
const PLAIN = QUERY_BODY.extend({ filter: z.unknown().optional(), having: z.unknown().optional() })

/**
 * A query that was sent as JSON.
 * @param text JSON; a number with more digits than a double keeps is read as its text, so that none is lost
 * @throws QueryError that names the member
 */
export function readQueryBody(text: string): QueryBody {
  const { filter, having, ...rest } = checked(PLAIN.safeParse(parsed(text)))
  if (rest.view === undefined && rest.views === undefined)
    throw new QueryError('view', 'name a view, or several in views')
  if (rest.view !== undefined && rest.views !== undefined) throw new QueryError('views', "cannot stand beside 'view'")
  return {
    ...rest,
    ...(filter === undefined ? {} : { filter: conditionOf<FilterBody>(filter, 'filter', 'dimension') }),
    ...(having === undefined ? {} : { having: conditionOf<HavingBody>(having, 'having', 'measure') }),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text, withDigits)
  } catch (error) {
    throw new QueryError('query', `is not JSON: ${(error as Error).message}`)
  }
}

/** For JSON.parse: a number with more digits than a double keeps becomes its text, so that none is lost. */
export function withDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  return typeof value === 'number' && source !== undefined && String(value) !== source ? source : value
}

function checked<T>(result: z.ZodSafeParseResult<T>): T {
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') throw new QueryError(path.join('.') || 'query', schemaMessage(issue.message))
  const place = MEMBERS[path.filter((part) => !/^\d+$/.test(part)).join('.')]
  throw unknownMember([...path, issue.keys[0]!].join('.'), issue.keys[0]!, Object.keys(place?.shape ?? {}))
}

function unknownMember(path: string, name: string, known: readonly string[]): QueryError {
  return new QueryError(path, `unknown member${nearest(name, known)}`, known)
}

function conditionOf<Body>(value: unknown, path: string, of: 'dimension' | 'measure', depth = 1): Body {
  const { conditionDepthMax, filtersMax } = QUERY_LIMITS
  if (depth > conditionDepthMax)
    throw new QueryError(path.split('.')[0]!, `is nested deeper than conditionDepthMax = ${conditionDepthMax}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new QueryError(path, `must be an object with '${of}', 'and', 'or' or 'not'`)
  const [word, ...others] = Object.keys(value)
  if (word === undefined || !['and', 'or', 'not'].includes(word)) return comparisonOf(value, path, of)
  if (others.length > 0) throw new QueryError(path, `'${word}' cannot stand beside '${others[0]}'`)
  const inner = (value as Record<string, unknown>)[word]
  if (word === 'not') return { not: conditionOf(inner, `${path}.not`, of, depth + 1) } as Body
  if (!Array.isArray(inner)) throw new QueryError(`${path}.${word}`, 'must be a list of conditions')
  if (inner.length === 0) throw new QueryError(`${path}.${word}`, 'is empty; leave it out, or give a condition')
  if (inner.length > filtersMax)
    throw new QueryError(`${path}.${word}`, `has more than filtersMax = ${filtersMax} conditions`)
  return { [word]: inner.map((one, at) => conditionOf(one, `${path}.${word}.${at}`, of, depth + 1)) } as Body
}

const LEAVES = {
  dimension: z.strictObject({ dimension: z.string(), ...comparison }),
  measure: z.strictObject({ measure: z.string(), ...comparison }),
}

function comparisonOf<Body>(value: object, path: string, of: 'dimension' | 'measure'): Body {
  const result = LEAVES[of].safeParse(value)
  if (result.success) {
    const { value: one, values } = result.data
    if (one !== undefined && values !== undefined) throw new QueryError(`${path}.values`, "cannot stand beside 'value'")
    return result.data as Body
  }
  const issue = result.error.issues[0]!
  if (issue.code === 'unrecognized_keys')
    throw unknownMember(`${path}.${issue.keys[0]}`, issue.keys[0]!, [
      ...Object.keys(LEAVES[of].shape),
      'and',
      'or',
      'not',
    ])
  throw new QueryError([path, ...issue.path.map(String)].join('.'), schemaMessage(issue.message))
}
