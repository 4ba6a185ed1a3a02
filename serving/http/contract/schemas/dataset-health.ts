/** How a dataset does, hop by hop. */
import { z } from 'zod'
import { HOP_STATES, HOPS } from '#serving/health/hops.ts'
import { gap } from './answer.ts'
import { reason } from './dead-letters.ts'
import { run } from './generations.ts'
import { moment, name, offset } from './scalars.ts'
import { SOURCES } from './sources.ts'

const state = z.enum(HOP_STATES).describe('note: for information; attention: do what `advice` says')
const rate = z.number().nullable().describe('null: not known yet')

export const DATASET_HEALTH = z.strictObject({
  dataset: name,
  at: moment,
  state: state.describe('The worst of the hops'),
  hops: z
    .array(z.strictObject({ hop: z.enum(HOPS), state, message: z.string(), advice: z.string().nullable() }))
    .describe('The way of an event, in its order'),
  sources: z.array(SOURCES.shape.sources.element),
  partitions: z
    .array(
      z.strictObject({
        partition: z.number().int(),
        logEnd: offset.nullable().describe('null: the log cannot be read'),
        position: offset.describe('Answers count every offset before this one'),
        closedEnd: offset.describe('Closed segments reach to this offset'),
        boundary: offset.describe('The generation counts every offset before this one'),
        behind: z.number().nullable().describe('Events in the log that answers do not count yet'),
      }),
    )
    .nullable()
    .describe('null: answers cannot be given'),
  behind: z.number().nullable(),
  freshnessMs: z.number().nullable().describe('Age of the oldest partition position'),
  rates: z.strictObject({
    overMs: z.number().describe('The time that the rates are of'),
    appendedPerSecond: rate.describe('Events that the log took'),
    countedPerSecond: rate.describe('Events that answers came to count'),
  }),
  rows: z.strictObject({ batch: z.number(), closed: z.number(), open: z.number() }).nullable(),
  lateRows: z.number().nullable(),
  batch: z
    .strictObject({
      generation: z.string(),
      mode: z.enum(['full', 'incremental']),
      finishedAt: moment,
      ageMs: z.number(),
      tookMs: z.number(),
    })
    .nullable()
    .describe('The current generation; null before the first'),
  run: run.describe('The batch run that is writing the next generation'),
  verification: z
    .strictObject({ at: moment, equal: z.boolean(), generation: z.string().nullable() })
    .nullable()
    .describe('The newest complete verification'),
  unconverted: z.record(z.string(), z.number()).describe('Per column: events whose value could not be converted'),
  deadLetters: z.strictObject({
    total: z.number().nullable().describe('Open segments included; null: answers cannot be given'),
    reasons: z
      .array(reason)
      .nullable()
      .describe('Of closed segments, the most frequent first; null: they cannot be read'),
  }),
  gaps: z.array(gap).describe('Offsets that were lost before they were read'),
})
