/** How an answer came about. */
import { z } from 'zod'
import type { Explanation } from '#serving/answers/explanation.ts'
import { moment } from './scalars.ts'

const count = z.number().int().min(0)
const files = { files: count, bytes: count }

export const EXPLANATION = z.strictObject({
  source: z
    .enum(['kept', 'joined', 'computed'])
    .describe('Whether it was kept from before, computed together with another request, or for this one'),
  layers: z.strictObject({
    batch: z
      .strictObject({ generation: z.string(), mode: z.string(), ageMs: z.number(), ...files })
      .nullable()
      .describe("The generation, and the files with the view's states"),
    closed: z
      .strictObject({ segments: count, ...files, rows: count, newestAt: moment.nullable() })
      .describe('Closed segments behind the boundary'),
    open: z.strictObject({ rows: count, partitions: count }).describe('Events behind the closed segments'),
  }),
  steps: z.array(z.strictObject({ step: z.string(), ms: z.number() })),
  advice: z.array(z.string()).describe('What would make answers fresher or faster'),
}) satisfies z.ZodType<Explanation>
