/** Splits a JSON array that arrives in chunks into its elements, whose text is kept as it is. Whether an element is valid JSON is left to the intake. */
import { isBlank, isJsonSpace, onOneLine } from '#core/json-bytes.ts'
import { type NumberedRecord, type RecordSplitter, UNFINISHED } from './records.ts'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** bytes that mean something within a string, and outside of one */
const STRING_STOPS = stopsOf(QUOTE, BACKSLASH)
const VALUE_STOPS = stopsOf(QUOTE, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT)

function stopsOf(...bytes: readonly number[]): Uint8Array {
  const stops = new Uint8Array(256)
  for (const byte of bytes) stops[byte] = 1
  return stops
}

/** Where the next of the stops is; the end of the chunk if there is none. */
function stopIn(chunk: Buffer, from: number, stops: Uint8Array): number {
  let at = from
  while (at < chunk.length && stops[chunk[at]!] === 0) at++
  return at
}

type State = 'before' | 'within' | 'string' | 'escape' | 'behind'

export class JsonArraySplitter implements RecordSplitter {
  readonly unit = 'element'
  readonly #elementBytesMax: number
  #state: State = 'before'
  /** open brackets and braces within the element */
  #depth = 0
  #held: Buffer[] = []
  #heldBytes = 0
  #tooLong = false
  #number = 0

  constructor(elementBytesMax: number) {
    this.#elementBytesMax = elementBytesMax
  }

  get ended(): number {
    return this.#number
  }

  *push(chunk: Buffer): Generator<NumberedRecord> {
    let from = this.#state === 'before' || this.#state === 'behind' ? chunk.length : 0
    for (let at = 0; at < chunk.length; at++) {
      if (this.#state === 'string') at = stopIn(chunk, at, STRING_STOPS)
      else if (this.#state === 'within') at = stopIn(chunk, at, VALUE_STOPS)
      if (at === chunk.length) break
      const byte = chunk[at]!
      if (this.#state === 'string') {
        if (byte === QUOTE) this.#state = 'within'
        else if (byte === BACKSLASH) this.#state = 'escape'
      } else if (this.#state === 'escape') this.#state = 'string'
      else if (this.#state !== 'within') {
        if (this.#opens(byte)) from = at + 1
      } else if (byte === QUOTE) this.#state = 'string'
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#depth++
      else if ((byte === CLOSE_LIST || byte === CLOSE_OBJECT) && this.#depth > 0) this.#depth--
      else if (byte === CLOSE_OBJECT) throw new SyntaxError('the array is closed by a brace')
      else if (byte === CLOSE_LIST || (byte === COMMA && this.#depth === 0)) {
        this.#hold(chunk.subarray(from, at))
        from = at + 1
        yield* this.#finish(byte === CLOSE_LIST)
        if (byte === CLOSE_LIST) {
          this.#state = 'behind'
          from = chunk.length
        }
      }
    }
    if (from < chunk.length) this.#hold(Buffer.from(chunk.subarray(from)))
  }

  *end(isCut: boolean): Generator<NumberedRecord> {
    if (this.#state === 'behind') return
    if (isCut && !this.#held.every((part) => isBlank(part)))
      yield { number: this.#number + 1, bytes: Buffer.concat(this.#held), fault: UNFINISHED }
    if (isCut) return
    throw new SyntaxError(`the array is not closed behind element ${this.#number}: is the file complete?`)
  }

  /** Whether the byte opens the array. @throws SyntaxError for anything but white space around the array */
  #opens(byte: number): boolean {
    if (byte === OPEN_LIST && this.#state === 'before') {
      this.#state = 'within'
      return true
    }
    const isMark = this.#state === 'before' && (byte === 0xef || byte === 0xbb || byte === 0xbf)
    if (isJsonSpace(byte) || isMark) return false
    throw new SyntaxError(
      this.#state === 'before'
        ? 'it does not begin with a bracket'
        : `more text follows the array of ${this.#number} elements`,
    )
  }

  #hold(part: Buffer): void {
    if (this.#tooLong || this.#heldBytes + part.length > this.#elementBytesMax) {
      const isSpace = !this.#tooLong && isBlank(part) && isBlank(Buffer.concat(this.#held))
      this.#tooLong = !isSpace
      this.#held = []
      this.#heldBytes = 0
    } else if (part.length > 0) {
      this.#held.push(part)
      this.#heldBytes += part.length
    }
  }

  *#finish(isLast: boolean): Generator<NumberedRecord> {
    const text = onOneLine(this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes))
    const tooLong = this.#tooLong
    this.#held = []
    this.#heldBytes = 0
    this.#tooLong = false
    if (isLast && this.#number === 0 && text.length === 0 && !tooLong) return
    const number = ++this.#number
    if (tooLong) yield { number, bytes: null }
    else if (text.length > 0) yield { number, bytes: text }
    else yield { number, bytes: text, fault: 'a value is missing between two commas or before the end' }
  }
}
