/**
 * What the process that runs a source last said of it: one small text per source, for commands and other processes. Cursors are not here but in
 * the log; losing these texts loses nothing.
 */
import type { NamedTexts } from '../texts/named-texts.ts'

/** a note is put again within so many looks */
const FRESH_LOOKS = 3
const FRESH_MS_MIN = 10_000
const ENDING = '.json'

export interface SourceNote {
  readonly source: string
  /** epoch ms */
  readonly atMs: number
}

export class SourceBoard<Note extends SourceNote> {
  readonly #texts: NamedTexts

  /** @param texts of one dataset */
  constructor(texts: NamedTexts) {
    this.#texts = texts
  }

  /** how often it is worth to put a note, ms */
  get noteEveryMs(): number {
    return this.#texts.lookEveryMs
  }

  /** A note older than this is of a process that does not run any more. */
  get freshMs(): number {
    return Math.max(FRESH_MS_MIN, FRESH_LOOKS * this.noteEveryMs)
  }

  put(note: Note): Promise<void> {
    return this.#texts.replace(`${note.source}${ENDING}`, JSON.stringify(note))
  }

  /** By source. What cannot be read is left out: the next note replaces it. */
  async notes(): Promise<ReadonlyMap<string, Note>> {
    const names = (await this.#texts.names().catch(() => [])).filter((name) => name.endsWith(ENDING))
    const notes = await Promise.all(names.map((name) => this.#note(name)))
    return new Map(notes.flatMap((note) => (note === null ? [] : [[note.source, note]])))
  }

  async #note(name: string): Promise<Note | null> {
    try {
      const text = await this.#texts.read(name)
      return text === null ? null : (JSON.parse(text) as Note)
    } catch {
      return null
    }
  }
}
