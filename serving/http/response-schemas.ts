/** Response schemas for GET /openapi.json; tests compare real responses with them. */
import { z } from 'zod'
import type { AnswerMeta } from '../answers/answer-meta.ts'

const offset = z.number().int().min(0)
const name = z.string()
const moment = z.string().describe('ISO 8601 in UTC')

export const INDEX = z.strictObject({
  product: z.literal('watershed'),
  document: z.string().describe('Path of the OpenAPI document'),
  datasets: z.array(z.string()),
  routes: z.array(z.string()),
})

export const ALIVE = z.strictObject({ status: z.literal('alive') })

export const READINESS = z.strictObject({
  status: z.enum(['ready', 'not ready']),
  parts: z.array(z.strictObject({ name, ready: z.boolean(), state: z.string(), detail: z.string() })),
})

export const SOURCES = z.strictObject({
  sources: z.array(
    z.strictObject({
      dataset: name,
      source: name,
      kind: z.string(),
      state: z
        .enum(['starting', 'running', 'waiting', 'paused', 'elsewhere', 'failing', 'refused', 'stopped'])
        .describe('failing: tried again by itself; refused: a person must act; stopped: no process runs it'),
      reason: z.string().nullable().describe('Why it is in this state, where that is not plain'),
      events: z.number().describe('Events in the log, dead letters included'),
      rejected: z.number().describe('Records that are not in the log, since the process started'),
      cursor: z.string().nullable().describe('Where it goes on, shortened'),
      lastEventAt: z.string().nullable(),
      lagMs: z.number().nullable().describe('Age of the newest event when it was appended, where that is known'),
      resumption: z
        .enum(['exact', 'from-now'])
        .describe('What a restart does: nothing is lost or repeated, or what is sent meanwhile is lost'),
    }),
  ),
})

export const METRICS_TEXT = z.string().describe('Metrics in the Prometheus text format')

const exactness = z
  .looseObject({ kind: z.enum(['exact', 'float', 'sketch', 'bounded']) })
  .describe('How far a value may deviate from the exact one, with its bound')

const view = z.strictObject({
  name,
  label: name.optional(),
  description: name.optional(),
  definition: z.string().describe('Hash of the definition'),
  paneMs: z.number().nullable(),
  grains: z.array(z.string()),
  window: z.strictObject({ sizeMs: z.number(), everyMs: z.number() }).nullable(),
  rank: z
    .strictObject({ by: name, limit: z.number(), dimensions: z.array(name), having: z.string().optional() })
    .nullable(),
  dimensions: z.array(z.strictObject({ name, type: z.string() })),
  measures: z.array(
    z.strictObject({
      name,
      kind: z.string(),
      type: z.string(),
      label: name.optional(),
      description: name.optional(),
      exactness,
    }),
  ),
  enrich: z.array(z.strictObject({ name, dictionary: name, key: name, attribute: name })),
})

const series = z.strictObject({
  name,
  label: name.optional(),
  over: name.describe('View whose merged rows it is calculated from'),
  by: z.array(name).describe('Dimensions of its rows if a query names none'),
  grain: z.string().describe('Grain of its rows if a query names none'),
  grains: z.array(z.string()),
  fill: z
    .record(z.string(), z.union([z.literal(0), z.literal('previous'), z.null()]))
    .nullable()
    .describe('Per measure: its value in a row that fills a gap; null: gaps are not filled'),
  columns: z.array(
    z.strictObject({
      name,
      kind: z.string(),
      expression: z.string(),
      rows: z.number().nullable().describe('Rows that it looks back over, or by'),
      type: z.string(),
      label: name.optional(),
      measures: z.array(name).describe('Measures of the view that it is calculated from'),
    }),
  ),
})

export const DATASET = z.strictObject({
  name,
  label: name.optional(),
  description: name.optional(),
  time: name.describe('Column that holds the event time'),
  key: name.describe('Column whose value determines the partition'),
  columns: z.array(
    z.strictObject({
      name,
      label: name.optional(),
      description: name.optional(),
      type: z.string(),
      path: z.string().nullable().describe('null of a derived column'),
      as: z.string().nullable().describe('Expression of a derived column; null of one that is read from the event'),
      required: z.boolean(),
      onError: z.enum(['null', 'reject']),
    }),
  ),
  views: z.array(view),
  series: z.array(series).describe('Calculations over the merged rows of views; queried like views'),
})

export const DATASETS = z.strictObject({ datasets: z.array(DATASET) })

