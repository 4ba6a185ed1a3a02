/** Answers that count what their client knows to be in the log: it asks again until they do. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isReached } from '#core/log-position.ts'
import type { Positions } from '#core/offsets.ts'
import type { AnswerMeta } from './answer-meta.ts'
import { PositionNotReachedError } from './query-error.ts'

export const WAIT_MS_MAX = 10_000
const ASK_AGAIN_MS = 50

export interface AtLeast {
  readonly position: Positions
  readonly waitMsMax: number
}

/** The first answer that counts everything before the position. @throws PositionNotReachedError; what `ask` throws */
export async function answerAtLeast<Given extends { readonly meta: Pick<AnswerMeta, 'position'> }>(
  { position, waitMsMax }: AtLeast,
  ask: () => Promise<Given>,
): Promise<Given> {
  const untilMs = performance.now() + waitMsMax
  for (;;) {
    const answer = await ask()
    const counted = answer.meta.position
    if (isReached(position, counted)) return answer
    if (performance.now() >= untilMs) throw new PositionNotReachedError(position, counted, waitMsMax)
    await sleep(Math.min(ASK_AGAIN_MS, waitMsMax))
  }
}
