/** The result of the newest complete verification. It is kept in the lake, so that it outlives its process and every process can report it. */
import { z } from 'zod'

export interface VerificationRecord {
  /** when it was completed, epoch ms */
  readonly atMs: number
  readonly equal: boolean
  /** id of the generation that was current; null before the first */
  readonly generation: string | null
  /** of that generation: the full run that was verified; null if it builds on none */
  readonly fullFinishedAtMs: number | null
}

const record: z.ZodType<VerificationRecord> = z.object({
  atMs: z.int(),
  equal: z.boolean(),
  generation: z.string().nullable(),
  fullFinishedAtMs: z.int().nullable(),
})

/** The record's text, ready to be written. */
export function verificationText(written: VerificationRecord): string {
  return `${JSON.stringify(written)}\n`
}

/** null if the text is torn or foreign: then nothing is known to be verified, and it is verified again. */
export function readVerification(text: string): VerificationRecord | null {
  try {
    return record.parse(JSON.parse(text))
  } catch {
    return null
  }
}
