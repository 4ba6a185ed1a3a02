/** Raw events: the parameters of a page, and a page. */
import { z } from 'zod'
import type { EVENTS_PARAMETERS } from '#serving/http/queries/parse-events-query.ts'
import type { EventsMeta } from '#serving/raw-events/events-page.ts'
import { EVENTS_LIMITS } from '#serving/raw-events/events-query.ts'
import { moment, name, offset } from './scalars.ts'

const text = (meaning: string): z.ZodOptional<z.ZodString> => z.string().optional().describe(meaning)

/** Parameters as strings; parse-events-query.ts and events-query.ts check them against the dataset. */
export const RAW_EVENTS_QUERY = z.strictObject({
  key: text("Value of the dataset's key column"),
  filter: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('`column:operator:value`; repeatable, all filters must match'),
  from: text('Start of the event-time range, inclusive; ISO 8601, or milliseconds since 1970'),
  to: text('End of the event-time range, exclusive; ISO 8601, or milliseconds since 1970'),
  limit: z
    .string()
    .meta({ type: 'integer', minimum: 1, maximum: EVENTS_LIMITS.eventsMax, default: EVENTS_LIMITS.eventsDefault })
    .optional()
    .describe('Maximum number of events'),
  cursor: text('`meta.cursor` of the page before, with the same key, filter, from and to'),
  raw: z.enum(['true', 'false']).optional().describe('Also return the JSON of each event, as it was sent'),
} satisfies Record<(typeof EVENTS_PARAMETERS)[number], z.ZodType>)

const EVENT = z.strictObject({
  partition: z.number().int(),
  offset,
  time: moment.describe('Event time'),
  arrivedAt: moment.describe('When it was appended to the log'),
  columns: z.record(z.string(), z.unknown()).describe("The definition's columns"),
  raw: z.string().nullable().optional().describe('The JSON of the event as text; null: it is not kept'),
})

const EVENTS_META = z.strictObject({
  dataset: name,
  position: z.array(offset).describe('Per partition: the pages of this question show events before this offset'),
  cursor: z.string().nullable().describe('Where the next page begins; null: there are no more events'),
  endedBy: z
    .enum(['limit', 'eventFilesMax', 'eventRowsMax', 'openEventsMax', 'pageMsMax'])
    .nullable()
    .describe('Why the page ends; null: there are no more events'),
  read: z
    .strictObject({ files: z.number().int(), rows: z.number().int(), openRecords: z.number().int() })
    .describe('What the page read: files of closed segments, the events in them, records of the log behind them'),
  gaps: z
    .array(z.strictObject({ partition: z.number().int(), start: offset, end: offset }))
    .describe('Offsets among those of this page that the log lost'),
  liveMissing: z.string().nullable().describe('Why events behind the closed segments are missing; null: they are not'),
  rawMissing: z.number().int().describe('With `raw`: events of this page whose JSON is not kept'),
}) satisfies z.ZodType<EventsMeta>

export const RAW_EVENTS = z.strictObject({ data: z.array(EVENT), meta: EVENTS_META })