export const GENERATIONS = z.strictObject({
  current: z.string().nullable(),
  run: z
    .strictObject({
      mode: z.enum(['full', 'incremental']),
      startedAt: moment,
      updatedAt: moment.describe('An old one is of a run that died, or that reads a large view'),
      name: z.string().describe('The view or dictionary being written'),
      done: z.number().int().describe('Views and dictionaries that are written'),
      total: z.number().int(),
      recounted: z.array(name).describe('Views that are computed from raw events'),
      leftMs: z.number().nullable().describe('Time left at the speed so far'),
    })
    .nullable()
    .describe('The batch run that is writing the next generation'),
  generations: z.array(
    z.strictObject({
      id: z.string(),
      mode: z.enum(['full', 'incremental']),
      boundary: z.array(offset),
      rows: z.number(),
      deadLetters: z.number(),
      lateRows: z.number(),
      finishedAt: moment,
      tookMs: z.number(),
      dictionaries: z.record(
        z.string(),
        z.strictObject({
          version: z.string(),
          unknownKeys: z.number().describe('Number of distinct keys that were looked up but are not in the dictionary'),
          unknownByLookup: z.record(z.string(), z.number()).optional().describe('The same, per `view.lookup`'),
        }),
      ),
    }),
  ),
})

export const DEAD_LETTERS = z.strictObject({
  data: z.array(
    z.strictObject({
      partition: z.number().int(),
      offset,
      arrivedAt: moment,
      reason: z.string(),
      bytes: z.number().int().describe('Size of the event'),
      truncated: z.boolean().describe('Whether `base64` and `text` hold only the beginning of the event'),
      base64: z.string(),
      text: z.string().nullable(),
    }),
  ),
})

export const TAKEN = z.strictObject({
  accepted: z.number().int(),
  rejected: z.number().int(),
  position: z.string().describe('Position in the log after the accepted events, for `atLeast` of a query'),
  repeated: z
    .boolean()
    .optional()
    .describe('With an Idempotency-Key: whether the events were in the log already, so that nothing was added now'),
  rows: z.array(
    z.strictObject({
      index: z.number().int().describe('Position in the body; the first event is 0'),
      line: z.number().int().optional().describe('CSV: the line where the record begins; the header is line 1'),
      status: z.enum(['accepted', 'rejected']),
      partition: z.number().int().optional(),
      offset: offset.optional(),
      reason: z.string().optional(),
    }),
  ),
  warnings: z
    .array(
      z.strictObject({
        column: name,
        events: z.number().int().describe('Accepted events in which the value could not be converted'),
        examples: z.array(
          z.strictObject({ index: z.number().int(), value: z.string().describe('JSON of the value, cut') }),
        ),
      }),
    )
    .optional()
    .describe('Values that are stored as NULL, or as the default of their column; absent if there are none'),
})

const gap = z.strictObject({ partition: z.number().int(), start: offset, end: offset })

const ANSWER_META = z.strictObject({
  dataset: name,
  view: name,
  definition: z.string(),
  outdated: z
    .strictObject({ current: z.string(), changes: z.array(z.string()) })
    .nullable()
    .describe('What differs from the current definition, while the view is answered by its earlier one'),
  generation: z.strictObject({ id: z.string(), mode: z.string(), finishedAt: moment }).nullable(),
  boundary: z.array(offset).describe('Per partition: the generation includes every offset before this one'),
  position: z
    .array(offset)
    .describe('Per partition: the answer includes every offset before this one, and none from it on'),
  asOf: moment.nullable(),
  freshnessMs: z.number().nullable(),
  behind: z.number().nullable().describe('Events in the log that the answer does not include yet; null: unknown'),
  liveMissing: z.string().nullable().describe('Why events of open segments may be missing; null: they are included'),
  rows: z.strictObject({ batch: z.number(), closed: z.number(), open: z.number() }),
  lateRows: z.number(),
  deadLetters: z.number(),
  unconverted: z
    .record(z.string(), z.number())
    .describe('Per column of the view: events before the open segments in which its value could not be converted'),
  gapFree: z.boolean().describe('Whether every offset before `position` was read; tells nothing about events after it'),
  gaps: z.array(gap),
  ahead: z
    .array(z.strictObject({ partition: z.number().int(), position: offset, through: offset }))
    .describe('Partitions that were read during a flush: some keys already include events up to `through`'),
  exact: z.boolean().describe('Whether every number is exact at `position`; tells nothing about events after it'),
  estimates: z.record(z.string(), z.strictObject({ bound: z.string(), rows: z.number().optional() })),
  from: moment.nullable(),
  to: moment.nullable(),
  window: z.strictObject({ from: moment, to: moment, ended: z.boolean() }).nullable(),
  dictionaries: z.record(z.string(), z.string()),
  truncated: z.boolean(),
}) satisfies z.ZodType<AnswerMeta>

export const ANSWER = z.strictObject({
  data: z.array(z.record(z.string(), z.unknown())).describe('Rows: time, dimensions, measures and lookups, by name'),
  meta: ANSWER_META.describe('Provenance: what the answer was computed from, and how exact it is'),
})
