/** From the body of a request to one row per event. Sizes are checked before anything is parsed. */
import { isUtf8 } from 'node:buffer'
import { type BodyLimits, DEFAULT_BODY_LIMITS, OfferTooLargeError } from './ingest-limits.ts'
import { linesOf } from './ndjson-lines.ts'

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
    throw new OfferTooLargeError('the body', body.length, 'bytes', 'bodyBytesMax', bodyBytesMax)
  const rows = format === 'ndjson' ? linesOf(body, rowsMax) : rowsOfJson(body)
  if (rows.length > rowsMax) throw new OfferTooLargeError('the body', rows.length, 'events', 'rowsMax', rowsMax)
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

interface RawJson {
  rawJSON(text: string): unknown
}

/** Numbers whose text JavaScript would change stay as they were written (JSON.parse source text access, ECMA-262). */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source) return value
  // TypeScript's library does not know rawJSON yet.
  return (JSON as unknown as RawJson).rawJSON(context.source)
}
