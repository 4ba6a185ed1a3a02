/**
 * Where to go on in a stream that resumes by a number in its records, such as a time, and which records were seen from there on: the other side
 * sends those again. It is stored as a part of the cursor.
 *
 * Records that are sent again are recognised by their bytes. A record that is sent twice over one connection counts twice: only what was
 * seen before the break is recognised, as often as it was seen.
 */
import { hash } from 'node:crypto'

/** As it is stored. */
export interface WindowCursor {
  /** resume from here; null: no record had a number */
  readonly since: number | null
  /** largest number seen */
  readonly max: number | null
  /** hashes of the records from `since` on, each of HASH_CHARS characters */
  readonly seen: string
}

/** hashes that are kept; where more records have numbers in the overlap, it becomes smaller. Those of the largest number are always kept */
export const SEEN_MAX = 10_000
/** 66 bits: two of 10,000 records look alike once in a million million windows */
const HASH_CHARS = 11

export class ResumeWindow {
  readonly #overlap: number
  readonly #seenMax: number
  /** hash and number, in the order in which they came */
  #seen: [string, number][] = []
  #first = 0
  /** of before the break, as often as each was seen */
  readonly #expected = new Map<string, number>()
  readonly #expectedMax: number
  /** from where this connection was to begin, until it gives what was not seen before */
  #askedFrom: number
  #since: number | null
  #max: number | null

  constructor(from: WindowCursor | null, overlap: number, seenMax = SEEN_MAX) {
    this.#overlap = overlap
    this.#seenMax = seenMax
    this.#since = from?.since ?? null
    this.#max = from?.max ?? null
    this.#expectedMax = from?.max ?? Number.NEGATIVE_INFINITY
    this.#askedFrom = from?.since ?? Number.NEGATIVE_INFINITY
    for (const each of from?.seen.match(new RegExp(`.{${HASH_CHARS}}`, 'g')) ?? []) {
      this.#seen.push([each, this.#expectedMax])
      this.#expected.set(each, (this.#expected.get(each) ?? 0) + 1)
    }
  }

  /** from where to ask; null: nothing was seen yet */
  get since(): number | null {
    return this.#since
  }

  /** Whether the record is new. @param position its number; null: it has none */
  admit(record: Buffer, position: number | null): boolean {
    const key = hash('sha1', record, 'base64url').slice(0, HASH_CHARS)
    if (this.#isRepeated(key, position)) return false
    if (position !== null) this.#max = Math.max(this.#max ?? position, position)
    if (this.#max !== null) this.#seen.push([key, position ?? this.#max])
    return true
  }

  /** As it is now. Its text is made when it is asked for: most cursors are replaced before they are stored. */
  cursor(): WindowCursor {
    this.#forget()
    // The list only grows behind its end, until another one takes its place.
    const [seen, first, end] = [this.#seen, this.#first, this.#seen.length]
    return {
      since: this.#since,
      max: this.#max,
      get seen() {
        let text = ''
        for (let index = first; index < end; index++) text += seen[index]![0]
        return text
      },
    }
  }

  #isRepeated(key: string, position: number | null): boolean {
    if (position !== null && position > this.#expectedMax) {
      this.#askedFrom = Number.NEGATIVE_INFINITY
      return false
    }
    // The other side begins earlier than it was asked to.
    if (position !== null && position < this.#askedFrom) return true
    const left = this.#expected.get(key) ?? 0
    if (left === 0) return false
    if (left === 1) this.#expected.delete(key)
    else this.#expected.set(key, left - 1)
    return true
  }

  /** Drops what lies before the overlap; and where too many are in it, the oldest, behind which it then begins. */
  #forget(): void {
    if (this.#max === null) return
    const max = this.#max
    this.#since = Math.max(this.#since ?? Number.NEGATIVE_INFINITY, max - this.#overlap)
    while (this.#first < this.#seen.length) {
      const [, position] = this.#seen[this.#first]!
      // More may come with the largest number: however many had it, it is asked for again.
      const isOver = this.#seen.length - this.#first > this.#seenMax && position < max
      if (position >= this.#since && !isOver) break
      if (isOver) this.#since = Math.max(this.#since, position + 1)
      this.#first++
    }
    if (this.#first > this.#seenMax) {
      this.#seen = this.#seen.slice(this.#first)
      this.#first = 0
    }
  }
}
