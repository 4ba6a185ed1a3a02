/** The last records of a source, by which those that come again are recognised. Stored as a part of the cursor. */
import { hash } from 'node:crypto'

export const RECENT_MAX = 1_000
/** 66 bits */
const HASH_CHARS = 11

export class RecentRecords {
  readonly #max: number
  readonly #seen: Set<string>
  /** the same, oldest first, from `#first` on */
  #list: string[]
  #first = 0

  /** @param text as a snapshot gave it; '': none */
  constructor(text: string, max = RECENT_MAX) {
    this.#max = max
    this.#list = text.match(new RegExp(`.{${HASH_CHARS}}`, 'g')) ?? []
    this.#seen = new Set(this.#list)
  }

  /** Gives the text of what is seen now, whenever it is called: most cursors are replaced before they are stored. */
  snapshot(): () => string {
    // The list only grows behind its end, until another one takes its place.
    const [list, first, end] = [this.#list, this.#first, this.#list.length]
    return () => list.slice(first, end).join('')
  }

  /** Whether it is not among them; then it is from here on. @param name distinguishes records with equal bytes */
  admit(name: string, record: Buffer): boolean {
    const content = hash('sha1', record, 'base64url')
    const key = (name === '' ? content : hash('sha1', name + content, 'base64url')).slice(0, HASH_CHARS)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    this.#list.push(key)
    if (this.#seen.size > this.#max) this.#seen.delete(this.#list[this.#first++]!)
    if (this.#first > this.#max) {
      this.#list = this.#list.slice(this.#first)
      this.#first = 0
    }
    return true
  }
}
