/**
 * Fast path of the event check: validates an event's bytes in one pass, without parsing them into a value.
 * Invariant: whenever it returns a key, the full check of the parsed value (check-event.ts) accepts the event with the same key and
 * without failed conversions, and the text is readable (json-text.ts). It may decline any event. Invalid and unusual ones (a line feed, an escape in a name, a pair of
 * surrogate escapes, a possibly repeated name, deep nesting) are left to the full check, which knows the reasons.
 */
import type { ReadColumn } from './definition-parts.ts'
import { parseJsonPath } from './json-path.ts'
import { endsPlainText, NONE, numberEnd, QUOTE, spaceEnd, stringEnd, wordEnd } from './json-tokens.ts'
import { keyText } from './usable-value.ts'
import { type CheckedColumn, isText, keyTextAt, ValueCheck } from './value-check.ts'

const [COMMA, COLON, MINUS, ZERO, NINE, LETTER_N] = [0x2c, 0x3a, 0x2d, 0x30, 0x39, 0x6e]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

const DEPTH_MAX = 32
/** names in all objects that are open at the same time */
const NAMES_MAX = 512

/** A position in the event's structure that columns, members with columns, or elements are read from. */
interface Place {
  readonly name: Buffer
  readonly hash: number
  readonly members: Place[]
  readonly columns: ValueCheck[]
  /** of a list's elements, where not every one is usable */
  element: Place | null
  /** columns are read from members: any other value than an object or null is a failed conversion */
  isObject: boolean
}

export class EventScan {
  readonly #root = placeOf('')
  readonly #needed: number
  readonly #keyColumn: ReadColumn
  /** hashes of the names seen so far in all open objects, outermost first */
  readonly #names = new Int32Array(NAMES_MAX)
  #nameCount = 0
  #depth = 0
  #bytes: Buffer = Buffer.alloc(0)
  #end = 0
  /** number of needed columns with a usable value */
  #found = 0
  /** where its value is; NONE: there is none */
  #keyAt = NONE
  #keyEnd = NONE
  #arrivalMs = 0

