/** The lines of a batch: where they are, and copies in which those that the engine could not read are hidden. */
import { DEEP_LINE_BYTES_MIN, isTooDeep } from '#core/json-text.ts'
import type { Offset } from '#core/offsets.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { ENGINE_LINE_BYTES_MAX } from './scratch-file.ts'

const LINE_FEED = 10
const HYPHEN = 45

/** A batch's lines, as the engine reads them. */
export interface LinesFile {
  readonly path: string
  /** at least as long as every line */
  readonly objectBytesMax: number
}

export interface PlacedLine {
  /** of the record in its batch */
  readonly index: number
  readonly offset: Offset
  readonly line: Buffer
  readonly arrivalMs: number
}

/** The lines of some records, in the order of the batch. */
export function* linesAt(batch: RecordBatch, offsets: readonly Offset[]): Generator<PlacedLine> {
  if (offsets.length === 0) return
  const indexOf = new Map(batch.offsets ? Array.from(batch.offsets, (offset, index) => [offset, index]) : [])
  const wanted = new Map(offsets.map((offset) => [batch.offsets ? indexOf.get(offset)! : offset - batch.start, offset]))
  let index = 0
  let arrivalRun = 0
  let runEnd = batch.arrivals[0]!.count
  for (let from = 0; from < batch.lines.length; index++) {
    const end = batch.lines.indexOf(10, from)
    while (index >= runEnd) runEnd += batch.arrivals[++arrivalRun]!.count
    const offset = wanted.get(index)
    if (offset !== undefined)
      yield { index, offset, line: batch.lines.subarray(from, end), arrivalMs: batch.arrivals[arrivalRun]!.atMs }
    from = end + 1
  }
}

/** At least as long as every line, and as what the engine makes room for by itself: shorter lines are passed over together. */
export function lineBytesMax(lines: Buffer): number {
  return linesOver(lines, ENGINE_LINE_BYTES_MAX - 1).reduce(
    (longest, [from, end]) => Math.max(longest, end + 1 - from),
    ENGINE_LINE_BYTES_MAX,
  )
}

/** Where the lines with more than `bytes` bytes begin and end. */
function linesOver(lines: Buffer, bytes: number): [from: number, end: number][] {
  const found: [number, number][] = []
  for (let from = 0; from < lines.length; ) {
    // Of the lines that end within reach, none is longer.
    const shortEnd = lines.lastIndexOf(LINE_FEED, from + bytes)
    if (shortEnd >= from) {
      from = shortEnd + 1
      continue
    }
    const end = lines.indexOf(LINE_FEED, from + bytes)
    if (end === -1) break
    found.push([from, end])
    from = end + 1
  }
  return found
}

/** Replaces with `null` every line whose nesting could overflow the engine's stack and crash the process. */
export function hideDeep(lines: Buffer): Buffer {
  const parts: Buffer[] = []
  let kept = 0
  for (const [from, end] of linesOver(lines, DEEP_LINE_BYTES_MIN)) {
    if (!isTooDeep(lines.subarray(from, end))) continue
    parts.push(lines.subarray(kept, from), Buffer.from('null'))
    kept = end
  }
  return kept === 0 ? lines : Buffer.concat([...parts, lines.subarray(kept)])
}

/**
 * The lines in a form in which the engine takes or refuses each one whatever is beside it. To its parser a line feed is a space: what is not
 * complete goes on in the next line, and is written over there, or refuses the whole file. So lines that end where a value or a name is expected, or begin
 * with what no value does, are hidden; none is JSON. It passes over a byte order mark at the beginning of a file alone: that is hidden as well.
 */
export function linesToRead(batch: Pick<RecordBatch, 'lines'>): Buffer {
  return hideParts(hideMark(hideDeep(batch.lines)))
}

const BYTE_ORDER_MARK = Buffer.from('\ufeff')

function hideMark(lines: Buffer): Buffer {
  if (!lines.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) return lines
  const hidden = Buffer.from(lines)
  hidden.fill(HYPHEN, 0, BYTE_ORDER_MARK.length)
  return hidden
}

/** By byte: what no JSON ends with. */
const OPENING = tableOf(':,[{')
/** By byte: what no JSON begins with, and incomplete JSON can go on with. */
const CLOSING = tableOf(':,]}')
const SPACES = tableOf(' \t\r')

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const byte of Buffer.from(characters)) table[byte] = 1
  return table
}

/** With a hyphen in the place of what a line must not end or begin with. One look at each line: this is done to every batch. */
function hideParts(lines: Buffer): Buffer {
  const places: number[] = []
  for (let from = 0, end = lines.indexOf(LINE_FEED); end >= 0; from = end + 1, end = lines.indexOf(LINE_FEED, from)) {
    let first = from
    while (SPACES[lines[first]!] === 1) first++
    let last = end - 1
    while (last > first && SPACES[lines[last]!] === 1) last--
    if (CLOSING[lines[first]!] === 1) places.push(first)
    if (last >= first && OPENING[lines[last]!] === 1) places.push(last)
  }
  if (places.length === 0) return lines
  const hidden = Buffer.from(lines)
  for (const place of places) hidden[place] = HYPHEN
  return hidden
}

/** Replaces with `null` every line that is not JSON; latin1 preserves all other bytes. */
export function blankUnparsable(lines: Buffer): string {
  return lines
    .toString('latin1')
    .split('\n')
    .map((line) => (line === '' || isJson(Buffer.from(line, 'latin1').toString('utf8')) ? line : 'null'))
    .join('\n')
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
