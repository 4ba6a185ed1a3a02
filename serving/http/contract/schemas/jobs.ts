/** Jobs of the batch layer: what waits, runs and has ended. */
import { z } from 'zod'
import { JOB_KINDS, JOB_STATES } from '#storage/jobs/job-record.ts'
import { moment, name } from './scalars.ts'

export const JOB = z.strictObject({
  id: z.string(),
  dataset: name,
  kind: z.enum(JOB_KINDS),
  mode: z.enum(['full', 'incremental']).nullable().describe('Of a batch run; null of others'),
  by: z.enum(['schedule', 'request']),
  state: z.enum(JOB_STATES),
  requestedAt: moment,
  startedAt: moment.nullable(),
  finishedAt: moment.nullable(),
  progress: z
    .strictObject({
      name: z.string().describe('What is being worked on'),
      done: z.number().int(),
      total: z.number().int(),
      leftMs: z.number().nullable().describe('Time left at the speed so far; null: not known'),
    })
    .nullable(),
  outcome: z.string().nullable().describe('What it made; null until it is done'),
  reason: z.string().nullable().describe('Why it failed, or why it waits'),
})

export const JOBS = z.strictObject({ jobs: z.array(JOB) })

export const JOB_BODY = z.strictObject({
  kind: z.enum(JOB_KINDS).describe('backfill computes new and changed views; verify recounts and compares'),
  mode: z
    .enum(['full', 'incremental'])
    .optional()
    .describe('Of a batch run: full computes everything from raw events; default: incremental'),
})

export const JOB_PROGRESS = z
  .string()
  .describe('Server-sent events: `job` with the job as JSON after each change, and `end` with its last state')
