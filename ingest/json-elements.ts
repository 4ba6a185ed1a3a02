/**
 * Splits a JSON array into its elements in one pass over its bytes, without building values: a body of nothing but brackets costs
 * a step per byte, where parsing it would build millions of arrays. Only what separates elements is checked here; whether an element is
 * valid JSON is not.
 */
import { isJsonSpace, trimmed } from '#core/json-bytes.ts'
import { JSON_DEPTH_MAX } from '#core/json-text.ts'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

export interface JsonElements {
  /** element i is [starts[i], ends[i]), without white space around it */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** indices of the elements that are nested deeper than JSON_DEPTH_MAX */
  readonly tooDeep: ReadonlySet<number>
}

/** Whether the text can only be an array. */
export function beginsArray(bytes: Buffer): boolean {
  return bytes[afterSpace(bytes, 0)] === OPEN_LIST
}

/**
 * @param bytes a text that begins an array
 * @param elementsMax stops behind one element more, so that a caller can recognise too many
 * @throws SyntaxError if an element is missing, the array does not end, or something follows it
 */
export function elementsOf(bytes: Buffer, elementsMax: number): JsonElements {
  const starts: number[] = []
  const ends: number[] = []
  const tooDeep = new Set<number>()
  const take = (from: number, to: number, depth: number): void => {
    const [start, end] = trimmed(bytes, from, to)
    if (start === end) throw new SyntaxError(`expected a value at byte ${to}`)
    if (depth > JSON_DEPTH_MAX) tooDeep.add(starts.length)
    starts.push(start)
    ends.push(end)
  }
  const open = afterSpace(bytes, 0)
  let from = open + 1
  let depth = 0
  let deepest = 0
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = stringEnd(bytes, at)
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > deepest) deepest = depth
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      if (depth-- > 0) continue
      const isEmpty = starts.length === 0 && trimmed(bytes, from, at)[0] === at
      if (!isEmpty) take(from, at, deepest)
      assertEnd(bytes, at)
      return { starts, ends, tooDeep }
    } else if (byte === COMMA && depth === 0) {
      take(from, at, deepest)
      if (starts.length > elementsMax) return { starts, ends, tooDeep }
      from = at + 1
      deepest = 0
    }
  }
  throw new SyntaxError('the array is not closed')
}

/** @param at the bracket that closes the array */
function assertEnd(bytes: Buffer, at: number): void {
  if (bytes[at] !== CLOSE_LIST) throw new SyntaxError(`the array is closed by a brace at byte ${at}`)
  const more = afterSpace(bytes, at + 1)
  if (more < bytes.length) throw new SyntaxError(`more text follows the array at byte ${more}`)
}

function afterSpace(bytes: Buffer, from: number): number {
  let at = from
  while (isJsonSpace(bytes[at])) at++
  return at
}

/** Index of the closing quote of the string that begins at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}
