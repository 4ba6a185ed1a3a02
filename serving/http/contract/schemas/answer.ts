/** A merged answer and its provenance. */
import { z } from 'zod'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { EXPLANATION } from './explanation.ts'
import { moment, name, offset } from './scalars.ts'

export const gap = z.strictObject({ partition: z.number().int(), start: offset, end: offset })

const COUNTS_FROM = z.strictObject({
  position: z.array(offset).describe('Per partition: the first offset that the view counts'),
  time: moment.describe('Event time from which on the answer is complete'),
})

const ANSWER_META = z.strictObject({
  dataset: name,
  view: name,
  views: z
    .array(
      z.strictObject({
        view: name,
        definition: z.string(),
        unconverted: z.record(z.string(), z.number()),
        countsFrom: COUNTS_FROM.nullable(),
      }),
    )
    .nullable()
    .describe('With `views`: what is not the same for all of them'),
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
  countsFrom: COUNTS_FROM.nullable().describe(
    'Not null: raw events were removed by `keep.raw` before the view was defined, and it does not count them',
  ),
  removed: z
    .strictObject({
      before: moment,
      grain: z.enum(Object.keys(GRAIN_MS) as [FixedGrain, ...FixedGrain[]]).nullable(),
      from: moment.nullable(),
      to: moment.nullable(),
      why: z.string(),
    })
    .nullable()
    .describe('Not null: older detail was removed by `keep.panes`, and the answer is about `from` to `to` only'),
  ahead: z
    .array(z.strictObject({ partition: z.number().int(), position: offset, through: offset }))
    .describe('Partitions that were read during a flush: some keys already include events up to `through`'),
  exact: z
    .boolean()
    .describe(
      'Whether every number is exact at `position`, of all events before it; tells nothing about events after it',
    ),
  estimates: z.record(
    z.string(),
    z.strictObject({ bound: z.string(), rows: z.number().optional(), total: z.literal(true).optional() }),
  ),
  totals: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('With `totals`: the measures of all groups of the answer together'),
  from: moment.nullable(),
  to: moment.nullable(),
  compare: z
    .strictObject({ from: moment, to: moment })
    .nullable()
    .describe('With `compare`: the period that rows are compared with'),
  window: z.strictObject({ from: moment, to: moment, ended: z.boolean() }).nullable(),
  dictionaries: z.record(z.string(), z.string()),
  truncated: z.boolean(),
  next: z
    .string()
    .nullable()
    .describe('The cursor of the next page; null: there is none, or the answer is not read in pages'),
}) satisfies z.ZodType<AnswerMeta>

export const ANSWER = z.strictObject({
  data: z.array(z.record(z.string(), z.unknown())).describe('Rows: time, dimensions, measures and lookups, by name'),
  meta: ANSWER_META.describe('Provenance: what the answer was computed from, and how exact it is'),
  explain: EXPLANATION.optional().describe('With `explain=true`: how the answer came about'),
})
