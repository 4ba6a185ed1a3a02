/** Request schemas: each one validates, types and documents (GET /openapi.json) a request. */
import { z } from 'zod'
import { QUERY_LIMITS } from '#core/query.ts'
import { DEAD_LETTERS_MAX } from '#serving/dead-letters/letter-list.ts'
import type { QUERY_PARAMETERS } from '#serving/http/queries/parse-query.ts'

export const DEAD_LETTERS_DEFAULT = 100
const DEAD_LETTERS_LIMIT = `must be an integer from 1 to ${DEAD_LETTERS_MAX}`

export const NO_QUERY = z.strictObject({})

/** Probes and scrapers may add any parameter. */
export const ANY_QUERY = z.looseObject({})

export const DATASET_PARAMS = z.object({ dataset: z.string().describe('Name of a dataset') })

export const VIEW_PARAMS = DATASET_PARAMS.extend({ view: z.string().describe('Name of one of its views') })

export const VIEW_AS_PARAMS = VIEW_PARAMS.extend({
  format: z.string().describe('`json`, `ndjson`, `csv`, `arrow`, `parquet` or `xlsx`'),
})

export const EVENTS_QUERY = z.strictObject({
  verdicts: z.enum(['all']).optional().describe('Also list the accepted events, with partition and offset'),
  delimiter: z
    .string()
    .optional()
    .describe(
      'CSV: the character that separates fields, or `tab`; default: a comma for text/csv, a tab for text/tab-separated-values',
    ),
  columns: z.string().optional().describe('CSV without a header line: names of the columns; comma-separated'),
  decimalComma: z.string().optional().describe('CSV: columns with numbers such as 1.234,50; comma-separated'),
})

export const EVENTS_HEADERS = z.looseObject({
  'idempotency-key': z
    .string()
    .optional()
    .describe('Makes a repeated request count once: a string in double quotes, unique for each set of events'),
})

const header = (meaning: string): z.ZodOptional<z.ZodString> => z.string().optional().describe(meaning)

export const WEBHOOK_HEADERS = z.looseObject({
  'webhook-id': header('Standard Webhooks (also as svix-id): id of the delivery, which counts once'),
  'webhook-timestamp': header(
    'Standard Webhooks (also as svix-timestamp): seconds since 1970, at most 5 minutes from now',
  ),
  'webhook-signature': header(
    'Standard Webhooks (also as svix-signature): `v1,` and the signature as base64; several separated by spaces',
  ),
  'x-hub-signature-256': header('GitHub: `sha256=` and the signature as hex'),
  'x-github-delivery': header('GitHub: id of the delivery, which counts once'),
})

/** Reasons have no control characters. */
const reason = z
  .string()
  .max(2_000)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must be a text without control characters')
  .describe('Only letters with this reason, or of this kind of reason')

export const DEAD_LETTERS_QUERY = z.strictObject({
  limit: z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= DEAD_LETTERS_MAX,
      DEAD_LETTERS_LIMIT,
    )
    .meta({ type: 'integer', minimum: 1, maximum: DEAD_LETTERS_MAX, default: DEAD_LETTERS_DEFAULT })
    .optional()
    .describe('Maximum number of rows'),
  reason: reason.optional(),
  cursor: z.string().optional().describe('`next` of the page before'),
})

export const REASON_QUERY = z.strictObject({ reason: reason.optional() })

const names = (meaning: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`${meaning}; comma-separated`)
const time = (meaning: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`${meaning}; ISO 8601, or milliseconds since 1970`)

/** Parameters as strings; parse-query.ts and query-plan.ts check them against the view. */
export const VIEW_QUERY = z.strictObject({
  measures: names('Measures; default: all'),
  dimensions: names("Dimensions; default: the ranking's, or all; empty: one row over everything, none without events"),
  filter: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('`dimension:operator:value`; repeatable, all filters must match'),
  having: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('`measure:operator:value`, a filter on merged rows; repeatable, all must match'),
  from: time('Start of the event-time range, inclusive'),
  to: time('End of the event-time range, exclusive'),
  grain: z.string().optional().describe('Groups by `time`, the start of each bucket: minute, hour, day …'),
  fill: z
    .string()
    .optional()
    .describe('Also rows for buckets without events: `zero` (what no events give), `null`, or `previous`'),
  timezone: z
    .string()
    .optional()
    .describe('IANA time zone for `grain`, and for `from`, `to` and `at` without an offset; default UTC'),
  order: names('Dimensions, measures, `time` or `window_end`; a leading `-` means descending'),
  limit: z
    .string()
    .meta({ type: ['integer', 'string'], minimum: 1, maximum: QUERY_LIMITS.rowsMax, pattern: '^(all|[0-9]+)$' })
    .optional()
    .describe(
      `Maximum number of rows, or \`all\` for an export; default: the ranking's, or ${QUERY_LIMITS.rowsDefault}`,
    ),
  compare: z
    .string()
    .optional()
    .describe('Also what each row was in an earlier period: `previous`, or how far back: 12h, 7d, 1w, 1month, 1year …'),
  totals: z.string().optional().describe('`true`: `meta.totals` has the measures of all groups of the answer together'),
  shares: names('Measures of which each row also has what it has of the total, as `<measure>_share`'),
  every: z
    .string()
    .optional()
    .describe(
      'For views with a window: rows of each window that ends at a multiple of this step after `from`, up to `to`: 5m, 1h, 1d …',
    ),
  at: time('For views with a window: `now`, `latest`, or the time whose window is wanted'),
  atLeast: z
    .string()
    .optional()
    .describe('Waits until the answer counts everything before this position: `position` of the answer to sent events'),
  require: z
    .string()
    .optional()
    .describe(
      'Comma-separated. `live`: refuses an answer that may lack events of open segments; `current`: refuses an answer by an earlier definition of the view',
    ),
  cursor: z
    .string()
    .optional()
    .describe('`start`: the first page of all rows, `limit` at a time; then `meta.next` of the page before'),
  per: names('Ranks within each combination of these dimensions'),
} satisfies Record<(typeof QUERY_PARAMETERS)[number], z.ZodType>)

const lastEventId = z
  .string()
  .optional()
  .describe('For clients that cannot send the header Last-Event-ID: the id of the last event that they have')

export const LIVE_QUERY = VIEW_QUERY.extend({ lastEventId })

export const FOLLOW_QUERY = z.strictObject({
  q: z.string().describe('The query as JSON, as POST …/query takes it'),
  lastEventId,
})

/** Of an answer in any format. */
export const VIEW_AS_QUERY = VIEW_QUERY.extend({
  bom: z
    .enum(['true', 'false'])
    .optional()
    .describe('CSV: begins with a byte order mark, for spreadsheets that need one'),
  explain: z
    .enum(['true', 'false'])
    .optional()
    .describe('JSON: also says how the answer came about: layers, steps, and what would make it fresher'),
})
