/** Recognises the format of a file by its name and its first lines. */
import { isJsonSpace } from '#core/json-bytes.ts'
import { withoutByteOrderMark } from '../ndjson-lines.ts'
import { delimiterOf } from './csv.ts'

export const FILE_FORMATS = ['ndjson', 'json', 'csv', 'parquet'] as const
/** `json`: one array of events */
export type FileFormat = (typeof FILE_FORMATS)[number]

export type Recognised =
  | { readonly format: 'ndjson' | 'json' | 'parquet' }
  | { readonly format: 'csv'; readonly delimiter: string }

/** a sample is not made larger than this */
const SAMPLE_BYTES_MAX = 64 * 1024
const SAMPLE_LINES = 10
const NEWLINE = 10
const PARQUET_MARK = 'PAR1'

/**
 * null: more bytes are needed. What begins with `{` is NDJSON, with `[` an array. Anything else is CSV if a delimiter gives its first lines
 * the same number of fields, or if its name ends in .csv or .tsv; otherwise it is NDJSON, whose lines the intake rejects by number.
 * @param isAll whether nothing follows the sample
 */
export function recognise(sample: Buffer, isAll: boolean, name = ''): Recognised | null {
  const text = withoutByteOrderMark(sample)
  if (!isAll && text.length < PARQUET_MARK.length) return null
  if (text.subarray(0, PARQUET_MARK.length).toString() === PARQUET_MARK) return { format: 'parquet' }
  let at = 0
  while (isJsonSpace(text[at])) at++
  const first = text[at]
  if (first === undefined) return isAll ? { format: 'ndjson' } : null
  if (first === 0x7b) return { format: 'ndjson' }
  if (first === 0x5b) return { format: 'json' }
  return recogniseLines(text.subarray(0, SAMPLE_BYTES_MAX), isAll || text.length >= SAMPLE_BYTES_MAX, name)
}

function recogniseLines(sample: Buffer, isEnough: boolean, name: string): Recognised | null {
  const named = /\.(csv|tsv)(\.(gz|zst))?$/i.exec(name)?.[1]?.toLowerCase()
  const lines = wholeLines(sample, isEnough)
  // Without a name, one line that holds a comma is not enough to call it CSV.
  if (lines.length < (named === undefined ? 2 : 1)) return isEnough ? { format: 'ndjson' } : null
  const delimiter = delimiterOf(lines.join('\n'))
  if (named !== undefined) return { format: 'csv', delimiter: delimiter ?? (named === 'tsv' ? '\t' : ',') }
  return delimiter !== null && looksLikeTable(lines, delimiter) ? { format: 'csv', delimiter } : { format: 'ndjson' }
}

function wholeLines(sample: Buffer, isEnough: boolean): string[] {
  const end = isEnough ? sample.length : sample.lastIndexOf(NEWLINE) + 1
  const lines = sample.toString('utf8', 0, end).split(/\r?\n/)
  return lines.filter((line) => line.trim() !== '').slice(0, SAMPLE_LINES)
}

/** Two lines at least have the fields of the first, and none is JSON. */
function looksLikeTable(lines: readonly string[], delimiter: string): boolean {
  const fields = lines.map((line) => line.split(delimiter).length)
  return fields[0]! > 1 && fields[1] === fields[0] && !lines.some((line) => /^\s*[{[]/.test(line))
}