  /** @param columns have valid paths; exactly one is the key */
  constructor(columns: readonly CheckedColumn[]) {
    for (const checked of columns) {
      const { members, element } = parseJsonPath(checked.column.path)!
      const check = new ValueCheck(checked)
      const { takes } = check
      const isOptionalText = takes === 'anything' && !checked.needed
      if (isOptionalText) placeAt(this.#root, members.slice(0, -1)).isObject = true
      if (!isOptionalText || checked.bytesMax !== undefined) placeAt(this.#root, members).columns.push(check)
      if (takes === 'lists') addElements(placeAt(this.#root, members), checked.column, element ?? [])
    }
    this.#needed = columns.filter(({ needed }) => needed).length
    this.#keyColumn = columns.find(({ key }) => key)!.column
  }

  /**
   * @param bytes UTF-8; the event is [from, end)
   * @param arrivalMs when the event arrives, epoch ms
   * @returns the key's text, or null when only the full check can decide
   */
  keyOf(bytes: Buffer, from: number, end: number, arrivalMs: number): string | null {
    this.#arrivalMs = arrivalMs
    this.#bytes = bytes
    this.#end = end
    this.#nameCount = 0
    this.#depth = 0
    this.#found = 0
    this.#keyAt = NONE
    const begin = spaceEnd(bytes, from, end)
    if (begin >= end || bytes[begin] !== OPEN_OBJECT) return null
    const behind = this.#object(begin + 1, this.#root)
    if (behind === NONE || this.#found !== this.#needed || spaceEnd(bytes, behind, end) !== end) return null
    if (this.#keyAt === NONE) return keyText(undefined, this.#keyColumn)
    return keyTextAt(bytes, this.#keyAt, this.#keyEnd, this.#keyColumn)
  }

  /** The methods below return the position after what they read, or NONE. Bytes from `end` on belong to other events: every access is bounded by it. */
  #object(from: number, place: Place | null): number {
    let at = spaceEnd(this.#bytes, from, this.#end)
    if (at < this.#end && this.#bytes[at] === CLOSE_OBJECT) return at + 1
    if (++this.#depth > DEPTH_MAX) return NONE
    const names = this.#nameCount
    // One bit per hash modulo 32: most names are told apart without comparing hashes.
    let seen = 0
    for (;;) {
      const name = at + 1
      if (at >= this.#end || this.#bytes[at] !== QUOTE) return NONE
      let hash = 0
      for (at = name; at < this.#end && !endsPlainText(this.#bytes[at]!); at++)
        hash = (Math.imul(hash, 31) + this.#bytes[at]!) | 0
      if (!this.#isNew(hash, (seen & (1 << hash)) === 0, names)) return NONE
      seen |= 1 << hash
      const member = place === null ? null : this.#memberOf(place, hash, name, at)
      at = this.#valueStart(at)
      if (at === NONE) return NONE
      at = member === null ? this.#value(at, null) : this.#member(at, member)
      at = this.#next(at, CLOSE_OBJECT)
      if (at === NONE) return NONE
      if (this.#bytes[at - 1] === CLOSE_OBJECT) break
      at = spaceEnd(this.#bytes, at, this.#end)
    }
    this.#depth--
    this.#nameCount = names
    return at
  }

  #list(from: number, element: Place | null): number {
    let at = spaceEnd(this.#bytes, from, this.#end)
    if (at < this.#end && this.#bytes[at] === CLOSE_LIST) return at + 1
    if (++this.#depth > DEPTH_MAX) return NONE
    do {
      at = spaceEnd(this.#bytes, at, this.#end)
      at = this.#next(element === null ? this.#value(at, null) : this.#member(at, element), CLOSE_LIST)
      if (at === NONE) return NONE
    } while (this.#bytes[at - 1] !== CLOSE_LIST)
    this.#depth--
    return at
  }

  /** The position after a comma or the closing bracket. */
  #next(from: number, close: number): number {
    if (from === NONE) return NONE
    const at = spaceEnd(this.#bytes, from, this.#end)
    if (at >= this.#end) return NONE
    const byte = this.#bytes[at]
    return byte === COMMA || byte === close ? at + 1 : NONE
  }

  /** The position of a member's value. @param at the quote that ends its name */
  #valueStart(at: number): number {
    if (at >= this.#end || this.#bytes[at] !== QUOTE) return NONE
    const colon = spaceEnd(this.#bytes, at + 1, this.#end)
    return colon < this.#end && this.#bytes[colon] === COLON ? spaceEnd(this.#bytes, colon + 1, this.#end) : NONE
  }

  /** Records a name of the innermost object; false when it may be a repetition, or when there are too many. */
  #isNew(hash: number, sure: boolean, names: number): boolean {
    if (this.#nameCount === NAMES_MAX) return false
    if (!sure) {
      for (let index = names; index < this.#nameCount; index++) if (this.#names[index] === hash) return false
    }
    this.#names[this.#nameCount++] = hash
    return true
  }

  #memberOf(place: Place, hash: number, from: number, end: number): Place | null {
    for (const member of place.members) {
      if (member.hash !== hash || member.name.length !== end - from) continue
      let index = 0
      while (index < member.name.length && member.name[index] === this.#bytes[from + index]) index++
      if (index === member.name.length) return member
    }
    return null
  }

  #value(at: number, place: Place | null): number {
    if (at >= this.#end) return NONE
    const byte = this.#bytes[at]!
    if (byte === QUOTE) return stringEnd(this.#bytes, at + 1, this.#end)
    if (byte === OPEN_OBJECT) return this.#object(at + 1, place)
    if (byte === OPEN_LIST) return this.#list(at + 1, place?.element ?? null)
    if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return numberEnd(this.#bytes, at, this.#end)
    return wordEnd(this.#bytes, at, this.#end)
  }

  #member(at: number, place: Place): number {
    if (at >= this.#end) return NONE
    const first = this.#bytes[at]!
    if (place.isObject && first !== OPEN_OBJECT && first !== LETTER_N) return NONE
    const end = this.#value(at, place.members.length > 0 || place.element !== null ? place : null)
    if (end === NONE) return NONE
    for (const check of place.columns) {
      if (!check.isUsable(this.#bytes, at, end, this.#arrivalMs)) return NONE
      if (check.needed) this.#found++
      if (!check.key) continue
      this.#keyAt = at
      this.#keyEnd = end
    }
    return end
  }
}

function hashOf(bytes: Buffer, from: number, end: number): number {
  let hash = 0
  for (let at = from; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
  return hash
}

function placeOf(name: string): Place {
  const bytes = Buffer.from(name)
  return { name: bytes, hash: hashOf(bytes, 0, bytes.length), members: [], columns: [], element: null, isObject: false }
}

function addElements(list: Place, column: ReadColumn, path: readonly string[]): void {
  const type = column.type.slice(0, -2) as ReadColumn['type']
  if (isText(type) && path.length === 0) return
  list.element ??= placeOf('')
  if (isText(type)) placeAt(list.element, path.slice(0, -1)).isObject = true
  else
    placeAt(list.element, path).columns.push(
      new ValueCheck({ column: { ...column, type }, needed: false, key: false, accepted: null }),
    )
}

function placeAt(root: Place, names: readonly string[]): Place {
  let place = root
  for (const name of names) {
    const wanted = placeOf(name)
    const known = place.members.find((member) => member.name.equals(wanted.name))
    if (known === undefined) place.members.push(wanted)
    place.isObject = true
    place = known ?? wanted
  }
  return place
}
