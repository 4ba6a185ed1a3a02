/** Reads CSV as RFC 4180 says it: commas, fields in double quotes may hold commas, line breaks and doubled quotes. */

export interface CsvRow {
  /** line where the row starts; 1 is the first */
  readonly line: number
  readonly fields: readonly string[]
}

export class CsvError extends Error {
  readonly line: number
  constructor(line: number, message: string) {
    super(message)
    this.name = 'CsvError'
    this.line = line
  }
}

/** A field in quotes (1), or a bare one (2), and what ends it (3). */
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y

/** Rows in order; blank lines left out. @throws CsvError with the line of a quote that is out of place or never closed */
export function* csvRows(text: string): Generator<CsvRow> {
  let line = 1
  let start = 1
  let fields: string[] = []
  for (let at = 0; at < text.length || fields.length > 0; ) {
    FIELD.lastIndex = at
    const match = FIELD.exec(text)
    if (match === null) throw new CsvError(line, 'a double quote is misplaced or never closed')
    const [whole, quoted, bare, end] = match
    fields.push(quoted === undefined ? bare! : quoted.replaceAll('""', '"'))
    line += (whole.match(/\r\n|\n|\r/g) ?? []).length
    at = FIELD.lastIndex
    if (end === ',') continue
    if (fields.length > 1 || fields[0] !== '' || quoted !== undefined) yield { line: start, fields }
    fields = []
    start = line
  }
}
