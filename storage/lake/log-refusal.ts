/** That the log of a partition has lost records that were counted: nothing is read of it or appended to it until a person has decided. */
import { z } from 'zod'

export interface LogRefusal {
  readonly partition: number
  /** what was found, as a clause */
  readonly why: string
  /** epoch ms */
  readonly atMs: number
}

const refusal: z.ZodType<LogRefusal> = z.object({
  partition: z.int().min(0),
  why: z.string(),
  atMs: z.number(),
})

export function refusalText(found: LogRefusal): string {
  return `${JSON.stringify(found, null, 1)}\n`
}

/** A text that cannot be read refuses all the same. */
export function readRefusal(text: string, partition: number): LogRefusal {
  try {
    return { ...refusal.parse(JSON.parse(text)), partition }
  } catch {
    return { partition, why: 'the log lost records that were counted (the note of it is damaged)', atMs: 0 }
  }
}
