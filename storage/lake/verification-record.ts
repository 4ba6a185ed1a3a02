/** The result of the newest complete verification. It is kept in the lake, so that it outlives its process and every process can report it. */
import { z } from 'zod'

/** Where the proof of all history in slices is. */
export interface ProofRecord {
  /** when its present round began, epoch ms */
  readonly startedAtMs: number
  /** slices of the round, and how many of them were compared */
  readonly nights: number
  readonly done: number
  /** the panes before this were compared, epoch ms; null: none yet */
  readonly comparedBeforeMs: number | null
  /** what the slices are cut by: with another one the round begins again */
  readonly cutBy: string
  /** when the newest slice was compared, epoch ms */
  readonly sliceAtMs: number
}

export interface VerificationRecord {
  /** when it was completed, epoch ms */
  readonly atMs: number
  /** false also while a slice that differed was not compared again */
  readonly equal: boolean
  /** id of the generation that was current; null before the first */
  readonly generation: string | null
  /** of that generation: the full run that was verified; null if it builds on none */
  readonly fullFinishedAtMs: number | null
  /** everything that was counted at this time was found equal since, epoch ms; null: not yet; absent in records of earlier versions */
  readonly wholeSinceMs?: number | null
  /** when a slice last differed, unless everything was found equal since; absent: none did */
  readonly differedAtMs?: number
  /** absent: no slice was ever compared */
  readonly proof?: ProofRecord
}

const proof: z.ZodType<ProofRecord> = z.object({
  startedAtMs: z.int(),
  nights: z.int().min(1),
  done: z.int().min(0),
  comparedBeforeMs: z.int().nullable(),
  cutBy: z.string(),
  sliceAtMs: z.int(),
})

const record: z.ZodType<VerificationRecord> = z.object({
  atMs: z.int(),
  equal: z.boolean(),
  generation: z.string().nullable(),
  fullFinishedAtMs: z.int().nullable(),
  wholeSinceMs: z.int().nullable().optional(),
  differedAtMs: z.int().optional(),
  proof: proof.optional(),
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
