/** What requests may carry: each schema validates, types and documents (GET /openapi.json) at once. */
import { z } from 'zod'
import { QUERY_LIMITS } from '#core/query.ts'
import { DEAD_LETTERS_MAX } from '../answers/dead-letters.ts'
import type { QUERY_PARAMETERS } from './parse-query.ts'

export const DEAD_LETTERS_DEFAULT = 100
const DEAD_LETTERS_LIMIT = `must be a whole number from 1 to ${DEAD_LETTERS_MAX}`

export const NO_QUERY = z.strictObject({})

/** Probes and scrapers may add what they like. */
export const ANY_QUERY = z.looseObject({})

export const DATASET_PARAMS = z.object({ dataset: z.string().describe('name of a dataset') })

export const VIEW_PARAMS = DATASET_PARAMS.extend({ view: z.string().describe("name of one of the dataset's views") })

export const EVENTS_QUERY = z.strictObject({
  verdicts: z.enum(['all']).optional().describe('also list the accepted events, with partition and offset'),
})

export const DEAD_LETTERS_QUERY = z.strictObject({
  limit: z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= DEAD_LETTERS_MAX,
      DEAD_LETTERS_LIMIT,
    )
    .meta({ type: 'integer', minimum: 1, maximum: DEAD_LETTERS_MAX, default: DEAD_LETTERS_DEFAULT })
    .optional()
    .describe('rows at the most'),
})

const names = (meaning: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`${meaning}, separated by commas`)
const time = (meaning: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`${meaning}: ISO 8601, or milliseconds since 1970`)

/** Texts; what they mean for the view is looked at in parse-query.ts and query-plan.ts. */
export const VIEW_QUERY = z.strictObject({
  measures: names('measures; default: all'),
  dimensions: names("dimensions; default: the ranking's, or all; empty: one row over everything"),
  filter: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('`dimension:operator:value`, repeatable: all must hold'),
  from: time('start of the range of event time'),
  to: time('end of the range of event time, exclusive'),
  grain: z.string().optional().describe('adds `time`, the start of each bucket: minute, hour, day …'),
  timezone: z.string().optional().describe('IANA name for `grain`; default UTC'),
  order: names('dimensions, measures or `time`; `-` before a name: descending'),
  limit: z
    .string()
    .meta({ type: 'integer', minimum: 1, maximum: QUERY_LIMITS.rowsMax })
    .optional()
    .describe(`rows at the most; default: the ranking's, or ${QUERY_LIMITS.rowsDefault}`),
  at: time('views with a window: `now`, `latest`, or the instant whose window is asked for'),
  per: names('rank within each combination of these dimensions'),
} satisfies Record<(typeof QUERY_PARAMETERS)[number], z.ZodType>)
