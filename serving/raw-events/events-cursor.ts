/**
 * Where the next page of raw events begins: per partition, the offset before which nothing was shown yet. So what arrives between two
 * pages, a segment that closes and one that is compacted change nothing: each event is shown once.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'
import { QueryError } from '../answers/query-error.ts'

export interface EventsPlace {
  /** per partition: the question is answered from the events before it */
  readonly position: readonly Offset[]
  /** per partition: the next page shows events before it */
  readonly before: readonly Offset[]
}

/** bytes of a cursor's content: 1,000 partitions have 32,000 */
const CONTENT_BYTES_MAX = 256 * 1024

const offset = z.number().int().min(0)
const CONTENT = z.tuple([z.string(), z.array(offset), z.array(offset)])

/** @param hash of the question */
export function cursorOf(hash: string, { position, before }: EventsPlace): string {
  return deflateRawSync(JSON.stringify([hash, position, before])).toString('base64url')
}

/** @throws QueryError if it is not the cursor of a page of this question */
export function placeOf(cursor: string, hash: string): EventsPlace {
  const refuse = (why: string): never => {
    throw new QueryError('cursor', why)
  }
  let content: z.output<typeof CONTENT>
  try {
    const text = inflateRawSync(Buffer.from(cursor, 'base64url'), { maxOutputLength: CONTENT_BYTES_MAX })
    content = CONTENT.parse(JSON.parse(text.toString()))
  } catch {
    return refuse("it is not a cursor, as 'meta' of a page has it")
  }
  const [own, position, before] = content
  if (own !== hash)
    refuse('it belongs to another question; send it with the same key, filter, from and to, or ask without it')
  if (position.length !== before.length || before.some((at, index) => at > position[index]!))
    refuse('its content is damaged')
  return { position, before }
}
