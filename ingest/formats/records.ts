/** What every file format is split into: one record per event, with the place where its user finds it. */
import type { FlatShape } from '#core/flat-scan.ts'

export interface NumberedRecord {
  /** of the line where it begins, or of the element or row; starts at 1 */
  readonly number: number
  /** of the last line that belongs to it, where it has several */
  readonly through?: number
  /** the event as JSON on one line, or, with `fault`, the text as it was read; valid until the next record is asked for. null: longer than the limit, not kept */
  readonly bytes: Buffer | null
  /** why the text is not a record of its format */
  readonly fault?: string
  /** of an event that was made as a flat object: its shape, and where its values end; valid as long as its bytes */
  readonly flat?: { readonly shape: FlatShape; readonly ends: Int32Array }
}

/** What a record's number counts: `line` of a text, `element` of a JSON array, `row` of a table. */
export type RecordUnit = 'line' | 'element' | 'row'

/** Splits a stream of chunks into records. Holds at most one that has not ended, of that only as much as the limit allows, and no memory of its chunks. */
export interface RecordSplitter {
  readonly unit: RecordUnit
  /** number of lines, elements or rows that have ended, including those that contain no event */
  readonly ended: number
  /** records that end in this chunk */
  push(chunk: Buffer): Iterable<NumberedRecord>
  /**
   * What remains at the end of the input.
   * @param isCut whether the input goes on and is not read further: a record that may not be whole has a fault then, or is only text
   * @throws SyntaxError if the input cannot end here, unless it is cut
   */
  end(isCut: boolean): Iterable<NumberedRecord>
}

/** the fault of a record that had not ended when its input was left */
export const UNFINISHED = 'it had not ended'

/** The record with bytes of its own, which stay valid. */
export function keptRecord({ flat: _, ...record }: NumberedRecord): NumberedRecord {
  return record.bytes === null ? record : { ...record, bytes: Buffer.from(record.bytes) }
}
