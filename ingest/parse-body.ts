/** Splits a request body into one row per event. Its size, the number of events, and the size and depth of each are checked before anything is parsed. */
import { isUtf8 } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import type { BodyFormat } from '#core/body-format.ts'
import { trimmed, withoutLineBreaks } from '#core/json-bytes.ts'
import { isTooDeep } from '#core/json-text.ts'
import { BodyError } from './bodies/body-error.ts'
import { rowsOfCsv } from './bodies/csv-body.ts'
import { type BodyLimits, DEFAULT_BODY_LIMITS, OfferTooLargeError } from './ingest-limits.ts'
import { beginsArray, elementsOf, type JsonElements } from './json-elements.ts'
import { linesOf, withoutByteOrderMark } from './ndjson-lines.ts'
import type { Rows } from './rows.ts'

/** parsed before the event loop is yielded to */
const BYTES_PER_TURN = 1024 * 1024

/**
 * The rows of a body, ready for Intake.offer. A large one is parsed in slices, between which the event loop is yielded to.
 * @throws OfferTooLargeError for more bytes or events than the limits; BodyError for invalid JSON
 */
export async function rowsOfBody(body: Buffer, format: BodyFormat, limits: Partial<BodyLimits> = {}): Promise<Rows> {
  const all = { ...DEFAULT_BODY_LIMITS, ...limits }
  const { bodyBytesMax, rowsMax } = all
  if (body.length > bodyBytesMax)
    throw new OfferTooLargeError('the body', body.length, 'bytes', 'requestBytesMax', bodyBytesMax)
  const rows = await split(body, format, all)
  assertCount(rows.starts.length, rowsMax)
  return rows
}

/** Formats other than JSON and NDJSON load their libraries when they are first used. */
async function split(body: Buffer, format: BodyFormat, limits: BodyLimits): Promise<Rows> {
  const { rowsMax, recordBytesMax } = limits
  if (format === 'ndjson') return linesOf(body, rowsMax)
  if (format === 'json') return rowsOfJson(body, rowsMax, recordBytesMax)
  if (format === 'arrow') return (await import('./bodies/arrow-body.ts')).rowsOfArrow(body, limits)
  if (typeof format === 'object' && format.kind === 'csv') return rowsOfCsv(body, format, limits)
  const { checkedCloudEvents, rowOfBinary } = await import('./bodies/cloud-events.ts')
  if (typeof format === 'object') return rowOfBinary(body, format, limits)
  const isArray = beginsArray(withoutByteOrderMark(body))
  if (isArray !== (format === 'cloud-events'))
    throw new BodyError(
      isArray
        ? 'the body is an array; send a batch of CloudEvents with content-type application/cloudevents-batch+json'
        : 'the body is not an array; send a single CloudEvent with content-type application/cloudevents+json',
    )
  return checkedCloudEvents(await rowsOfJson(body, rowsMax, recordBytesMax), recordBytesMax)
}

function assertCount(count: number, rowsMax: number): void {
  if (count > rowsMax) throw new OfferTooLargeError('the body', count, 'events', 'requestRowsMax', rowsMax)
}

/**
 * An array of events, or one event. Each keeps its text, as a line, so that a problem concerns only that event. What is too
 * large or too deep for an event is left to its verdict without being parsed: values of its text could take gigabytes.
 */
async function rowsOfJson(body: Buffer, rowsMax: number, recordBytesMax: number): Promise<Rows> {
  const advice = 'send an array of events, or NDJSON with content-type application/x-ndjson'
  if (!isUtf8(body)) throw new BodyError(`the body is not UTF-8 text; ${advice}`)
  const bytes = withoutByteOrderMark(body)
  try {
    const elements = beginsArray(bytes) ? elementsOf(bytes, rowsMax) : oneElement(bytes, recordBytesMax)
    const { starts, ends } = elements
    assertCount(starts.length, rowsMax)
    await assertValid(bytes, elements, recordBytesMax)
    return { bytes: withoutLineBreaks(bytes), starts, ends }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new BodyError(`the body is not valid JSON: ${error.message}; ${advice}`)
  }
}

/** @throws SyntaxError for an element that is not valid JSON, unless it is too large or too deep */
async function assertValid(
  bytes: Buffer,
  { starts, ends, tooDeep }: JsonElements,
  recordBytesMax: number,
): Promise<void> {
  let sliceEnd = BYTES_PER_TURN
  for (const [index, start] of starts.entries()) {
    const end = ends[index]!
    if (start >= sliceEnd) {
      await turn()
      sliceEnd = start + BYTES_PER_TURN
    }
    if (end - start > recordBytesMax || tooDeep.has(index)) continue
    try {
      JSON.parse(bytes.toString('utf8', start, end))
    } catch (error) {
      throw new SyntaxError(
        starts.length === 1 ? (error as Error).message : `event ${index}: ${(error as Error).message}`,
      )
    }
  }
}

function oneElement(bytes: Buffer, recordBytesMax: number): JsonElements {
  const [start, end] = trimmed(bytes, 0, bytes.length)
  const isDeep = end - start <= recordBytesMax && isTooDeep(bytes.subarray(start, end))
  return { starts: [start], ends: [end], tooDeep: new Set(isDeep ? [0] : []) }
}
