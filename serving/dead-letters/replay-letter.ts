/**
 * Replays a dead letter: appends its event, as it is or corrected, as a new event of the log. The letter stays where it is, and its origin is
 * kept with the event: in the idempotency key of the append, and in the replay ledger, which says where the event is.
 *
 * Once per letter: a repeated replay within the time that idempotency keys are kept meets the key, later ones meet the ledger. Only a replay
 * whose process died between the append and the ledger, and that nobody repeated within that time, is uncertain: it is refused then.
 */
import type { OffsetRange } from '#core/offsets.ts'
import type { LetterPlace, ReplayLedger } from '#storage/replays/replay-ledger.ts'

export interface ReplayParts {
  readonly ledger: ReplayLedger
  /** how long the log remembers keys, ms */
  readonly keyKeptMs: number
  /** offers one event under a key; what is rejected is not appended */
  readonly offer: (event: Buffer, key: string) => Promise<OfferedEvent>
  readonly clock?: () => number
}

export interface OfferedEvent {
  readonly appended: readonly OffsetRange[]
  /** it was in the log before */
  readonly repeated: boolean
  /** why it was rejected; null: it was not */
  readonly reason: string | null
}

export interface Replayed {
  readonly origin: LetterPlace
  /** where its event is */
  readonly to: LetterPlace
  /** it was replayed before: nothing was appended now */
  readonly repeated: boolean
  readonly corrected: boolean
}

/** The event is still unusable; nothing was appended. */
export class StillUnusableError extends Error {
  constructor(place: LetterPlace, reason: string) {
    super(`the event of the dead letter ${placeText(place)} is still unusable: ${reason}; nothing was appended`)
    this.name = 'StillUnusableError'
  }
}

/** Whether an earlier replay was appended is not known any more. */
export class UncertainReplayError extends Error {
  constructor(place: LetterPlace, atMs: number) {
    super(
      `a replay of the dead letter ${placeText(place)} began at ${new Date(atMs).toISOString()}, and its end was not recorded; look for its event, and replay it again with force if it is not there`,
    )
    this.name = 'UncertainReplayError'
  }
}

/** e.g. 2:118 */
export function placeText({ partition, offset }: LetterPlace): string {
  return `${partition}:${offset}`
}

export interface Replay {
  /** the corrected event, or the letter's own bytes */
  readonly event: Buffer
  readonly corrected: boolean
  readonly force?: boolean
}

/** Replays of one letter at the same time take turns. @throws StillUnusableError, UncertainReplayError, what the offer throws */
export function replayLetter(parts: ReplayParts, origin: LetterPlace, replay: Replay): Promise<Replayed> {
  return parts.ledger.inTurn(origin, () => replayNow(parts, origin, replay))
}

async function replayNow(parts: ReplayParts, origin: LetterPlace, replay: Replay): Promise<Replayed> {
  const { ledger, keyKeptMs, offer, clock = Date.now } = parts
  const { event, corrected, force = false } = replay
  const before = await ledger.find(origin)
  if (before?.state === 'done') return { origin, to: before.to!, repeated: true, corrected: before.corrected }
  const isUncertain = before !== null && Math.abs(clock() - before.atMs) >= keyKeptMs
  if (isUncertain && !force) throw new UncertainReplayError(origin, before.atMs)
  const begun = { state: 'begun', atMs: clock(), corrected, to: null } as const
  // A replay that began before keeps its time: its key is of then.
  if (isUncertain) await ledger.put(origin, begun)
  // Another process was quicker.
  else if (before === null && !(await ledger.begin(origin, begun))) return replayNow(parts, origin, replay)
  const { appended, repeated, reason } = await offer(event, `dead-letter ${placeText(origin)}`)
  const [range] = appended
  if (range === undefined) {
    if (before === null) await ledger.forget(origin, begun)
    throw new StillUnusableError(origin, reason ?? 'it was not accepted')
  }
  const to = { partition: range.partition, offset: range.start }
  await ledger.put(origin, { ...begun, state: 'done', to })
  return { origin, to, repeated, corrected }
}
