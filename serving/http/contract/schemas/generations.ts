/** The generations of a dataset, and the batch run in progress. */
import { z } from 'zod'
import { moment, name, offset } from './scalars.ts'

export const run = z
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

export const GENERATIONS = z.strictObject({
  current: z.string().nullable(),
  run: run.describe('The batch run that is writing the next generation'),
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
          unknownKeys: z
            .number()
            .describe(
              'Number of distinct keys that were looked up but are not in the dictionary, at most 100,000 per column of a view. Until the next full run, keys that no row presents any more are included',
            ),
          unknownByLookup: z.record(z.string(), z.number()).optional().describe('The same, per `view.lookup`'),
        }),
      ),
    }),
  ),
})

export const ROLLED_BACK = z.strictObject({ dataset: name, current: z.string().describe('The current generation') })
