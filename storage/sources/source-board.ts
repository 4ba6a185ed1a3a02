/**
 * What the process that runs a source last said of it: one small file per source in the data folder, for commands and other processes.
 * Cursors are not here but in the log; losing these files loses nothing.
 */
import { mkdirSync } from 'node:fs'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A note older than this is of a process that does not run any more. */
export const NOTE_FRESH_MS = 10_000

export interface SourceNote {
  readonly source: string
  /** epoch ms */
  readonly atMs: number
}

export class SourceBoard<Note extends SourceNote> {
  readonly #folder: string

  /** @param folder of one dataset; it is made if it is missing */
  constructor(folder: string) {
    this.#folder = folder
  }

  async put(note: Note): Promise<void> {
    mkdirSync(this.#folder, { recursive: true })
    const path = join(this.#folder, `${note.source}.json`)
    const written = `${path}.${process.pid}.inprogress`
    await writeFile(written, JSON.stringify(note))
    await rename(written, path)
  }

  /** By source. What cannot be read is left out: the next note replaces it. */
  async notes(): Promise<ReadonlyMap<string, Note>> {
    const names = (await readdir(this.#folder).catch(() => [])).filter((name) => name.endsWith('.json'))
    const notes = await Promise.all(names.map((name) => readNote<Note>(join(this.#folder, name))))
    return new Map(notes.flatMap((note) => (note === null ? [] : [[note.source, note]])))
  }
}

async function readNote<Note>(path: string): Promise<Note | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Note
  } catch {
    return null
  }
}
