/** The rows of a CSV body: as a CSV file is read, with bounded work for any bytes. */
import { setImmediate as turn } from 'node:timers/promises'
import type { CsvBody } from '#core/body-format.ts'
import { CsvSplitter } from '../formats/csv.ts'
import type { NumberedRecord } from '../formats/records.ts'
import type { BodyLimits } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'
import { BodyError } from './body-error.ts'
import { BuiltRows } from './built-rows.ts'

/** split before the event loop is yielded to */
const CHUNK_BYTES = 64 * 1024
const RESCANNED_BYTES_MAX = 4 * 1024 * 1024

/** @throws BodyError if the body as a whole is not CSV; OfferTooLargeError */
export async function rowsOfCsv(body: Buffer, format: CsvBody, limits: BodyLimits): Promise<Rows> {
  const rows = new BuiltRows(limits)
  try {
    // It checks the columns that were given.
    const splitter = new CsvSplitter(limits.recordBytesMax, format)
    for (let at = 0; at < body.length; at += CHUNK_BYTES) {
      if (at > 0) await turn()
      take(splitter, splitter.push(body.subarray(at, at + CHUNK_BYTES)), rows, limits)
    }
    take(splitter, splitter.end(false), rows, limits)
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BodyError(`the body is not valid CSV: ${error.message}`, { cause: error })
    throw error
  }
  return rows.rows()
}

function take(splitter: CsvSplitter, records: Iterable<NumberedRecord>, rows: BuiltRows, limits: BodyLimits): void {
  for (const { number, bytes, fault, flat } of records) {
    if (bytes === null) rows.fault(`the record is longer than recordBytesMax = ${limits.recordBytesMax} bytes`, number)
    else if (fault !== undefined) rows.fault(fault, number)
    else rows.add(bytes, number, flat)
    // Text that is read again behind each of many unbalanced quotes would take time without end.
    if (splitter.rescannedBytes > RESCANNED_BYTES_MAX)
      throw new SyntaxError(`too many quotes are not balanced, up to line ${number}; is the delimiter right?`)
  }
}
