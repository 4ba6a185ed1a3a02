/** The first events of a file or an address, to draft a definition from. */
import { Readable } from 'node:stream'
import { ChunkReader, type Chunks } from '../chunk-reader.ts'
import { InflatingReader } from '../formats/inflate.ts'
import type { Recognised } from '../formats/recognise.ts'
import { type FormatOptions, RecognisingSplitter } from '../formats/recognising-splitter.ts'
import type { NumberedRecord, RecordSplitter } from '../formats/records.ts'
import { LineSplitter } from '../ndjson-lines.ts'
import { openInput } from '../open-input.ts'

export const SAMPLE_EVENTS_MAX = 5_000
const SAMPLE_BYTES_MAX = 16 * 1024 * 1024
const RECORD_BYTES_MAX = 1024 * 1024

export interface Sample {
  readonly format: Recognised['format']
  /** between the fields of CSV; null: it is not CSV */
  readonly delimiter: string | null
  readonly events: readonly object[]
  /** the JSON of each event, as it would be ingested */
  readonly texts: readonly string[]
  /** the first records that are no event, and why */
  readonly odd: readonly { readonly place: string; readonly reason: string }[]
  /** nothing follows the sample */
  readonly isWhole: boolean
}

const ODD_MAX = 5

export interface SampleOptions extends FormatOptions {
  /** records up to this line, element or row are left out */
  readonly after?: number
}

/** @param source a path, `-` or an http(s) address. @throws Error if it cannot be read */
export async function sampleOf(source: string, options: SampleOptions = {}): Promise<Sample> {
  const { stream, isTable } = await open(source)
  let recognised: Recognised = { format: isTable ? 'parquet' : 'ndjson' }
  const splitter = isTable
    ? new LineSplitter(RECORD_BYTES_MAX, 'row')
    : new RecognisingSplitter(source, RECORD_BYTES_MAX, options, (found) => {
        recognised = found
      })
  const reader = new InflatingReader(new ChunkReader(stream))
  try {
    const taken = await take(reader, splitter, options.after ?? 0)
    return { ...taken, format: recognised.format, delimiter: delimiterIn(recognised) }
  } finally {
    reader.stop()
  }
}

function delimiterIn(recognised: Recognised): string | null {
  return recognised.format === 'csv' ? recognised.delimiter : null
}

async function open(source: string): Promise<{ stream: Readable; isTable: boolean }> {
  if (!/^https?:\/\//i.test(source)) return openInput(source)
  const reply = await fetch(source, { headers: { 'accept-encoding': 'identity' } })
  if (!reply.ok || reply.body === null) throw new Error(`it answers ${reply.status} ${reply.statusText}`)
  return { stream: Readable.fromWeb(reply.body as never), isTable: false }
}

async function take(
  reader: Chunks,
  splitter: RecordSplitter,
  after: number,
): Promise<Omit<Sample, 'format' | 'delimiter'>> {
  const events: object[] = []
  const texts: string[] = []
  const odd: { place: string; reason: string }[] = []
  const add = (records: Iterable<NumberedRecord>): void => {
    for (const record of records) {
      if (events.length >= SAMPLE_EVENTS_MAX) return
      if (record.number <= after) continue
      const event = eventOf(record)
      if (typeof event === 'object') {
        events.push(event)
        texts.push(record.bytes!.toString())
      } else if (odd.length < ODD_MAX) odd.push({ place: `${splitter.unit} ${record.number}`, reason: event })
    }
  }
  for (let bytes = 0; bytes < SAMPLE_BYTES_MAX && events.length < SAMPLE_EVENTS_MAX; ) {
    const chunk = await reader.next(Number.POSITIVE_INFINITY)
    if (chunk === 'end') {
      add(splitter.end(false))
      return { events, texts, odd, isWhole: true }
    }
    if (typeof chunk === 'string') continue
    bytes += chunk.length
    add(splitter.push(chunk))
  }
  return { events, texts, odd, isWhole: false }
}

/** The event, or why it is none. */
function eventOf({ bytes, fault }: NumberedRecord): object | string {
  if (bytes === null) return `longer than ${RECORD_BYTES_MAX} bytes`
  if (fault !== undefined) return fault
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? value
      : 'an event must be a JSON object'
  } catch (error) {
    return `not valid JSON: ${(error as Error).message}`
  }
}
