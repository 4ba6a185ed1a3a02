/** Unusable events, with their bytes and the reason. */
import { z } from 'zod'
import { moment, offset } from './scalars.ts'

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
