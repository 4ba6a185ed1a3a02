/** The last records of a source, by which those that come again are recognised. Stored as a part of the cursor. */
import { hash } from 'node:crypto'

export const RECENT_MAX = 1_000
/** 66 bits */
const HASH_CHARS = 11

export class RecentRecords {
  readonly #max: number
  /** oldest first */
  readonly #seen: Set<string>

  /** @param text as `text` gave it; '': none */
  constructor(text: string, max = RECENT_MAX) {
    this.#max = max
    this.#seen = new Set(text.match(new RegExp(`.{${HASH_CHARS}}`, 'g')) ?? [])
  }

  get text(): string {
    return [...this.#seen].join('')
  }

  /** Whether it is not among them; then it is from here on. @param name distinguishes records with equal bytes */
  admit(name: string, record: Buffer | string): boolean {
    const key = hash('sha1', `${name}\n${record}`, 'base64url').slice(0, HASH_CHARS)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    if (this.#seen.size > this.#max) {
      const [oldest] = this.#seen
      this.#seen.delete(oldest!)
    }
    return true
  }
}
