/** The answer to events that were sent. */
import { z } from 'zod'
import { name, offset } from './scalars.ts'

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
