/** Unusable events, with their bytes and the reason. */
import { z } from 'zod'
import { moment, offset } from './scalars.ts'

const place = z.strictObject({ partition: z.number().int(), offset })

const letter = z.strictObject({
  partition: z.number().int(),
  offset,
  arrivedAt: moment,
  reason: z.string(),
  bytes: z.number().int().describe('Size of the event'),
  truncated: z.boolean().describe('Whether `base64` and `text` hold only the beginning of the event'),
  base64: z.string(),
  text: z.string().nullable(),
})

export const DEAD_LETTERS = z.strictObject({
  data: z.array(
    letter.extend({
      replayed: z
        .strictObject({ at: moment, to: place.describe('Where its event is'), corrected: z.boolean() })
        .nullable()
        .describe('null: it was not replayed'),
    }),
  ),
  next: z.string().nullable().describe('`cursor` of the next page; null: there are no more'),
})

export const reason = z.strictObject({
  reason: z.string().describe('What the reasons have in common: values in quotes are …, numbers are #'),
  count: z.number().int(),
  newestAt: moment,
})

export const REASONS = z.strictObject({
  total: z.number().int().describe('Dead letters of closed segments'),
  reasons: z.array(reason).describe('The most frequent first'),
})

export const LETTER_LINES = z
  .string()
  .describe('One letter per line: partition, offset, arrivedAt, reason, and all of its bytes as base64')

export const LETTER_BYTES = z.string().meta({ format: 'binary' }).describe('The bytes of the event, as they were sent')

export const REPLAYED = z.strictObject({
  origin: place.describe('The dead letter'),
  to: place.describe('Where its event is'),
  position: z.string().describe('Position in the log after the event, for `atLeast` of a query'),
  repeated: z.boolean().describe('It was replayed before: nothing was appended now'),
  corrected: z.boolean().describe('Whether the event was corrected'),
})
