/**
 * Turns CSV (RFC 4180, with any delimiter) that arrives in chunks into one JSON object per record, named by the header. Every value
 * stays the text that was read, since the definition says which type it has; an empty field is null.
 */
import { isUtf8 } from 'node:buffer'
import papa from 'papaparse'
import { isBlank } from '#core/json-bytes.ts'
import { withoutByteOrderMark } from '../ndjson-lines.ts'
import { QuickCsv } from './csv-quick.ts'
import { type NumberedRecord, type RecordSplitter, UNFINISHED } from './records.ts'

const [NEWLINE, CARRIAGE_RETURN, QUOTE] = [0x0a, 0x0d, 0x22]

/** bytes that a JSON string escapes; a delimiter may be one of them, but it is in no field of a record without quotes */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
const ESCAPED = /["\\\u0000-\u001f]/

export interface CsvOptions {
  /** one character; default: guessed from the first lines */
  readonly delimiter?: string
  /** names of the columns, for a file without a header */
  readonly columns?: readonly string[]
  /** columns whose numbers have a decimal comma: `-1.234,5` is taken for -1234.5 */
  readonly decimalComma?: readonly string[]
}

/** Delimiters that are recognised. */
export const CSV_DELIMITERS = [',', ';', '\t', '|'] as const

/** The delimiter that gives the sample's lines the same number of fields, more than one; null if none does. */
export function delimiterOf(sample: string): string | null {
  const { data, meta } = papa.parse<string[]>(sample, {
    preview: 10,
    skipEmptyLines: true,
    delimitersToGuess: [...CSV_DELIMITERS],
  })
  return (data[0]?.length ?? 0) > 1 ? meta.delimiter : null
}

/** Bytes of a record that has not ended, and how far they were looked at. */
interface Pending {
  bytes: Buffer
  scanned: number
  quoted: boolean
  /** the first quote behind what was looked at; -1: there is none, -2: not known */
  quote: number
}

type Found = { readonly end: number } | { readonly malformed: string; readonly at: number } | 'more'

export class CsvSplitter implements RecordSplitter {
  readonly unit = 'line'
  readonly #recordBytesMax: number
  readonly #delimiter: string
  readonly #delimiterByte: number
  readonly #parser: papa.Parser
  readonly #decimalComma: readonly string[]
  readonly #given: readonly string[] | undefined
  #columns: readonly CsvColumn[] | null = null
  /** null: there are no columns yet, or each record takes the slow path */
  #quick: QuickCsv | null = null
  #pending: Pending = { bytes: Buffer.alloc(0), scanned: 0, quoted: false, quote: -2 }
  /** of what is pending; records are parts of it */
  #memory = Buffer.alloc(0)
  #lines = 0
  /** the line that is left out is longer than the limit */
  #skipping = false
  #rescanned = 0

  constructor(recordBytesMax: number, options: CsvOptions & { readonly delimiter: string }) {
    this.#recordBytesMax = recordBytesMax
    this.#delimiter = options.delimiter
    // One for all records: preparing a parser takes longer than parsing a record.
    this.#parser = new papa.Parser({ delimiter: options.delimiter, newline: '\n' })
    this.#delimiterByte = options.delimiter.charCodeAt(0)
    this.#decimalComma = options.decimalComma ?? []
    this.#given = options.columns
    if (options.columns !== undefined) this.#columns = this.#columnsOf(options.columns)
  }

  get ended(): number {
    return this.#lines
  }

  /** bytes that were read more than once, because a quote before them turned out not to be closed */
  get rescannedBytes(): number {
    return this.#rescanned
  }

  *push(chunk: Buffer): Generator<NumberedRecord> {
    this.#append(chunk)
    yield* this.#records(false)
  }

  *end(isCut: boolean): Generator<NumberedRecord> {
    const rest = this.#pending.bytes
    if (isCut) {
      if (!isBlank(rest)) yield { number: this.#lines + 1, bytes: rest, fault: UNFINISHED }
      return
    }
    yield* this.#records(true)
    if (this.#skipping) yield { number: ++this.#lines, bytes: null }
    this.#skipping = false
    if (this.#columns === null) throw new SyntaxError('it has no header line')
  }

  /** Behind what has not ended, which moves to the beginning of the same memory. */
  #append(chunk: Buffer): void {
    const { bytes } = this.#pending
    const length = bytes.length + chunk.length
    const into = length <= this.#memory.length ? this.#memory : Buffer.allocUnsafeSlow(2 * length)
    bytes.copy(into, 0)
    chunk.copy(into, bytes.length)
    this.#memory = into
    this.#pending.bytes = into.subarray(0, length)
  }

  *#records(isEnd: boolean): Generator<NumberedRecord> {
    const pending = this.#pending
    pending.quote = -2
    let from = 0
    while (from < pending.bytes.length) {
      const found = this.#skipping ? this.#lineEnd(from) : this.#recordEnd(from, isEnd)
      if (found === 'more' && !isEnd && pending.bytes.length - from <= this.#recordBytesMax) break
      // What has no end within the limit: an open quote, or a line that is too long. The first line of it is given up, and no more.
      const malformed = found === 'more' ? endless(pending) : malformedOf(found)
      const end = typeof found === 'object' && 'end' in found ? found.end : this.#firstLineEnd(from)
      if (end === null && !isEnd) {
        if (typeof found === 'object' && 'malformed' in found && pending.bytes.length - from <= this.#recordBytesMax) {
          // The rest of its line has not been read yet.
          pending.scanned = found.at
          break
        }
        // The line itself is longer than the limit, and goes on.
        this.#skipping = true
        from = pending.bytes.length
        break
      }
      const stop = end ?? pending.bytes.length
      if (malformed !== null) pending.quote = -2
      if (malformed !== null) this.#rescanned += Math.max(0, lookedAt(found, pending) - stop)
      const record = withoutReturn(pending.bytes.subarray(from, stop))
      const number = this.#lines + 1
      this.#lines += malformed === null ? lineEnds(record) + 1 : 1
      yield* this.#recordOf(number, record, malformed)
      from = stop + 1
      pending.scanned = from
      pending.quoted = false
    }
    pending.bytes = pending.bytes.subarray(Math.min(from, pending.bytes.length))
    pending.scanned = Math.max(0, pending.scanned - from)
  }

  *#recordOf(number: number, bytes: Buffer, malformed: string | null): Generator<NumberedRecord> {
    const through = this.#lines
    if (this.#skipping || bytes.length > this.#recordBytesMax) {
      this.#skipping = false
      yield { number, through, bytes: null }
      return
    }
    const record = number === 1 ? withoutByteOrderMark(bytes) : bytes
    if (isBlank(record)) return
    if (malformed !== null) return yield { number, through, bytes: record, fault: malformed }
    const made = this.#quick?.eventOf(record) ?? null
    if (made !== null) return yield { number, through, bytes: made, flat: this.#quick! }
    if (!isUtf8(record)) return yield { number, through, bytes: record, fault: 'it is not UTF-8 text' }
    const fields = this.#fieldsOf(record.toString())
    if (fields === null) return yield { number, through, bytes: record, fault: 'its quotes are not balanced' }
    if (this.#columns === null) this.#columns = this.#columnsOf(fields)
    else yield { number, through, ...this.#eventOf(record, fields, this.#columns) }
  }

  #eventOf(
    record: Buffer,
    fields: readonly string[],
    columns: readonly CsvColumn[],
  ): Pick<NumberedRecord, 'bytes' | 'fault'> {
    if (fields.length !== columns.length) {
      const named = this.#given === undefined ? 'the header names' : 'there are'
      return { bytes: record, fault: `it has ${fields.length} fields, and ${named} ${columns.length} columns` }
    }
    // Between its delimiters, bytes that JSON does not escape need no look at each field.
    const isPlain = fields.length > 1 && !ESCAPED.test(record.toString('latin1'))
    let json = '{'
    for (let at = 0; at < columns.length; at++) {
      const { key, decimalComma } = columns[at]!
      const field = fields[at]!
      json += at === 0 ? key : `,${key}`
      if (field === '') json += 'null'
      else if (isPlain && !decimalComma) json += `"${field}"`
      else json += JSON.stringify(decimalComma ? withPoint(field) : field)
    }
    return { bytes: Buffer.from(`${json}}`) }
  }

  /** null: the record is more than one by its quotes */
  #fieldsOf(record: string): string[] | null {
    if (!record.includes('"')) return record.split(this.#delimiter)
    const { data } = this.#parser.parse(record, 0, false) as { data: string[][] }
    return data.length === 1 ? data[0]! : null
  }

  #columnsOf(names: readonly string[]): CsvColumn[] {
    const taken = new Set<string>()
    for (const name of this.#decimalComma)
      if (!names.includes(name))
        throw new SyntaxError(
          `it has no column '${name}' for numbers with a decimal comma; its columns are ${names.join(', ')}`,
        )
    const columns = names.map((given, at) => {
      const name = given.trim() === '' ? `column${at + 1}` : given
      if (taken.has(name))
        throw new SyntaxError(
          `two columns are named '${name}'; rename one in the header, or leave the header out and name the columns (columns=a,b over HTTP, --columns a,b on the command line)`,
        )
      taken.add(name)
      return { name, key: `${JSON.stringify(name)}:`, decimalComma: this.#decimalComma.includes(given) }
    })
    if (this.#decimalComma.length === 0)
      this.#quick = QuickCsv.of(
        columns.map(({ name }) => name),
        this.#delimiter,
      )
    return columns
  }

  /** Where the record that begins at `from` ends: a line break outside of quotes. */
  #recordEnd(from: number, isEnd: boolean): Found {
    const pending = this.#pending
    const { bytes } = pending
    let at = Math.max(from, pending.scanned)
    for (;;) {
      if (pending.quote < at && pending.quote !== -1) pending.quote = bytes.indexOf(QUOTE, at)
      const { quote } = pending
      if (pending.quoted) {
        if (quote === -1 || (quote === bytes.length - 1 && !isEnd)) {
          pending.scanned = quote === -1 ? bytes.length : quote
          return 'more'
        }
        const next = bytes[quote + 1]
        if (next === QUOTE) at = quote + 2
        else if (next === undefined || next === this.#delimiterByte || next === NEWLINE || next === CARRIAGE_RETURN) {
          pending.quoted = false
          at = quote + 1
        } else return { malformed: 'text follows the closing quote of a field', at: quote }
      } else {
        const newline = bytes.indexOf(NEWLINE, at)
        if (quote !== -1 && (newline === -1 || quote < newline)) {
          // Within a field that does not begin with one, a quote is an ordinary character.
          pending.quoted = quote === from || bytes[quote - 1] === this.#delimiterByte || this.#isBehindMark(quote)
          at = quote + 1
        } else if (newline === -1) {
          pending.scanned = bytes.length
          return isEnd ? { end: bytes.length } : 'more'
        } else return { end: newline }
      }
    }
  }

  #isBehindMark(quote: number): boolean {
    return (
      this.#lines === 0 &&
      quote === 3 &&
      withoutByteOrderMark(this.#pending.bytes).length === this.#pending.bytes.length - 3
    )
  }

  #lineEnd(from: number): Found {
    const end = this.#firstLineEnd(from)
    return end === null ? 'more' : { end }
  }

  #firstLineEnd(from: number): number | null {
    const end = this.#pending.bytes.indexOf(NEWLINE, from)
    return end === -1 ? null : end
  }
}

interface CsvColumn {
  readonly name: string
  /** as JSON, with the colon */
  readonly key: string
  readonly decimalComma: boolean
}

function endless({ quoted }: Pending): string {
  return quoted ? 'a quote is opened and never closed' : 'it is longer than the limit'
}

/** How far a record was looked at before it was given up. */
function lookedAt(found: Found, { bytes }: Pending): number {
  return typeof found === 'object' && 'at' in found ? found.at : bytes.length
}

function malformedOf(found: Found): string | null {
  return typeof found === 'object' && 'malformed' in found ? found.malformed : null
}

function withoutReturn(bytes: Buffer): Buffer {
  return bytes.length > 0 && bytes[bytes.length - 1] === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
}

function lineEnds(record: Buffer): number {
  let count = 0
  for (let at = record.indexOf(NEWLINE); at !== -1; at = record.indexOf(NEWLINE, at + 1)) count++
  return count
}

/** Thousands groups never start with 0, so 0.123 stays as it is. @example withPoint('-1.234,50') // '-1234.50' */
function withPoint(field: string): string {
  const text = field.trim()
  if (!/^[+-]?([1-9]\d{0,2}(\.\d{3})+|\d*)(,\d+)?$/.test(text)) return field
  return text.replaceAll('.', '').replace(',', '.')
}
