/** What is known of a job: a batch run, a backfill or a verification, by the schedule or because somebody asked for it. */
import { z } from 'zod'

export const JOB_KINDS = ['batch', 'backfill', 'verify'] as const
export const JOB_STATES = ['waiting', 'running', 'done', 'failed', 'cancelled'] as const

export interface JobProgress {
  /** what is being worked on */
  readonly name: string
  readonly done: number
  readonly total: number
  /** null: not known */
  readonly leftMs: number | null
}

export interface JobRecord {
  readonly id: string
  readonly dataset: string
  readonly kind: (typeof JOB_KINDS)[number]
  /** of a batch run; null of others */
  readonly mode: 'full' | 'incremental' | null
  readonly by: 'schedule' | 'request'
  readonly state: (typeof JOB_STATES)[number]
  /** epoch ms */
  readonly requestedAtMs: number
  readonly startedAtMs: number | null
  /** when its runner wrote it last */
  readonly updatedAtMs: number
  readonly finishedAtMs: number | null
  readonly progress: JobProgress | null
  /** what it made, as a sentence; null until it is done */
  readonly outcome: string | null
  /** why it failed; null of others */
  readonly fault: string | null
}

const atMs = z.int().min(0)
const record: z.ZodType<JobRecord> = z.strictObject({
  id: z.string(),
  dataset: z.string(),
  kind: z.enum(JOB_KINDS),
  mode: z.enum(['full', 'incremental']).nullable(),
  by: z.enum(['schedule', 'request']),
  state: z.enum(JOB_STATES),
  requestedAtMs: atMs,
  startedAtMs: atMs.nullable(),
  updatedAtMs: atMs,
  finishedAtMs: atMs.nullable(),
  progress: z
    .strictObject({ name: z.string(), done: z.int(), total: z.int(), leftMs: z.number().nullable() })
    .nullable(),
  outcome: z.string().nullable(),
  fault: z.string().nullable(),
})

/**
 * null: not a record of this version; nothing depends on it.
 * @param silentBeforeMs epoch ms: a claimed job whose process has said nothing since then is of a process that ended; null: it waits
 */
export function readJob(text: string, silentBeforeMs: number | null): JobRecord | null {
  const parsed = record.safeParse(parsedJson(text))
  if (!parsed.success) return null
  const job = parsed.data
  if (silentBeforeMs === null || job.finishedAtMs !== null || job.updatedAtMs >= silentBeforeMs) return job
  return {
    ...job,
    state: 'failed',
    fault: 'the process that ran it ended; start it again',
    finishedAtMs: job.updatedAtMs,
  }
}

/** null: it is no JSON */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
