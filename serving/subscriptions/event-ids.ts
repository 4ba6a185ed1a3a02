/**
 * Ids of a live stream's events: the position of the answer that a reader has after the event, and what tells that answer from
 * others at the same position (another window, another generation).
 */
import { parsePosition, positionText } from '#core/log-position.ts'
import type { Positions } from '#core/offsets.ts'
import type { KeptAnswer } from '../live/answer-cache.ts'

const TAG_CHARS = 12

/** For example `0:1200,1:845/kZ3fJ0a_x2Qd`. */
export function eventIdOf({ meta, tag }: Pick<KeptAnswer, 'meta' | 'tag'>): string {
  return `${positionText(new Map(meta.position.entries()))}/${tag.slice(0, TAG_CHARS)}`
}

/** The position that an id names; null if it is not an id of ours. */
export function positionOfEventId(id: string): Positions | null {
  const [, position, tag] = /^([\d:,]+)\/([\w-]+)$/.exec(id) ?? []
  return position === undefined || tag?.length !== TAG_CHARS ? null : parsePosition(position)
}
