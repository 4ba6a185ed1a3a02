/** From the body of a request to one row per event. Sizes and numbers of events are checked before anything is parsed. */
import { isUtf8 } from 'node:buffer'
import { type BodyLimits, DEFAULT_BODY_LIMITS, OfferTooLargeError } from './ingest-limits.ts'
import { linesOf, withoutByteOrderMark } from './ndjson-lines.ts'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

export type BodyFormat = 'json' | 'ndjson'

/** A body that is no list of events at all; single bad events are verdicts, not this. */
export class BodyError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BodyError'
  }
}

/**
 * The rows of a body, ready for Intake.offer.
 * @throws OfferTooLargeError for more bytes or events than the limits; BodyError for JSON that is none
 */
export function rowsOfBody(body: Buffer, format: BodyFormat, limits: Partial<BodyLimits> = {}): Buffer[] {
  const { bodyBytesMax, rowsMax } = { ...DEFAULT_BODY_LIMITS, ...limits }
  if (body.length > bodyBytesMax)
    throw new OfferTooLargeError('the body', body.length, 'bytes', 'requestBytesMax', bodyBytesMax)
  if (format === 'json' && hasMoreElements(body, rowsMax))
    throw new OfferTooLargeError('the body', rowsMax + 1, 'events', 'requestRowsMax', rowsMax)
  const rows = format === 'ndjson' ? linesOf(body, rowsMax) : rowsOfJson(body)
  if (rows.length > rowsMax) throw new OfferTooLargeError('the body', rows.length, 'events', 'requestRowsMax', rowsMax)
  return rows
}

/** An array of events, or one event. Each is written on a line of its own; numbers keep every digit they came with. */
function rowsOfJson(body: Buffer): Buffer[] {
  const advice = 'send an array of events, or NDJSON with content-type application/x-ndjson'
  if (!isUtf8(body)) throw new BodyError(`the body is not UTF-8 text; ${advice}`)
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8').replace(/^\uFEFF/, ''), keepDigits)
    return (Array.isArray(parsed) ? parsed : [parsed]).map((event) => Buffer.from(JSON.stringify(event)))
  } catch (error) {
    throw new BodyError(`the body is no JSON: ${(error as Error).message}; ${advice}`)
  }
}

/** Whether the text is an array of more elements. Looks at commas only, for the text may be no JSON, and no further than it must. */
function hasMoreElements(body: Buffer, elementsMax: number): boolean {
  const bytes = withoutByteOrderMark(body)
  if (!hasMore(bytes, COMMA, elementsMax - 1)) return false
  let [depth, commas] = [0, 0]
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = stringEnd(bytes, at)
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (depth++ === 0 && byte === OPEN_OBJECT) return false
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
    else if (byte === COMMA && depth === 1 && ++commas >= elementsMax) return true
  }
  return false
}

/** Whether the byte occurs more often, in strings as well: quick, and for most bodies the answer. */
function hasMore(bytes: Buffer, byte: number, times: number): boolean {
  let count = 0
  for (let at = bytes.indexOf(byte); at !== -1 && count <= times; at = bytes.indexOf(byte, at + 1)) count++
  return count > times
}

/** Place of the quote that ends the text which begins at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}

interface RawJson {
  rawJSON(text: string): unknown
}

/** Numbers whose text JavaScript would change stay as they were written (JSON.parse source text access, ECMA-262). */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source) return value
  // TypeScript's library does not know rawJSON yet.
  return (JSON as unknown as RawJson).rawJSON(context.source)
}
