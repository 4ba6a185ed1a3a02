/** The sources of all datasets and how each one does. */
import { z } from 'zod'
import { name } from './scalars.ts'

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
