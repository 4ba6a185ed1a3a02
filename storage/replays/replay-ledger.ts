/**
 * Which dead letters were replayed, and where their events are: one small text per letter. It outlives the idempotency key under which the event
 * was appended, so that a letter counts once however late, and by whichever process, it is replayed again.
 */
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'
import type { NamedTexts } from '../texts/named-texts.ts'

/** Where a dead letter is in the log. */
export interface LetterPlace {
  readonly partition: number
  readonly offset: Offset
}

export interface ReplayRecord {
  /** begun: the append may have been made, or not */
  readonly state: 'begun' | 'done'
  /** epoch ms */
  readonly atMs: number
  /** whether the event was corrected, and not replayed as it is */
  readonly corrected: boolean
  /** where the event is that was appended; null until it is done */
  readonly to: LetterPlace | null
}

const place = z.strictObject({ partition: z.int().min(0), offset: z.int().min(0) })
const record: z.ZodType<ReplayRecord> = z.strictObject({
  state: z.enum(['begun', 'done']),
  atMs: z.int(),
  corrected: z.boolean(),
  to: place.nullable(),
})

/** letters of so many offsets share a folder */
const OFFSETS_PER_FOLDER = 10_000

export class ReplayLedger {
  readonly #texts: NamedTexts
  readonly #turns = new Map<string, Promise<void>>()

  /** @param texts of one dataset */
  constructor(texts: NamedTexts) {
    this.#texts = texts
  }

  /** null: the letter was never replayed. @throws Error if its record cannot be read */
  async find(letter: LetterPlace): Promise<ReplayRecord | null> {
    const text = await this.#texts.read(nameOf(letter))
    return text === null ? null : record.parse(JSON.parse(text))
  }

  /** One after the other for each letter, within this process. */
  async inTurn<T>(letter: LetterPlace, work: () => Promise<T>): Promise<T> {
    const name = nameOf(letter)
    const before = this.#turns.get(name) ?? Promise.resolve()
    const turn = before.then(work, work)
    const over = turn.then(
      () => {},
      () => {},
    )
    this.#turns.set(name, over)
    try {
      return await turn
    } finally {
      if (this.#turns.get(name) === over) this.#turns.delete(name)
    }
  }

  /** As `put`, unless the letter has a record: false then, and that stays. */
  begin(letter: LetterPlace, replay: ReplayRecord): Promise<boolean> {
    return this.#texts.create(nameOf(letter), textOf(replay))
  }

  /** Durable when it resolves: it is written before the append. */
  async put(letter: LetterPlace, replay: ReplayRecord): Promise<void> {
    await this.#texts.replace(nameOf(letter), textOf(replay))
  }

  /** Nothing was appended for the letter by the replay that began; one that is done is not forgotten. */
  async forget(letter: LetterPlace, begun: ReplayRecord): Promise<void> {
    const now = await this.find(letter)
    if (now?.state === 'begun' && now.atMs === begun.atMs) await this.#texts.remove(nameOf(letter))
  }
}

function textOf(replay: ReplayRecord): string {
  return `${JSON.stringify(replay)}\n`
}

function nameOf({ partition, offset }: LetterPlace): string {
  return `${partition}-${Math.floor(offset / OFFSETS_PER_FOLDER)}/${partition}-${offset}.json`
}
