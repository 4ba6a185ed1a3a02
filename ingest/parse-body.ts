/** Splits a request body into one row per event. Its size and number of events are checked before anything is parsed. */
import { isUtf8 } from 'node:buffer'
import { isJsonSpace, onOneLine } from '#core/json-bytes.ts'
import { type BodyLimits, DEFAULT_BODY_LIMITS, OfferTooLargeError } from './ingest-limits.ts'
import { linesOf, withoutByteOrderMark } from './ndjson-lines.ts'
import { type Rows, rowsOfList } from './rows.ts'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

export type BodyFormat = 'json' | 'ndjson'

/** The body is not a list of events; a single invalid event gives a verdict instead. */
export class BodyError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BodyError'
  }
}

/**
 * The rows of a body, ready for Intake.offer.
 * @throws OfferTooLargeError for more bytes or events than the limits; BodyError for invalid JSON
 */
export function rowsOfBody(body: Buffer, format: BodyFormat, limits: Partial<BodyLimits> = {}): Rows {
  const { bodyBytesMax, rowsMax } = { ...DEFAULT_BODY_LIMITS, ...limits }
  if (body.length > bodyBytesMax)
    throw new OfferTooLargeError('the body', body.length, 'bytes', 'requestBytesMax', bodyBytesMax)
  if (format === 'json' && hasMoreElements(body, rowsMax))
    throw new OfferTooLargeError('the body', rowsMax + 1, 'events', 'requestRowsMax', rowsMax)
  const rows = format === 'ndjson' ? linesOf(body, rowsMax) : rowsOfList(rowsOfJson(body))
  const count = rows.starts.length
  if (count > rowsMax) throw new OfferTooLargeError('the body', count, 'events', 'requestRowsMax', rowsMax)
  return rows
}

/** An array of events, or one event. Each keeps its text, on a line of its own, so that a problem concerns only that event. */
function rowsOfJson(body: Buffer): Buffer[] {
  const advice = 'send an array of events, or NDJSON with content-type application/x-ndjson'
  if (!isUtf8(body)) throw new BodyError(`the body is not UTF-8 text; ${advice}`)
  const bytes = withoutByteOrderMark(body)
  try {
    JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new BodyError(`the body is not valid JSON: ${(error as Error).message}; ${advice}`)
  }
  const open = afterSpace(bytes, 0)
  if (bytes[open] !== OPEN_LIST) return [onOneLine(bytes)]
  if (bytes[afterSpace(bytes, open + 1)] === CLOSE_LIST) return []
  const rows: Buffer[] = []
  let from = open + 1
  for (const end of elementEnds(bytes)) {
    rows.push(onOneLine(bytes.subarray(from, end)))
    from = end + 1
  }
  return rows
}

function afterSpace(bytes: Buffer, from: number): number {
  let at = from
  while (isJsonSpace(bytes[at])) at++
  return at
}

/** Whether the text is an array with more elements than the limit. The text may be invalid JSON; reads no further than necessary. */
function hasMoreElements(body: Buffer, elementsMax: number): boolean {
  const bytes = withoutByteOrderMark(body)
  if (!hasMore(bytes, COMMA, elementsMax - 1)) return false
  let count = 0
  for (const end of elementEnds(bytes)) if (bytes[end] === COMMA && ++count >= elementsMax) return true
  return false
}

/** Ends of an array's elements: at a comma on its level, or at its closing bracket. None if the text is not an array. */
function* elementEnds(bytes: Buffer): Generator<number> {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = stringEnd(bytes, at)
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (depth++ === 0 && byte === OPEN_OBJECT) return
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      if (--depth === 0) yield at
    } else if (byte === COMMA && depth === 1) yield at
  }
}

/** Whether the byte occurs more often, including inside strings: a fast check that decides for most bodies. */
function hasMore(bytes: Buffer, byte: number, times: number): boolean {
  let count = 0
  for (let at = bytes.indexOf(byte); at !== -1 && count <= times; at = bytes.indexOf(byte, at + 1)) count++
  return count > times
}

/** Index of the closing quote of the string that begins at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}
