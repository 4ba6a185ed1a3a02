/** From the body of a request to one text per event. The body's size is bounded before it comes here. */

/** A body that is no list of events at all; single bad events are verdicts, not this. */
export class BodyError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BodyError'
  }
}

/** NDJSON: one event per line, blank lines skipped; bytes are kept as they came, but for a byte order mark and a CR before the line end. */
export function rowsOfNdjson(body: Buffer): string[] {
  const text = body.toString('utf8').replace(/^\uFEFF/, '')
  return text.split(/\r?\n/).filter((line) => line.trim() !== '')
}

/**
 * JSON: an array of events, or one event. Each is written on a line of its own; numbers keep every digit they came with.
 * @throws BodyError when the body is no JSON
 */
export function rowsOfJson(body: Buffer): string[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'), keepDigits)
  } catch (error) {
    throw new BodyError(
      `the body is no JSON: ${(error as Error).message}; send an array of events, or NDJSON with content-type application/x-ndjson`,
    )
  }
  return (Array.isArray(parsed) ? parsed : [parsed]).map((event) => JSON.stringify(event))
}

interface RawJson {
  rawJSON(text: string): unknown
}

/** Numbers whose text JavaScript would change stay as they were written (JSON.parse source text access, ECMA-262). */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source) return value
  return (JSON as unknown as RawJson).rawJSON(context.source)
}
