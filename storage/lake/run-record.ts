/** What the batch run in progress says of itself, for other processes: advisory, replaced at each view, removed when the run ends. */
import { z } from 'zod'

export interface RunRecord {
  readonly mode: 'full' | 'incremental'
  /** epoch ms */
  readonly startedAtMs: number
  /** when it was written, epoch ms: an old one is of a run that died, or that reads a large view */
  readonly updatedAtMs: number
  /** the view or dictionary being written */
  readonly name: string
  readonly done: number
  readonly total: number
  /** views that are computed from raw events */
  readonly recounted: readonly string[]
  readonly leftMs: number | null
}

const count = z.int().min(0)
const record: z.ZodType<RunRecord> = z.strictObject({
  mode: z.enum(['full', 'incremental']),
  startedAtMs: count,
  updatedAtMs: count,
  name: z.string(),
  done: count,
  total: count,
  recounted: z.array(z.string()),
  leftMs: count.nullable(),
})

/** null: not a record of this version; nothing depends on it */
export function readRun(text: string): RunRecord | null {
  try {
    return record.parse(JSON.parse(text))
  } catch {
    return null
  }
}

export function runText(run: RunRecord): string {
  return `${JSON.stringify(run)}\n`
}
