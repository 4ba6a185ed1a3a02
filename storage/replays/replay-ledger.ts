/**
 * Which dead letters were replayed, and where their events are: one small file per letter in the data folder. It outlives the idempotency
 * key under which the event was appended, so that a letter counts once however late it is replayed again.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'

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
  readonly #folder: string
  readonly #turns = new Map<string, Promise<void>>()

  /** @param folder of one dataset; it is made if it is missing */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** null: the letter was never replayed. @throws Error if its record cannot be read */
  async find(letter: LetterPlace): Promise<ReplayRecord | null> {
    try {
      return record.parse(JSON.parse(await readFile(this.#path(letter), 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }

  /** One after the other for each letter, within this process. */
  async inTurn<T>(letter: LetterPlace, work: () => Promise<T>): Promise<T> {
    const path = this.#path(letter)
    const before = this.#turns.get(path) ?? Promise.resolve()
    const turn = before.then(work, work)
    const over = turn.then(
      () => {},
      () => {},
    )
    this.#turns.set(path, over)
    try {
      return await turn
    } finally {
      if (this.#turns.get(path) === over) this.#turns.delete(path)
    }
  }

  /** As `put`, unless the letter has a record: false then, and that stays. */
  async begin(letter: LetterPlace, replay: ReplayRecord): Promise<boolean> {
    return this.#write(letter, replay, async (written, path) => {
      try {
        await link(written, path)
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
        throw error
      } finally {
        await rm(written, { force: true })
      }
    })
  }

  /** Durable when it resolves: it is written before the append. */
  async put(letter: LetterPlace, replay: ReplayRecord): Promise<void> {
    await this.#write(letter, replay, rename)
  }

  /** Nothing was appended for the letter by the replay that began; one that is done is not forgotten. */
  async forget(letter: LetterPlace, begun: ReplayRecord): Promise<void> {
    const now = await this.find(letter)
    if (now?.state === 'begun' && now.atMs === begun.atMs) await rm(this.#path(letter), { force: true })
  }

  async #write<T>(
    letter: LetterPlace,
    replay: ReplayRecord,
    place: (written: string, path: string) => Promise<T>,
  ): Promise<T> {
    const path = this.#path(letter)
    await mkdir(dirname(path), { recursive: true })
    const written = `${path}.${randomUUID()}.inprogress`
    await writeFile(written, `${JSON.stringify(replay)}\n`, { flush: true })
    const placed = await place(written, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
    return placed
  }

  #path({ partition, offset }: LetterPlace): string {
    const folder = `${partition}-${Math.floor(offset / OFFSETS_PER_FOLDER)}`
    return join(this.#folder, folder, `${partition}-${offset}.json`)
  }
}
