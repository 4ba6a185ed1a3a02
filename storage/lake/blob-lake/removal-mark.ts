/**
 * What has been removed of replaced segments, so that the next removal need not look at all of history. It is only a hint: without it,
 * or if it cannot be read, everything is looked at.
 */
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'
import { isMissing } from '../lake-error.ts'
import type { Blobs } from './blobs.ts'

const REMOVED = 'REMOVED'
/** beyond that, the mark stays where it is */
const LEFT_MAX = 10_000

const schema = z.strictObject({
  boundary: z.array(z.int().min(0)),
  olderThanMs: z.number(),
  left: z.array(z.string()),
})

/** Everything that was needless by these two had been removed, except segments with these events. */
export interface RemovalMark {
  readonly boundary: readonly Offset[]
  readonly olderThanMs: number
  /** paths of events that were in use */
  readonly left: readonly string[]
}

export async function readRemovalMark(blobs: Blobs): Promise<RemovalMark | null> {
  try {
    const parsed = schema.safeParse(JSON.parse(await blobs.read(REMOVED)))
    return parsed.success ? parsed.data : null
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null
    throw error
  }
}

export async function writeRemovalMark(blobs: Blobs, mark: RemovalMark): Promise<void> {
  if (mark.left.length <= LEFT_MAX) await blobs.replace(REMOVED, `${JSON.stringify(mark)}\n`, { isHint: true })
}

/** Lets the next removal look at everything. */
export async function forgetRemovalMark(blobs: Blobs): Promise<void> {
  await blobs.remove(REMOVED)
}
