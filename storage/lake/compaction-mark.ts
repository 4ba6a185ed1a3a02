/**
 * Up to where compaction has looked, so that the next one need not look at all of history. It is only a hint: without it, or if it cannot be
 * read, everything is looked at, and what is merged does not depend on it.
 */
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'

/** What decides which segments are merged. */
export interface CompactionRule {
  /** rows of a large segment */
  readonly rowsTarget: number
  /** how far apart the arrivals of merged segments may be, ms; null: any distance */
  readonly spanMsMax: number | null
}

export interface CompactionMark extends CompactionRule {
  /** by partition: no segment before this one is merged by this rule */
  readonly from: readonly Offset[]
  /** by partition: the segments before this one were looked at */
  readonly to: readonly Offset[]
}

const mark: z.ZodType<CompactionMark> = z.strictObject({
  rowsTarget: z.number(),
  spanMsMax: z.number().nullable(),
  from: z.array(z.int().min(0)),
  to: z.array(z.int().min(0)),
})

export function compactionMarkText(written: CompactionMark): string {
  return `${JSON.stringify(written)}\n`
}

/** null if the text is torn or foreign */
export function readCompactionMark(text: string): CompactionMark | null {
  try {
    return mark.parse(JSON.parse(text))
  } catch {
    return null
  }
}
