/**
 * What people saved of the page of a dataset: one small text each, so that every serving process of the platform has the same ones. A saved view
 * is a name for filters, ranges and choices; it holds no numbers.
 */
import { randomBytes } from 'node:crypto'
import type { NamedTexts } from '../texts/named-texts.ts'

/** of one dataset */
export const SAVED_VIEWS_MAX = 200
export const NAME_CHARS_MAX = 80
export const PARAMETERS_CHARS_MAX = 4_000

export interface SavedView {
  readonly id: string
  readonly name: string
  /** of the page's address, for example `f.country=us&range=24h` */
  readonly parameters: string
  /** epoch ms */
  readonly savedAtMs: number
}

/** SAVED_VIEWS_MAX views of the dataset are saved. */
export class TooManySavedViewsError extends Error {
  constructor(dataset: string) {
    super(`${SAVED_VIEWS_MAX} views of '${dataset}' are saved; delete one first`)
    this.name = 'TooManySavedViewsError'
  }
}

const ID = /^[\w-]{12}$/
const ENDING = '.json'

export class SavedViewLedger {
  readonly dataset: string
  readonly #texts: NamedTexts

  /** @param texts of one dataset */
  constructor(dataset: string, texts: NamedTexts) {
    this.dataset = dataset
    this.#texts = texts
  }

  /** All, by name. */
  async list(): Promise<readonly SavedView[]> {
    const views = await Promise.all((await this.#ids()).map((id) => this.find(id)))
    return views
      .filter((view) => view !== null)
      .sort((a, b) => a.name.localeCompare(b.name) || a.savedAtMs - b.savedAtMs)
  }

  /** null: there is none, or its file cannot be read */
  async find(id: string): Promise<SavedView | null> {
    if (!ID.test(id)) return null
    const text = await this.#texts.read(nameOf(id))
    if (text === null) return null
    try {
      return { ...(JSON.parse(text) as Omit<SavedView, 'id'>), id }
    } catch {
      return null
    }
  }

  /** @throws TooManySavedViewsError */
  async save(wanted: Pick<SavedView, 'name' | 'parameters'>, nowMs = Date.now()): Promise<SavedView> {
    if ((await this.#ids()).length >= SAVED_VIEWS_MAX) throw new TooManySavedViewsError(this.dataset)
    return this.#write({ id: randomBytes(9).toString('base64url'), ...wanted, savedAtMs: nowMs })
  }

  /** Renames it, or gives it other parameters. null: there is none */
  async change(id: string, changes: Partial<Pick<SavedView, 'name' | 'parameters'>>): Promise<SavedView | null> {
    const view = await this.find(id)
    return view === null ? null : this.#write({ ...view, ...changes, savedAtMs: Date.now() })
  }

  /** False: there is none. */
  async remove(id: string): Promise<boolean> {
    return ID.test(id) && this.#texts.remove(nameOf(id))
  }

  async #ids(): Promise<readonly string[]> {
    return (await this.#texts.names()).map((name) => name.slice(0, -ENDING.length)).filter((id) => ID.test(id))
  }

  async #write(view: SavedView): Promise<SavedView> {
    const { id, ...kept } = view
    await this.#texts.replace(nameOf(id), `${JSON.stringify(kept)}\n`)
    return view
  }
}

function nameOf(id: string): string {
  return `${id}${ENDING}`
}
