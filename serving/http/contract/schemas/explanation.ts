/** How an answer came about. */
import { z } from 'zod'
import { ANSWER_WAYS } from '#serving/answers/answer-steps.ts'
import type { Explanation } from '#serving/answers/explanation.ts'
import { moment } from './scalars.ts'

const count = z.number().int().min(0)
const files = { files: count, bytes: count }

const segment = z.strictObject({ partition: count, start: count, end: count, rows: count })
const step = z.strictObject({ step: z.string(), ms: z.number() })

export const EXPLANATION = z.strictObject({
  source: z
    .enum(['kept', 'joined', 'computed'])
    .describe('Whether it was kept from before, computed together with another request, or for this one'),
  way: z
    .enum(ANSWER_WAYS)
    .describe(
      'Where the rows came from: merged from `resident` states, from a `tally` of them, from the `stores`, by the `earlier-definition`, read as a `page`, or written as an `export`',
    ),
  layers: z.strictObject({
    batch: z
      .strictObject({ generation: z.string(), mode: z.string(), ageMs: z.number(), ...files })
      .nullable()
      .describe("The generation, and the files with the view's states"),
    closed: z
      .strictObject({ segments: count, ...files, rows: count, newestAt: moment.nullable(), newest: z.array(segment) })
      .describe('Closed segments behind the boundary'),
    open: z
      .strictObject({ rows: count, partitions: count, speedRows: count.nullable(), segments: z.array(segment) })
      .describe('Events behind the closed segments; `speedRows`: rows of states that were read from the speed store'),
  }),
  steps: z.array(step).describe('What was done, one after the other'),
  engine: z
    .array(step)
    .nullable()
    .describe(
      'What the parts of the merge cost in the engine: processor time of all threads; null: no merge is needed',
    ),
  advice: z.array(z.string()).describe('What would make answers fresher or faster'),
}) satisfies z.ZodType<Explanation>
